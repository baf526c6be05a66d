"""Voxels of labelmaps, as volumes and as blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, binary_response, empty_response, point
from standins.dvid.codecs import compression, label_block
from standins.dvid.instances import route
from standins.dvid.types.images import plane_response
from standins.dvid.types.labelmap.blocks import LabelBlock, Labels
from standins.dvid.types.labelmap.state import LabelState, View, level
from standins.dvid.versions import Node
from standins.dvid.voxels import Region, check_aligned, dissect, parse, parse_raw_path, parse_region

_BLOCKS: Mapping[str, Callable[[LabelBlock], bytes]] = {
    "lz4": lambda block: compression.lz4(block.voxels.tobytes()),
    "gzip": lambda block: compression.gzip_encode(block.voxels.tobytes()),
    "blocks": lambda block: compression.gzip_encode(block.native),
    "uncompressed": lambda block: block.voxels.tobytes(),
}


class Voxels(LabelState):
    """Requests with voxels."""

    def read_masked(self, node: Node, call: Call, region: Region) -> Labels:
        """Return the labels of a region in the view of the query, with zeros outside its ROI."""
        array = self.read(node, View.parse(call), region)
        outside = self.outside_roi(node, call, region)
        if outside is not None:
            array[outside] = 0
        return array

    @route("GET", "raw")
    @route("GET", "isotropic")
    def get_raw(self, node: Node, call: Call) -> Response:
        """Return a volume in the requested compression, or a plane as an image."""
        region, is_volume = parse_raw_path(call)
        if not is_volume:
            return plane_response(call, self.resolution, region, lambda part: self.read_masked(node, call, part))
        encode = compression.VOLUMES.get(name := call.query.get("compression", ""))
        if encode is None:
            raise Refusal(f'unknown compression type "{name}"')
        array = self.read_masked(node, call, region)
        return binary_response(encode(array), {"Content-Encoding": "gzip"} if name == "googlegzip" else None)

    @route("GET", "pseudocolor")
    def get_pseudocolor(self, node: Node, call: Call) -> Response:
        """Return a plane as an image with a colour for each label."""
        region, is_volume = parse_raw_path(call)
        if is_volume:
            raise Refusal("DVID currently supports only 2d pseudocolor image requests")
        return plane_response(call, self.resolution, region, lambda part: _colour(self.read_masked(node, call, part)))

    @route("POST", "raw")
    def post_raw(self, node: Node, call: Call) -> Response:
        """Store whole blocks of supervoxels and update all levels; reproduces the crash of the real server below 0."""
        region, is_volume = parse_raw_path(call)
        if not is_volume:
            raise Refusal(f'cannot store labels for data "{self.name}" in non 3D format')
        body = compression.decompress(call.body, call.query.get("compression", ""), 8 * math.prod(region.size))
        check_aligned(region, self.block_size, f'cannot store labels for data "{self.name}"')
        array = parse(body, region, np.uint64)
        if min(region.offset) < 0:
            self.extent.include(region.offset, region.last)
            raise Refusal("Panic detected: runtime error: index out of range", 500, bare=True)
        blocks = {coord: LabelBlock(voxels) for coord, voxels in dissect(array, region, self.block_size)}
        self.repo.next_mutation()
        self.ingest(node, blocks, mutate=call.flag("mutate"), index=self.indexed)
        self.downscale(node, blocks)
        return empty_response()

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """Return the existing blocks of an aligned region."""
        region = parse_region(call.part(1), call.part(2))
        encode = _encoder(call.query.get("compression", "lz4"))
        check_aligned(region, self.block_size, "cannot use labels via 'blocks' endpoint")
        return self._stream(node, View.parse(call), region.blocks(self.block_size), encode)

    @route("GET", "specificblocks")
    def get_specific(self, node: Node, call: Call) -> Response:
        """Return those of the listed blocks that exist."""
        numbers = point(call.query.get("blocks", ""), ",")
        if len(numbers) % 3:
            raise Refusal("block query string must be in sets of three coordinates")
        encode = _encoder(call.query.get("compression", "blocks"))
        return self._stream(node, View.parse(call), zip(*[iter(numbers)] * 3, strict=True), encode)

    def _stream(
        self, node: Node, view: View, coords: Iterable[tuple[int, ...]], encode: Callable[[LabelBlock], bytes]
    ) -> Response:
        out = []
        for x, y, z in coords:
            block = self.block(node, view, (x, y, z))
            if block is not None:
                out.append(compression.encode_record((x, y, z), encode(block)))
        return binary_response(b"".join(out))

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store native blocks; ``downres=true`` updates the coarser levels."""
        at, downres = level(call), call.flag("downres")
        if downres and at:
            raise Refusal("cannot downscale blocks of scale > 0")
        if call.query.get("compression", "blocks") != "blocks":
            raise Refusal('compression must be "blocks" (default) at this time')
        self.repo.next_mutation()
        blocks = self._parse_blocks(call.body)
        if at:
            self._put_coarse(node, at, blocks)
            return empty_response()
        self.ingest(node, blocks, mutate=False, index=self.indexed and not call.flag("noindexing"))
        if downres:
            self.downscale(node, blocks)
        return empty_response()

    @route("POST", "ingest-supervoxels")
    def ingest_supervoxels(self, node: Node, call: Call) -> Response:
        """Store native blocks without updating the index or the coarser levels."""
        at, blocks = level(call), self._parse_blocks(call.body)
        if at:
            self._put_coarse(node, at, blocks)
        else:
            self.ingest(node, blocks, mutate=False, index=False)
        return empty_response()

    def _put_coarse(self, node: Node, at: int, blocks: Mapping[Xyz, LabelBlock]) -> None:
        for coord, block in blocks.items():
            self.blocks.put(node, (at, coord), block)

    def _parse_blocks(self, body: bytes) -> dict[Xyz, LabelBlock]:
        blocks = {}
        for coord, content in compression.split_records(body):
            voxels = label_block.decode(compression.gzip_decode(content))
            if voxels.shape != self.block_size[::-1]:
                raise Refusal(f"block {coord} has shape {voxels.shape[::-1]}, this instance has {self.block_size}")
            blocks[coord] = LabelBlock(voxels)
        return blocks


def _encoder(name: str) -> Callable[[LabelBlock], bytes]:
    if name not in _BLOCKS:
        raise Refusal('compression must be "lz4" (default), "gzip", "blocks" or "uncompressed"')
    return _BLOCKS[name]


def _colour(labels: Labels) -> Labels:
    """Return labels whose low bytes are pseudo-random colours; background is black."""
    colours = labels * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)
    return np.where(labels > 0, colours | np.uint64(0x010101), np.uint64(0)).astype(np.uint32)
