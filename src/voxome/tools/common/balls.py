"""Balls of voxels, as runs along x."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]
"""Rows (dz, dy, half): the voxels from ``-half`` to ``half`` along x of a line through a ball, from its centre."""
Scale = tuple[float, float, float]
_ROUNDING = 1 + 1e-9


def ball_runs(radius_nm: float, scale_nm: Scale) -> Runs:
    """Return the voxels whose centres are within a radius of that of a voxel.

    Parameters
    ----------
    radius_nm : float
        Radius in nm.
    scale_nm : (z, y, x)
        Voxel size in nm.

    Returns
    -------
    (n, 3) int64

    Examples
    --------
    >>> ball_runs(1.0, (1.0, 1.0, 1.0)).tolist()
    [[-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    """
    depth, height, _ = ball_reach(radius_nm, scale_nm)
    runs = []
    for z in range(-depth, depth + 1):
        for y in range(-height, height + 1):
            left = radius_nm**2 * _ROUNDING - (z * scale_nm[0]) ** 2 - (y * scale_nm[1]) ** 2
            if left >= 0:
                runs.append((z, y, math.floor(math.sqrt(left) / scale_nm[2])))
    return np.array(runs, np.int64)


def ball_reach(radius_nm: float, scale_nm: Scale) -> tuple[int, int, int]:
    """Return how many voxels (z, y, x) a ball reaches from its centre.

    Examples
    --------
    >>> ball_reach(10.0, (5.0, 2.0, 3.0))
    (2, 5, 3)
    """
    z, y, x = (math.floor(radius_nm * math.sqrt(_ROUNDING) / size) for size in scale_nm)
    return z, y, x


def paint_ball(runs: Runs, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return a ball as an array with its centre at index 0, so that negative offsets are at the ends (circular)."""
    ball = np.zeros(shape)
    for z, y, half in runs.tolist():
        ball[z, y, : half + 1] = 1
        if half:
            ball[z, y, -half:] = 1
    return ball
