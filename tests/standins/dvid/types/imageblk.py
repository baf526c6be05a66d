"""Grey values and other numbers, stored in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, binary_response, empty_response, point, xyz
from standins.dvid.codecs import compression
from standins.dvid.instances import route
from standins.dvid.types.images import plane_response
from standins.dvid.types.oblique import ObliquePlanes
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import (
    MAX_BYTES,
    Region,
    assemble,
    check_aligned,
    dissect,
    parse,
    parse_raw_path,
    parse_region,
)


class ImageBlocks(ObliquePlanes):
    """Voxels of a fixed data type."""

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        super().create(options)
        self.blocks: Versioned[Xyz, NDArray[Any]] = Versioned()

    @property
    def block_bytes(self) -> int:
        """Number of bytes of a block."""
        return math.prod(self.block_size) * np.dtype(self.dtype).itemsize

    def read(self, node: Node, region: Region) -> NDArray[Any]:
        """Return the (z, y, x) array of a region, with zeros where nothing was written."""
        return assemble(region, self.block_size, self.dtype, lambda coord: self.blocks.get(node, coord))

    def write(self, node: Node, region: Region, array: NDArray[Any]) -> None:
        """Store the array of an aligned region."""
        for coord, block in dissect(array, region, self.block_size):
            self.blocks.put(node, coord, block)
        self.extent.include(region.offset, region.last)

    def read_masked(self, node: Node, call: Call, region: Region) -> NDArray[Any]:
        """Return the array of a region, with zeros outside the ROI in the query."""
        array = self.read(node, region)
        outside = self.outside_roi(node, call, region)
        if outside is not None:
            array[outside] = 0
        return array

    @route("GET", "raw")
    @route("GET", "isotropic")
    def get_raw(self, node: Node, call: Call) -> Response:
        """Return a volume as bytes, or a plane as an image."""
        region, is_volume = parse_raw_path(call)
        if is_volume:
            return self.volume_response(self.read_masked(node, call, region), call)
        return plane_response(call, self.resolution, region, lambda part: self.read_masked(node, call, part))

    def volume_response(self, array: NDArray[Any], call: Call) -> Response:
        """Return the response with a volume."""
        return binary_response(array.tobytes())

    @route("POST", "raw")
    def post_raw(self, node: Node, call: Call) -> Response:
        """Store whole blocks."""
        region, is_volume = parse_raw_path(call)
        if not is_volume:
            raise Refusal("DVID only accepts volumes (0_1_2) for storing")
        array = parse(call.body, region, self.dtype)
        self.repo.next_mutation()
        check_aligned(region, self.block_size, "cannot store voxels")
        self.write(node, region, array)
        return empty_response()

    @route("GET", "subvolblocks")
    def subvolume(self, node: Node, call: Call) -> Response:
        """Return the blocks of an aligned region."""
        region = parse_region(call.part(1), call.part(2))
        check_aligned(region, self.block_size, "cannot use labels via 'block' endpoint")
        return self._stream(node, region.blocks(self.block_size), call)

    @route("GET", "specificblocks")
    def specific(self, node: Node, call: Call) -> Response:
        """Return those of the listed blocks that exist."""
        if not call.query.get("blocks"):
            return binary_response(b"")
        numbers = point(call.query["blocks"], ",")
        if len(numbers) % 3:
            raise Refusal("block query string should be three coordinates per block")
        coords = zip(*[iter(numbers)] * 3, strict=True)
        return self._stream(node, coords, call)

    def _stream(self, node: Node, coords: Iterable[tuple[int, ...]], call: Call) -> Response:
        name = call.query.get("compression") or "jpeg"
        if name not in _BLOCKS:
            raise Refusal(f"don't understand 'compression' query string value: {name}")
        out = bytearray()
        for x, y, z in coords:
            block = self.blocks.get(node, (x, y, z))
            if block is not None:
                out += compression.encode_record((x, y, z), _BLOCKS[name](block))
        return binary_response(bytes(out))

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """Return blocks along x, without headers."""
        (x, y, z), count = xyz(call.part(1)), call.number(2)
        if count * self.block_bytes > MAX_BYTES:
            raise Refusal(f"requested payload ({count} blocks) exceeds this DVID server's set limit ({MAX_BYTES})")
        empty = np.zeros(self.block_size[::-1], self.dtype)
        blocks = (self.blocks.get(node, (x + i, y, z)) for i in range(count))
        return binary_response(b"".join((empty if block is None else block).tobytes() for block in blocks))

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store blocks along x."""
        coord, count = xyz(call.part(1)), call.number(2)
        if not count or len(call.body) != count * self.block_bytes:
            raise Refusal(f"expected {count} blocks, got {len(call.body)} bytes")
        arrays = np.frombuffer(call.body, self.dtype)
        x, y, z = (index * n for index, n in zip(coord, self.block_size, strict=True))
        row = np.concatenate([*arrays.reshape(count, *self.block_size[::-1])], axis=2)
        self.write(node, Region((x, y, z), (count * self.block_size[0], *self.block_size[1:])), row)
        return empty_response()


def _uncompressed(block: NDArray[Any]) -> bytes:
    return block.tobytes()


def _jpeg(block: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg_encode(block.reshape(-1, block.shape[2]).astype(np.uint8), level=80))


_BLOCKS = {"uncompressed": _uncompressed, "jpeg": _jpeg}


class Uint8Blocks(ImageBlocks):
    """8-bit grey values."""

    typename, dtype, source, type_version = "uint8blk", "uint8", "imageblk/uint8.go", "0.2"


class Uint16Blocks(ImageBlocks):
    """16-bit numbers."""

    typename, dtype, source = "uint16blk", "uint16", "imageblk/uint16.go"


class Uint32Blocks(ImageBlocks):
    """32-bit numbers."""

    typename, dtype, source = "uint32blk", "uint32", "imageblk/uint32.go"


class Uint64Blocks(ImageBlocks):
    """64-bit numbers."""

    typename, dtype, source = "uint64blk", "uint64", "imageblk/uint64.go"


class Float32Blocks(ImageBlocks):
    """32-bit floating-point numbers."""

    typename, dtype, source = "float32blk", "float32", "imageblk/float32.go"


TYPES: tuple[type[ImageBlocks], ...] = (Uint8Blocks, Uint16Blocks, Uint32Blocks, Uint64Blocks, Float32Blocks)
