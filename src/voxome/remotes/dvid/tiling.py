"""Boxes split along the grid of blocks."""

from __future__ import annotations

import itertools

from voxome.geometry import Box
from voxome.remotes.dvid.types import Triple


def split_box(box: Box, block: Triple, voxels: int) -> list[Box]:
    """Split `box` between blocks into parts of at most `voxels` (or one block), longest along x, then y.

    Examples
    --------
    >>> [str(part) for part in split_box(Box((0, 0, 5), (4, 4, 20)), (4, 4, 8), 256)]
    ['0:4,0:4,5:16', '0:4,0:4,16:20']
    """
    if box.empty:
        return []
    aligned = box.snap(block)
    step = list(block)
    for axis in (2, 1, 0):
        area = step[0] * step[1] * step[2] // step[axis]
        longest = max(voxels // (area * block[axis]), 1) * block[axis]
        step[axis] = min(longest, aligned.shape[axis])
        if step[axis] < aligned.shape[axis]:
            break
    starts = [range(a, b, n) for a, b, n in zip(aligned.start, aligned.stop, step, strict=True)]
    return [Box(at, tuple(a + n for a, n in zip(at, step, strict=True))) & box for at in itertools.product(*starts)]


def block_indices(box: Box, block: Triple) -> list[Triple]:
    """Return the indices (z, y, x, in blocks) of all blocks that `box` touches."""
    touched = box.coarsen(block)
    ranges = [range(a, b) for a, b in zip(touched.start, touched.stop, strict=True)]
    return [(z, y, x) for z in ranges[0] for y in ranges[1] for x in ranges[2]]


def block_box(index: Triple, block: Triple) -> Box:
    """Return the box of the block at an index."""
    return Box.of_shape(block, tuple(i * n for i, n in zip(index, block, strict=True)))
