"""Grow labels into the background, the same from whatever block they are seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

Steps = tuple[tuple[bool, bool, bool], ...]
"""For every step of growth, whether it goes along z, y and x."""


def growth_steps(reach_nm: float, voxel_size_nm: Sequence[float]) -> Steps:
    """Steps that grow labels by `reach_nm` along every axis.

    The finest axis takes part in every step, a coarser one as often as its voxels fit into the way gone.

    Parameters
    ----------
    reach_nm : float
        How far to grow, along an axis; 0 does not grow.
    voxel_size_nm : (z, y, x)
        Voxel size.
    """
    finest = min(voxel_size_nm)
    count = math.floor(reach_nm / finest + 1e-9)

    def gone(step: int, size: float) -> int:
        return math.floor(step * finest / size + 1e-9)

    moves = [[gone(i + 1, size) > gone(i, size) for size in voxel_size_nm] for i in range(count)]
    return tuple((z, y, x) for z, y, x in moves)


def growth_halo(steps: Steps) -> tuple[int, int, int]:
    """Voxels (z, y, x) on either side that a grown label depends on."""
    z, y, x = (sum(step[axis] for step in steps) for axis in range(3))
    return z, y, x


def grow(labels: NDArray[np.uint64], steps: Steps) -> NDArray[np.uint64]:
    """Labels grown into background.

    In every step each background voxel takes the smallest label among its face neighbours along the axes of
    the step.

    Parameters
    ----------
    labels : (z, y, x) uint64
        0 is background.
    steps : Steps
        From `growth_steps`.

    Returns
    -------
    (z, y, x) uint64
        Exact for voxels at least `growth_halo` away from where the array was cut.
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
