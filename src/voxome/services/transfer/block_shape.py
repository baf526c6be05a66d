"""The shape of the blocks of a copy."""

from __future__ import annotations

import math
from collections.abc import Sequence

GOOD_BYTES = 1 << 25
"""Blocks of many small chunks are about so large, unless ``VOXOME_TRANSFER_BLOCK_BYTES`` says otherwise."""
COVER_BYTES = 1 << 27
"""Blocks are made larger, so that they hold whole chunks of the source, up to this."""


def block_shape(
    unit: Sequence[int], extent: Sequence[int], itemsize: int, cover: Sequence[int], good: int = GOOD_BYTES
) -> tuple[int, ...]:
    """A block that is a multiple of `unit`.

    Parameters
    ----------
    unit : sequence of int
        The chunk that is written: no two blocks may share one.
    extent : sequence of int
        Voxels along every axis; what a block has beyond them costs nothing.
    itemsize : int
        Bytes of a voxel.
    cover : sequence of int
        The chunk that is read: a block holds whole ones where that takes at most `COVER_BYTES`, so that they are read
        once.
    good : int
        The bytes that a block grows to.

    Examples
    --------
    >>> block_shape((64, 64, 64), (640, 640, 640), 1, (1, 640, 640))
    (64, 640, 640)
    """
    block = list(unit)
    for axis in reversed(range(len(block))):
        room = COVER_BYTES // (block_bytes(block, extent, itemsize) // min(block[axis], extent[axis]))
        whole = _up(cover[axis], unit[axis])
        wanted = min(math.lcm(unit[axis], cover[axis]), 2 * whole, _up(extent[axis], unit[axis]))
        block[axis] = max(unit[axis], min(wanted, room // unit[axis] * unit[axis]))
    for axis in reversed(range(len(block))):
        while block[axis] < extent[axis] and 2 * block_bytes(block, extent, itemsize) <= good:
            block[axis] *= 2
    return tuple(block)


def block_bytes(block: Sequence[int], extent: Sequence[int], itemsize: int) -> int:
    """Bytes of a block's voxels."""
    return math.prod(min(n, e) for n, e in zip(block, extent, strict=True)) * itemsize


def _up(length: int, unit: int) -> int:
    return -(-length // unit) * unit
