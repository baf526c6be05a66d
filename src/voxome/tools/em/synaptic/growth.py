"""Growth of labels into background, independent of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

Steps = tuple[tuple[bool, bool, bool], ...]
"""For every step of growth, whether labels grow along z, y and x."""


def growth_steps(reach_nm: float, voxel_size_nm: Sequence[float]) -> Steps:
    """Return the steps that grow labels by `reach_nm` along every axis.

    Labels grow along the finest axis in every step, and along coarser axes whenever the distance reaches another voxel.

    Parameters
    ----------
    reach_nm : float
        Distance to grow along an axis.
    voxel_size_nm : (z, y, x)
        Voxel size.
    """
    finest = min(voxel_size_nm)
    count = math.floor(reach_nm / finest + 1e-9)

    def voxels(step: int, size: float) -> int:
        return math.floor(step * finest / size + 1e-9)

    moves = [[voxels(i + 1, size) > voxels(i, size) for size in voxel_size_nm] for i in range(count)]
    return tuple((z, y, x) for z, y, x in moves)


def growth_halo(steps: Steps) -> tuple[int, int, int]:
    """Return the halo (z, y, x), in voxels, on which a grown label depends."""
    z, y, x = (sum(step[axis] for step in steps) for axis in range(3))
    return z, y, x


def grow(labels: NDArray[np.uint64], steps: Steps) -> NDArray[np.uint64]:
    """Grow labels into background.

    In every step, each background voxel takes the smallest label of its face neighbours along the axes of the step.

    Parameters
    ----------
    labels : (z, y, x) uint64
        Labels; 0 is background.
    steps : Steps
        Steps from `growth_steps`.

    Returns
    -------
    (z, y, x) uint64
        Exact at a distance of at least `growth_halo` from where the array was cut.
    """
    before = np.ascontiguousarray(labels, np.uint64)
    for step in steps:
        after = before.copy()
        _grow_once(before, after, *step)
        before = after
    return before


@numba.njit(cache=True)
def _grow_once(
    before: NDArray[np.uint64], after: NDArray[np.uint64], along_z: bool, along_y: bool, along_x: bool
) -> None:
    depth, height, width = before.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if before[z, y, x] != 0:
                    continue
                best = np.uint64(0)
                if along_z:
                    if z > 0:
                        best = _smaller(best, before[z - 1, y, x])
                    if z + 1 < depth:
                        best = _smaller(best, before[z + 1, y, x])
                if along_y:
                    if y > 0:
                        best = _smaller(best, before[z, y - 1, x])
                    if y + 1 < height:
                        best = _smaller(best, before[z, y + 1, x])
                if along_x:
                    if x > 0:
                        best = _smaller(best, before[z, y, x - 1])
                    if x + 1 < width:
                        best = _smaller(best, before[z, y, x + 1])
                after[z, y, x] = best


@numba.njit(cache=True, inline="always")
def _smaller(a: np.uint64, b: np.uint64) -> np.uint64:
    if a == 0 or (b != 0 and b < a):
        return b
    return a
