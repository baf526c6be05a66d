"""Pairs of labels of different blocks that are one object, as both blocks see it where they overlap."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.kinds.block_arrays import BlockParts
from voxome.tools.common.touching import PAIRS

Ids = NDArray[np.uint64]


@tool("common.block_overlaps", halo=1, outputs={"pairs": PAIRS}, memory=memory_of(229_000_000, 200))
def block_overlaps(
    overlap: Annotated[BlockParts, kinds.BlockArrays()],
    *,
    fraction: Annotated[float, Interval(gt=0, le=1)] = 0.5,
    block: BlockContext,
) -> dict[str, Rows]:
    """List the pairs of labels of neighbouring blocks that have many voxels in common.

    Every block has labelled its voxels and those of its halo. Where two blocks and the inner halves of their halos
    overlap, two labels are one object if enough of the smaller one, of its voxels there, are voxels of the other, too.
    In the outer half, objects of which a block does not see enough are often taken for parts of others.

    Parameters
    ----------
    overlap : arrays of blocks
        ``ranks`` (z, y, x), the labels of a block and its halo, numbered from 1 on; ``ids``, the id of each number;
        ``start``, the first voxel.
    fraction : float
        Smallest share of the smaller label.

    Returns
    -------
    pairs : table
        Pairs ``a < b`` of ids.
    """
    parts = [(box, arrays) for box, arrays in overlap]
    own = [one for one in parts if all(a in range(b, c) for a, b, c in _corner(one[0], block.write))]
    found = [np.empty((0, 2), np.uint64)]
    for (box, first), (other, second) in itertools.product(own, parts):
        if box.start < other.start:
            found.append(_pairs((box, first), (other, second), fraction))
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    return {"pairs": {"a": pairs[:, 0], "b": pairs[:, 1]}}


def _corner(box: Box, write: Box) -> Iterator[tuple[int, int, int]]:
    return zip(box.start, write.start, write.stop, strict=True)


def _pairs(first: tuple[Box, Any], second: tuple[Box, Any], fraction: float) -> Ids:
    """Return the pairs of ids (n, 2) of two blocks that are one object."""
    (_, one), (_, other) = first, second
    boxes = [Box.of_shape(arrays["ranks"].shape, tuple(arrays["start"].tolist())) for arrays in (one, other)]
    common = _inner(first[0], boxes[0]) & _inner(second[0], boxes[1])
    if common.empty:
        return np.empty((0, 2), np.uint64)
    a, b = (arrays["ranks"][common.within(box)].ravel() for arrays, box in zip((one, other), boxes, strict=True))
    a_sizes, b_sizes = np.bincount(a), np.bincount(b)
    both = (a != 0) & (b != 0)
    codes, voxels = np.unique(a[both].astype(np.uint64) << np.uint64(32) | b[both], return_counts=True)
    left, right = (codes >> np.uint64(32)).astype(np.int64), (codes & np.uint64(0xFFFFFFFF)).astype(np.int64)
    is_one = voxels >= fraction * np.minimum(a_sizes[left], b_sizes[right])
    return np.stack([one["ids"][left[is_one]], other["ids"][right[is_one]]], axis=1)


def _inner(write: Box, read: Box) -> Box:
    """Return a block with the inner half of its halo: labels of objects that `read` cuts are wrong in the rest."""
    start = (low - (low - least + 1) // 2 for low, least in zip(write.start, read.start, strict=True))
    stop = (high + (most - high + 1) // 2 for high, most in zip(write.stop, read.stop, strict=True))
    return Box(tuple(start), tuple(stop))
