"""Copy a box of one array into another, block by block; `transfer` is the way to do it at scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box

BLOCK_BYTES = 64 << 20
"""What is in memory at a time, unless a chunk, or a section of an image, is larger."""

_MOST_BYTES = 16 * BLOCK_BYTES
"""What is in memory at most, so that chunks of many sections are decoded once."""

ProgressCallback = Callable[[int, int], None]
"""Called with the blocks that are done, and how many there are."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def copy(
    source: VolumeSource, box: Box, target: VolumeSource, corner: Sequence[int], told: ProgressCallback = silent
) -> None:
    """Write the voxels of `box` of `source` at `corner` of `target`; interrupted, the block under way is ended first.

    Parameters
    ----------
    source : VolumeSource
        What is read.
    box : Box
        In the coordinates of `source`.
    target : VolumeSource
        What is written, of as many axes.
    corner : tuple of int
        In the coordinates of `target`.
    told : callable
        Called after each block.

    Raises
    ------
    InvalidBox
        If the box leaves the domain of either.
    InvalidInput
        If a voxel's value does not fit the dtype of `target`.
    """
    region = Box.of_shape(box.shape, corner)
    back = tuple(a - b for a, b in zip(box.start, region.start, strict=True))
    unit = target.spec.write_chunk or source.spec.read_chunk or (1,) * box.ndim
    grid = BlockGrid(target.spec.domain, block_shape(unit, region.shape, source.spec.dtype.itemsize), region)

    def write(place: Box) -> None:
        target.write(place, cast_exact(source.read(place.shift(back)), target.spec.dtype))

    with ThreadPoolExecutor(1) as pool:
        for done, block in enumerate(grid, 1):
            pool.submit(write, block.write).result()
            told(done, len(grid))


def block_shape(unit: Sequence[int], shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """The largest block of whole units that fits in `BLOCK_BYTES`, longest along the last axis; at least one unit."""
    block = list(unit)
    for axis in reversed(range(len(block))):
        room = BLOCK_BYTES // (int(np.prod(block)) * itemsize)
        block[axis] *= max(1, min(-(-shape[axis] // unit[axis]), room))
    return tuple(block)


def slabs(spec: VolumeSpec, box: Box) -> Iterator[Box]:
    """Boxes of whole sections (the last two axes) that tile `box` in order, some sections each."""
    *lead, _, _ = box.shape
    section = box.shape[-1] * box.shape[-2] * spec.dtype.itemsize
    chunk = spec.read_chunk[-3] if lead and spec.read_chunk else 1
    unit = chunk if chunk * section <= _MOST_BYTES else 1
    depth = unit * max(1, BLOCK_BYTES // (unit * section))
    block = (*(1 for _ in lead[:-1]), *(depth for _ in lead[-1:]), *box.shape[-2:])
    yield from (one.write for one in BlockGrid(box, block))


def cast_exact(data: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """`data` in another dtype, every value unchanged.

    Raises
    ------
    InvalidInput
        If a value would change.
    """
    if data.dtype == dtype:
        return data
    with np.errstate(invalid="ignore"):
        made = data.astype(dtype)
    if not np.array_equal(made, data, equal_nan=data.dtype.kind == "f"):
        raise InvalidInput(f"{data.dtype} voxels do not fit {dtype}: values up to {data.max()} would change")
    return made


def dtype_of(asked: Any) -> np.dtype[Any]:
    """The dtype that a user asks for.

    Raises
    ------
    InvalidInput
        If there is none of that name.
    """
    try:
        return np.dtype(asked)
    except TypeError as error:
        raise InvalidInput(f"there is no dtype {asked!r}; write one such as uint8") from error
