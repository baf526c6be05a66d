"""Labels as volumes and as blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, done, octets, point
from standins.dvid.codecs import compression, label_block
from standins.dvid.instances import route
from standins.dvid.types.labelmap.blocks import LabelBlock, Labels
from standins.dvid.types.labelmap.state import LabelState, View, level
from standins.dvid.types.pictures import plane
from standins.dvid.versions import Node
from standins.dvid.voxels import Region, asked, check_aligned, dissect, parse, region

_BLOCKS: Mapping[str, Callable[[LabelBlock], bytes]] = {
    "lz4": lambda block: compression.lz4(block.voxels.tobytes()),
    "gzip": lambda block: compression.packed(block.voxels.tobytes()),
    "blocks": lambda block: compression.packed(block.native),
    "uncompressed": lambda block: block.voxels.tobytes(),
}


class Voxels(LabelState):
    """The requests that carry voxels."""

    def seen(self, node: Node, call: Call, asked_for: Region) -> Labels:
        """The labels of a region, in the view and the ROI that the query names."""
        array = self.read(node, View.of(call), asked_for)
        outside = self.outside_roi(node, call, asked_for)
        if outside is not None:
            array[outside] = 0
        return array

    @route("GET", "raw")
    @route("GET", "isotropic")
    def get_raw(self, node: Node, call: Call) -> Response:
        """A volume in the asked compression or a plane as a picture."""
        asked_for, is_volume = asked(call)
        if not is_volume:
            return plane(call, self.resolution, asked_for, lambda part: self.seen(node, call, part))
        encode = compression.VOLUMES.get(name := call.query.get("compression", ""))
        if encode is None:
            raise Refusal(f'unknown compression type "{name}"')
        array = self.seen(node, call, asked_for)
        return octets(encode(array), {"Content-Encoding": "gzip"} if name == "googlegzip" else None)

    @route("GET", "pseudocolor")
    def get_pseudocolor(self, node: Node, call: Call) -> Response:
        """A plane as a picture in which every label has a colour of its own."""
        asked_for, is_volume = asked(call)
        if is_volume:
            raise Refusal("DVID currently supports only 2d pseudocolor image requests")
        return plane(call, self.resolution, asked_for, lambda part: _coloured(self.seen(node, call, part)))

    @route("POST", "raw")
    def post_raw(self, node: Node, call: Call) -> Response:
        """Store whole blocks of supervoxels, all levels in step."""
        asked_for, is_volume = asked(call)
        if not is_volume:
            raise Refusal(f'cannot store labels for data "{self.name}" in non 3D format')
        body = compression.received(call.body, call.query.get("compression", ""), 8 * math.prod(asked_for.size))
        check_aligned(asked_for, self.block_size, f'cannot store labels for data "{self.name}"')
        array = parse(body, asked_for, np.uint64)
        blocks = {place: LabelBlock(voxels) for place, voxels in dissect(array, asked_for, self.block_size)}
        self.repo.next_mutation()
        self.ingest(node, blocks, mutate=call.flag("mutate"), index=self.indexed)
        self.downscale(node, blocks)
        return done()

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """The blocks of an aligned region that exist, one after another."""
        asked_for = region(call.part(1), call.part(2))
        encode = _encoder(call.query.get("compression", "lz4"))
        check_aligned(asked_for, self.block_size, "cannot use labels via 'blocks' endpoint")
        return self._stream(node, View.of(call), asked_for.blocks(self.block_size), encode)

    @route("GET", "specificblocks")
    def get_specific(self, node: Node, call: Call) -> Response:
        """The named blocks that exist, one after another."""
        numbers = point(call.query.get("blocks", ""), ",")
        if len(numbers) % 3:
            raise Refusal("block query string must be in sets of three coordinates")
        encode = _encoder(call.query.get("compression", "blocks"))
        return self._stream(node, View.of(call), zip(*[iter(numbers)] * 3, strict=True), encode)

    def _stream(
        self, node: Node, view: View, places: Iterable[tuple[int, ...]], encode: Callable[[LabelBlock], bytes]
    ) -> Response:
        out = []
        for x, y, z in places:
            block = self.block(node, view, (x, y, z))
            if block is not None:
                out.append(compression.stream((x, y, z), encode(block)))
        return octets(b"".join(out))

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store native blocks; coarser levels follow with ``downres=true``."""
        at, downres = level(call), call.flag("downres")
        if downres and at:
            raise Refusal("cannot downscale blocks of scale > 0")
        if call.query.get("compression", "blocks") != "blocks":
            raise Refusal('compression must be "blocks" (default) at this time')
        self.repo.next_mutation()
        blocks = self._parsed(call.body)
        if at:
            self._put_coarse(node, at, blocks)
            return done()
        self.ingest(node, blocks, mutate=False, index=self.indexed and not call.flag("noindexing"))
        if downres:
            self.downscale(node, blocks)
        return done()

    @route("POST", "ingest-supervoxels")
    def ingest_supervoxels(self, node: Node, call: Call) -> Response:
        """Store native blocks and nothing else: no index, no coarser levels."""
        at, blocks = level(call), self._parsed(call.body)
        if at:
            self._put_coarse(node, at, blocks)
        else:
            self.ingest(node, blocks, mutate=False, index=False)
        return done()

    def _put_coarse(self, node: Node, at: int, blocks: Mapping[Xyz, LabelBlock]) -> None:
        for place, block in blocks.items():
            self.blocks.put(node, (at, place), block)

    def _parsed(self, body: bytes) -> dict[Xyz, LabelBlock]:
        blocks = {}
        for place, content in compression.records(body):
            voxels = label_block.decode(compression.unpacked(content))
            if voxels.shape != self.block_size[::-1]:
                raise Refusal(f"block {place} has shape {voxels.shape[::-1]}, this instance has {self.block_size}")
            blocks[place] = LabelBlock(voxels)
        return blocks


def _encoder(name: str) -> Callable[[LabelBlock], bytes]:
    if name not in _BLOCKS:
        raise Refusal('compression must be "lz4" (default), "gzip", "blocks" or "uncompressed"')
    return _BLOCKS[name]


def _coloured(labels: Labels) -> Labels:
    """Labels whose low bytes are colours, spread by a multiplication; black is background."""
    colours = labels * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)
    return np.where(labels > 0, colours | np.uint64(0x010101), np.uint64(0)).astype(np.uint32)
