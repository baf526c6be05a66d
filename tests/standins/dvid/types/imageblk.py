"""Grey values and other numbers in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, done, octets, point, xyz
from standins.dvid.codecs import compression
from standins.dvid.instances import route
from standins.dvid.types.oblique import ObliquePlanes
from standins.dvid.types.pictures import plane
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import MOST_BYTES, Region, asked, assemble, check_aligned, dissect, parse, region


class ImageBlocks(ObliquePlanes):
    """Voxels of a fixed dtype."""

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation."""
        super().create(options)
        self.blocks: Versioned[Xyz, NDArray[Any]] = Versioned()

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return math.prod(self.block_size) * np.dtype(self.dtype).itemsize

    def read(self, node: Node, asked_for: Region) -> NDArray[Any]:
        """The (z, y, x) array of a region, zeros where nothing was written."""
        return assemble(asked_for, self.block_size, self.dtype, lambda place: self.blocks.get(node, place))

    def write(self, node: Node, asked_for: Region, array: NDArray[Any]) -> None:
        """Store the array of an aligned region."""
        for place, block in dissect(array, asked_for, self.block_size):
            self.blocks.put(node, place, block)
        self.extent.include(asked_for.offset, asked_for.last)

    def seen(self, node: Node, call: Call, asked_for: Region) -> NDArray[Any]:
        """The array of a region, in the ROI that the query names."""
        array = self.read(node, asked_for)
        outside = self.outside_roi(node, call, asked_for)
        if outside is not None:
            array[outside] = 0
        return array

    @route("GET", "raw")
    @route("GET", "isotropic")
    def get_raw(self, node: Node, call: Call) -> Response:
        """A volume as bytes or a plane as a picture."""
        asked_for, is_volume = asked(call)
        if is_volume:
            return self.packed(self.seen(node, call, asked_for), call)
        return plane(call, self.resolution, asked_for, lambda part: self.seen(node, call, part))

    def packed(self, array: NDArray[Any], call: Call) -> Response:
        """The answer that carries a volume."""
        return octets(array.tobytes())

    @route("POST", "raw")
    def post_raw(self, node: Node, call: Call) -> Response:
        """Store whole blocks."""
        asked_for, is_volume = asked(call)
        if not is_volume:
            raise Refusal("DVID only accepts volumes (0_1_2) for storing")
        array = parse(call.body, asked_for, self.dtype)
        self.repo.next_mutation()
        check_aligned(asked_for, self.block_size, "cannot store voxels")
        self.write(node, asked_for, array)
        return done()

    @route("GET", "subvolblocks")
    def subvolume(self, node: Node, call: Call) -> Response:
        """The blocks of an aligned region, one after another."""
        asked_for = region(call.part(1), call.part(2))
        check_aligned(asked_for, self.block_size, "cannot use labels via 'block' endpoint")
        return self._stream(node, asked_for.blocks(self.block_size), call)

    @route("GET", "specificblocks")
    def specific(self, node: Node, call: Call) -> Response:
        """The named blocks that exist, one after another."""
        if not call.query.get("blocks"):
            return octets(b"")
        numbers = point(call.query["blocks"], ",")
        if len(numbers) % 3:
            raise Refusal("block query string should be three coordinates per block")
        places = zip(*[iter(numbers)] * 3, strict=True)
        return self._stream(node, places, call)

    def _stream(self, node: Node, places: Iterable[tuple[int, ...]], call: Call) -> Response:
        name = call.query.get("compression") or "jpeg"
        if name not in _BLOCKS:
            raise Refusal(f"don't understand 'compression' query string value: {name}")
        out = bytearray()
        for x, y, z in places:
            block = self.blocks.get(node, (x, y, z))
            if block is not None:
                out += compression.stream((x, y, z), _BLOCKS[name](block))
        return octets(bytes(out))

    @route("GET", "blocks")
    def get_blocks(self, node: Node, call: Call) -> Response:
        """Blocks along x, one after another without headers."""
        (x, y, z), count = xyz(call.part(1)), call.number(2)
        if count * self.block_bytes > MOST_BYTES:
            raise Refusal(f"requested payload ({count} blocks) exceeds this DVID server's set limit ({MOST_BYTES})")
        empty = np.zeros(self.block_size[::-1], self.dtype)
        blocks = (self.blocks.get(node, (x + i, y, z)) for i in range(count))
        return octets(b"".join((empty if block is None else block).tobytes() for block in blocks))

    @route("POST", "blocks")
    def post_blocks(self, node: Node, call: Call) -> Response:
        """Store blocks along x."""
        place, count = xyz(call.part(1)), call.number(2)
        if not count or len(call.body) != count * self.block_bytes:
            raise Refusal(f"expected {count} blocks, got {len(call.body)} bytes")
        arrays = np.frombuffer(call.body, self.dtype)
        x, y, z = (index * n for index, n in zip(place, self.block_size, strict=True))
        row = np.concatenate([*arrays.reshape(count, *self.block_size[::-1])], axis=2)
        self.write(node, Region((x, y, z), (count * self.block_size[0], *self.block_size[1:])), row)
        return done()


def _uncompressed(block: NDArray[Any]) -> bytes:
    return block.tobytes()


def _jpeg(block: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg_encode(block.reshape(-1, block.shape[2]).astype(np.uint8), level=80))


_BLOCKS = {"uncompressed": _uncompressed, "jpeg": _jpeg}


class Uint8Blocks(ImageBlocks):
    """Grey values of 8 bits."""

    typename, dtype, source, type_version = "uint8blk", "uint8", "imageblk/uint8.go", "0.2"


class Uint16Blocks(ImageBlocks):
    """Numbers of 16 bits."""

    typename, dtype, source = "uint16blk", "uint16", "imageblk/uint16.go"


class Uint32Blocks(ImageBlocks):
    """Numbers of 32 bits."""

    typename, dtype, source = "uint32blk", "uint32", "imageblk/uint32.go"


class Uint64Blocks(ImageBlocks):
    """Numbers of 64 bits."""

    typename, dtype, source = "uint64blk", "uint64", "imageblk/uint64.go"


class Float32Blocks(ImageBlocks):
    """Floating-point numbers of 32 bits."""

    typename, dtype, source = "float32blk", "float32", "imageblk/float32.go"


TYPES: tuple[type[ImageBlocks], ...] = (Uint8Blocks, Uint16Blocks, Uint32Blocks, Uint64Blocks, Float32Blocks)
