"""Blockwise watershed: basins of steepest ascent."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidBox, InvalidInput
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import BITS, check_domain

_MOVES = np.array([(-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)], dtype=np.int64)
"""Moves of a path, in the order of the voxels reached; of equal heights the first wins."""
_STAY = 3
_NOWHERE = 7


def basins(height: NDArray[np.int32], read: Box, write: Box, domain: Box, box: Box | None = None) -> NDArray[np.uint64]:
    """Label voxels by the end of their path of steepest ascent.

    A voxel points to the highest of itself and its six neighbours, with ties broken by the smallest coordinate
    (z, y, x). A voxel that points to itself is a root. Paths stay in `box` and never enter voxels of negative
    height.

    Parameters
    ----------
    height : (z, y, x) int32
        Height over `read`; negative values are background.
    read : Box
        Box of `height`. It must contain `write` and the voxels of `box` that touch it.
    write : Box
        Box to label.
    domain : Box
        Domain of the volume; ids are relative to its start.
    box : Box, optional
        Box to segment; the domain if None.

    Returns
    -------
    (z, y, x) uint64
        Labels over `write`: the voxel id of the root or, where the path leaves `write`, of the first voxel outside
        (an exit, see `exits`); 0 where the height is negative.

    Raises
    ------
    InvalidBox
        If `read` lacks required voxels, or the domain is too large.
    InvalidInput
        If the shape of `height` is not that of `read`.

    Notes
    -----
    The steepest-ascent ("drop of water") watershed of Cousty et al. 2009, with a total order on voxels to break ties:
    every voxel has one successor, and labels depend on nothing but the heights.
    """
    check_domain(domain)
    box = domain if box is None else box
    if write.grow((1, 1, 1)) & box not in read or write not in box:
        needed = write.grow((1, 1, 1)) & box
        raise InvalidBox(f"Labelling {write} inside {box} needs heights of {needed}, not of {read}")
    if height.shape != read.shape:
        raise InvalidInput(f"height has shape {height.shape}, but its box {read} has shape {read.shape}")
    known = read & box
    steps = _steps(np.ascontiguousarray(height[known.within(read)]), _offset(write, known), np.array(write.shape))
    labels: NDArray[np.uint64] = _follow(steps, _offset(write, domain))
    return labels


def _offset(box: Box, outer: Box) -> NDArray[np.int64]:
    """Return the start of `box` relative to that of `outer`."""
    return np.array(box.start, dtype=np.int64) - outer.start


@numba.njit(cache=True, nogil=True)
def _steps(height: NDArray[np.int32], offset: NDArray[np.int64], shape: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the move of every voxel in the write box."""
    steps = np.full((shape[0], shape[1], shape[2]), _NOWHERE, dtype=np.uint8)
    high, wide, deep = height.shape
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                a, b, c = z + offset[0], y + offset[1], x + offset[2]
                if height[a, b, c] < 0:
                    continue
                best = np.int32(-1)
                if a > 0 and height[a - 1, b, c] > best:
                    best, steps[z, y, x] = height[a - 1, b, c], 0
                if b > 0 and height[a, b - 1, c] > best:
                    best, steps[z, y, x] = height[a, b - 1, c], 1
                if c > 0 and height[a, b, c - 1] > best:
                    best, steps[z, y, x] = height[a, b, c - 1], 2
                if height[a, b, c] > best:
                    best, steps[z, y, x] = height[a, b, c], _STAY
                if c + 1 < deep and height[a, b, c + 1] > best:
                    best, steps[z, y, x] = height[a, b, c + 1], 4
                if b + 1 < wide and height[a, b + 1, c] > best:
                    best, steps[z, y, x] = height[a, b + 1, c], 5
                if a + 1 < high and height[a + 1, b, c] > best:
                    best, steps[z, y, x] = height[a + 1, b, c], 6
    return steps


@numba.njit(cache=True, nogil=True)
def _follow(steps: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Label all voxels by the ends of their paths; `start` is the position of the first voxel in the domain."""
    labels = np.zeros(steps.shape, dtype=np.uint64)
    for z in range(steps.shape[0]):
        for y in range(steps.shape[1]):
            for x in range(steps.shape[2]):
                if steps[z, y, x] == _NOWHERE or labels[z, y, x] != 0:
                    continue
                label = _end(steps, labels, start, z, y, x)
                a, b, c = z, y, x
                while _within(steps, a, b, c) and labels[a, b, c] == 0:
                    labels[a, b, c] = label
                    move = _MOVES[steps[a, b, c]]
                    a, b, c = a + move[0], b + move[1], c + move[2]
    return labels


@numba.njit(cache=True, nogil=True)
def _end(
    steps: NDArray[np.uint8], labels: NDArray[np.uint64], start: NDArray[np.int64], z: int, y: int, x: int
) -> np.uint64:
    """Return the label at the end of the path from a voxel."""
    while _within(steps, z, y, x) and steps[z, y, x] != _STAY:
        label: np.uint64 = labels[z, y, x]
        if label != 0:
            return label
        move = _MOVES[steps[z, y, x]]
        z, y, x = z + move[0], y + move[1], x + move[2]
    packed = ((z + start[0]) << (2 * BITS)) | ((y + start[1]) << BITS) | (x + start[2])
    return np.uint64(packed + 1)


@numba.njit(cache=True, nogil=True)
def _within(steps: NDArray[np.uint8], z: int, y: int, x: int) -> bool:
    high, wide, deep = steps.shape
    return bool(0 <= z < high and 0 <= y < wide and 0 <= x < deep)
