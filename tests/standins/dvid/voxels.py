"""Volumes cut into blocks: what a request asks for, and the way between its array and the stored blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from standins.dvid.calls import Call, Refusal, Xyz, point

MOST_BYTES = 3 << 30
"""The largest answer that a server gives, with standard settings."""
_PLANES = {"xy": "0_1", "xz": "0_2", "yz": "1_2"}


@dataclass(frozen=True)
class Region:
    """Voxels from an offset on, both x, y, z."""

    offset: Xyz
    size: Xyz

    @property
    def shape(self) -> tuple[int, int, int]:
        """The size as numpy has it: z, y, x."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def last(self) -> Xyz:
        """The last voxel."""
        x, y, z = (start + n - 1 for start, n in zip(self.offset, self.size, strict=True))
        return x, y, z

    def __str__(self) -> str:
        return f"{_brackets(self.offset)} -> {_brackets(self.last)}"

    def is_aligned(self, block: Xyz) -> bool:
        """Whether it is made of whole blocks."""
        return not any(n % b for n, b in zip(self.offset + self.size, block + block, strict=True))

    def blocks(self, block: Xyz) -> list[Xyz]:
        """The places of all blocks that it touches."""
        x, y, z = (range(start // b, end // b + 1) for start, end, b in zip(self.offset, self.last, block, strict=True))
        return [(i, j, k) for k, j, i in product(z, y, x)]


def _brackets(place: tuple[int, ...]) -> str:
    return f"({','.join(map(str, place))})"


def region(size: str, offset: str) -> Region:
    """Read a size and an offset of three axes each."""
    sizes, start = point(size), point(offset)
    for what, numbers in (("Size", sizes), ("Offset", start)):
        if len(numbers) != 3:
            raise Refusal(f"{what} must be 3 (not {len(numbers)}) dimensions")
    if min(sizes) < 1:
        raise Refusal(f"Illegal geometry requested: 3d volume {_brackets(sizes)} at offset {_brackets(start)}")
    return Region((start[0], start[1], start[2]), (sizes[0], sizes[1], sizes[2]))


def asked(call: Call) -> tuple[Region, bool]:
    """What ``raw/<dims>/<size>/<offset>`` asks for, and whether it is a volume (and not a plane)."""
    dims = call.part(1, "DVID requires dimensions, size and offset")
    dims = _PLANES.get(dims, dims)
    size, offset = call.part(2), call.part(3)
    if dims == "0_1_2":
        return region(size, offset), True
    axes = point(dims)
    if len(axes) != 2 or not set(axes) <= {0, 1, 2}:
        raise Refusal(f"dimensions {dims!r} are not supported")
    numbers = point(size)
    if len(numbers) != 2:
        raise Refusal(f"Size must be 2 (not {len(numbers)}) dimensions")
    full = ["1", "1", "1"]
    for axis, n in zip(axes, numbers, strict=True):
        full[axis] = str(n)
    return region("_".join(full), offset), False


def thickness(call: Call) -> int:
    """The axis, of x, y, z, that is across the plane for which ``raw/<dims>/…`` asks."""
    dims = call.part(1)
    return next(axis for axis in range(3) if axis not in point(_PLANES.get(dims, dims)))


def check_aligned(asked_for: Region, block: Xyz, what: str) -> None:
    """Refuse a region that is not made of whole blocks."""
    if not asked_for.is_aligned(block):
        raise Refusal(f"{what} in non-block aligned geometry {asked_for}")


def parse(body: bytes, asked_for: Region, dtype: DTypeLike) -> NDArray[Any]:
    """The array that a body holds for a region."""
    expected = math.prod(asked_for.size) * np.dtype(dtype).itemsize
    if len(body) != expected:
        raise Refusal(
            f"voxels data was {len(body)} bytes, expected {expected} bytes for 3d volume "
            f"{_brackets(asked_for.size)} at offset {_brackets(asked_for.offset)}"
        )
    return np.frombuffer(body, dtype).reshape(asked_for.shape)


def _slices(asked_for: Region, place: Xyz, block: Xyz) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    outer, inner = [], []
    for start, n, index, b in zip(asked_for.offset, asked_for.size, place, block, strict=True):
        low, high = max(start, index * b), min(start + n, (index + 1) * b)
        outer.append(slice(low - start, high - start))
        inner.append(slice(low - index * b, high - index * b))
    return tuple(outer[::-1]), tuple(inner[::-1])


def assemble(
    asked_for: Region, block: Xyz, dtype: DTypeLike, get: Callable[[Xyz], NDArray[Any] | None]
) -> NDArray[Any]:
    """Put blocks together to the array of a region, zeros where there is none.

    Parameters
    ----------
    asked_for : Region
        Which voxels.
    block : (x, y, z)
        The size of blocks.
    dtype : dtype
        What the voxels are.
    get : callable
        Gives the (z, y, x) array of the block at a place, or nothing.

    Returns
    -------
    (z, y, x) array
    """
    nbytes = math.prod(asked_for.size) * np.dtype(dtype).itemsize
    if nbytes > MOST_BYTES:
        raise Refusal(f"requested payload ({nbytes} bytes) exceeds this DVID server's set limit ({MOST_BYTES})")
    out = np.zeros(asked_for.shape, dtype)
    for place in asked_for.blocks(block):
        stored = get(place)
        if stored is not None:
            outer, inner = _slices(asked_for, place, block)
            out[outer] = stored[inner]
    return out


def dissect(array: NDArray[Any], asked_for: Region, block: Xyz) -> Iterator[tuple[Xyz, NDArray[Any]]]:
    """Cut the array of an aligned region into copies of its blocks."""
    for place in asked_for.blocks(block):
        outer, _ = _slices(asked_for, place, block)
        yield place, array[outer].copy()


class Extent:
    """The voxels that anything was written to; none at first."""

    def __init__(self) -> None:
        self.low: Xyz | None = None
        self.high: Xyz | None = None

    def include(self, low: Xyz, high: Xyz) -> None:
        """Grow to hold two points."""
        x, y, z = map(min, low, self.low or low)
        self.low = x, y, z
        x, y, z = map(max, high, self.high or high)
        self.high = x, y, z

    def as_json(self) -> dict[str, Any]:
        """What ``/info`` tells."""
        return {"MinPoint": self.low, "MaxPoint": self.high}

    def in_blocks(self, block: Xyz) -> dict[str, Any]:
        """The same in blocks."""
        low, high = ([n // b for n, b in zip(p, block, strict=True)] if p else None for p in (self.low, self.high))
        return {"MinIndex": low, "MaxIndex": high}
