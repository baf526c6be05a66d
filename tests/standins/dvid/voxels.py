"""Volumes stored in blocks: requested regions, and conversion between arrays and blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from standins.dvid.calls import Call, Refusal, Xyz, point

MAX_BYTES = 3 << 30
"""Maximum size of a response with the server's default settings."""
_PLANES = {"xy": "0_1", "xz": "0_2", "yz": "1_2"}


@dataclass(frozen=True)
class Region:
    """Box of voxels: offset and size, both x, y, z."""

    offset: Xyz
    size: Xyz

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of its array: z, y, x."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def last(self) -> Xyz:
        """Last voxel."""
        x, y, z = (start + n - 1 for start, n in zip(self.offset, self.size, strict=True))
        return x, y, z

    def __str__(self) -> str:
        return f"{_brackets(self.offset)} -> {_brackets(self.last)}"

    def is_aligned(self, block: Xyz) -> bool:
        """Return whether it consists of whole blocks."""
        return not any(n % b for n, b in zip(self.offset + self.size, block + block, strict=True))

    def blocks(self, block: Xyz) -> list[Xyz]:
        """Return the coordinates of all blocks that it touches."""
        x, y, z = (range(start // b, end // b + 1) for start, end, b in zip(self.offset, self.last, block, strict=True))
        return [(i, j, k) for k, j, i in product(z, y, x)]


def _brackets(coord: tuple[int, ...]) -> str:
    return f"({','.join(map(str, coord))})"


def parse_region(size: str, offset: str) -> Region:
    """Parse a size and an offset of three axes each."""
    sizes, start = point(size), point(offset)
    for what, numbers in (("Size", sizes), ("Offset", start)):
        if len(numbers) != 3:
            raise Refusal(f"{what} must be 3 (not {len(numbers)}) dimensions")
    if min(sizes) < 1:
        raise Refusal(f"Illegal geometry requested: 3d volume {_brackets(sizes)} at offset {_brackets(start)}")
    return Region((start[0], start[1], start[2]), (sizes[0], sizes[1], sizes[2]))


def parse_raw_path(call: Call) -> tuple[Region, bool]:
    """Parse ``raw/<dims>/<size>/<offset>`` into a region, and whether it is a volume rather than a plane."""
    dims = call.part(1, "DVID requires dimensions, size and offset")
    dims = _PLANES.get(dims, dims)
    size, offset = call.part(2), call.part(3)
    if dims == "0_1_2":
        return parse_region(size, offset), True
    axes = point(dims)
    if len(axes) != 2 or not set(axes) <= {0, 1, 2}:
        raise Refusal(f"dimensions {dims!r} are not supported")
    numbers = point(size)
    if len(numbers) != 2:
        raise Refusal(f"Size must be 2 (not {len(numbers)}) dimensions")
    full = ["1", "1", "1"]
    for axis, n in zip(axes, numbers, strict=True):
        full[axis] = str(n)
    return parse_region("_".join(full), offset), False


def normal_axis(call: Call) -> int:
    """Return the axis (of x, y, z) that is perpendicular to the plane in ``raw/<dims>/…``."""
    dims = call.part(1)
    return next(axis for axis in range(3) if axis not in point(_PLANES.get(dims, dims)))


def check_aligned(region: Region, block: Xyz, what: str) -> None:
    """Raise `Refusal` unless a region consists of whole blocks."""
    if not region.is_aligned(block):
        raise Refusal(f"{what} in non-block aligned geometry {region}")


def parse(body: bytes, region: Region, dtype: DTypeLike) -> NDArray[Any]:
    """Parse a body as the array of a region."""
    expected = math.prod(region.size) * np.dtype(dtype).itemsize
    if len(body) != expected:
        raise Refusal(
            f"voxels data was {len(body)} bytes, expected {expected} bytes for 3d volume "
            f"{_brackets(region.size)} at offset {_brackets(region.offset)}"
        )
    return np.frombuffer(body, dtype).reshape(region.shape)


def _slices(region: Region, coord: Xyz, block: Xyz) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    outer, inner = [], []
    for start, n, index, b in zip(region.offset, region.size, coord, block, strict=True):
        low, high = max(start, index * b), min(start + n, (index + 1) * b)
        outer.append(slice(low - start, high - start))
        inner.append(slice(low - index * b, high - index * b))
    return tuple(outer[::-1]), tuple(inner[::-1])


def assemble(region: Region, block: Xyz, dtype: DTypeLike, get: Callable[[Xyz], NDArray[Any] | None]) -> NDArray[Any]:
    """Assemble the array of a region from blocks, with zeros where there are none.

    Parameters
    ----------
    region : Region
        The voxels to assemble.
    block : (x, y, z)
        Block size.
    dtype : dtype
        Data type of the voxels.
    get : callable
        Returns the (z, y, x) array of the block at some coordinates, or None.

    Returns
    -------
    (z, y, x) array
    """
    nbytes = math.prod(region.size) * np.dtype(dtype).itemsize
    if nbytes > MAX_BYTES:
        raise Refusal(f"requested payload ({nbytes} bytes) exceeds this DVID server's set limit ({MAX_BYTES})")
    out = np.zeros(region.shape, dtype)
    for coord in region.blocks(block):
        stored = get(coord)
        if stored is not None:
            outer, inner = _slices(region, coord, block)
            out[outer] = stored[inner]
    return out


def dissect(array: NDArray[Any], region: Region, block: Xyz) -> Iterator[tuple[Xyz, NDArray[Any]]]:
    """Split the array of an aligned region into copies of its blocks."""
    for coord in region.blocks(block):
        outer, _ = _slices(region, coord, block)
        yield coord, array[outer].copy()


class Extent:
    """Bounding box of all written voxels; initially empty."""

    def __init__(self) -> None:
        self.low: Xyz | None = None
        self.high: Xyz | None = None

    def include(self, low: Xyz, high: Xyz) -> None:
        """Extend the box to contain two points."""
        x, y, z = map(min, low, self.low or low)
        self.low = x, y, z
        x, y, z = map(max, high, self.high or high)
        self.high = x, y, z

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``."""
        return {"MinPoint": self.low, "MaxPoint": self.high}

    def in_blocks(self, block: Xyz) -> dict[str, Any]:
        """Return its bounds in blocks."""
        low, high = ([n // b for n, b in zip(p, block, strict=True)] if p else None for p in (self.low, self.high))
        return {"MinIndex": low, "MaxIndex": high}
