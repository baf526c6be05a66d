"""Axis of rotation, as a position on the detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar

from voxome.errors import InvalidInput

_MIN_OVERLAP = 0.4
"""Share of the columns that must be compared."""
_TRUNCATED = 0.1
"""Absorption at the sides, as a share of the largest, above which the sample extends beyond the detector."""


def find_axis(values: NDArray[np.float32], angles_deg: NDArray[np.float64]) -> float:
    """Find the column of the axis of rotation.

    Two projections 180 degrees apart mirror each other at the axis. Without such a pair, the centre of mass of a sample
    that is completely in view moves on a sine around it.

    Parameters
    ----------
    values : (angles, rows, columns) float32
        Absorption (not intensities).
    angles_deg : (angles,) float64
        Angles.

    Returns
    -------
    float
        Column; 0 is the middle of the first one.

    Raises
    ------
    InvalidInput
        If there is neither such a pair nor a sample that is completely in view.
    """
    step = float(np.median(np.abs(np.diff(np.sort(angles_deg))))) if len(angles_deg) > 1 else 0.0
    apart = np.abs(np.abs(angles_deg[:, None] - angles_deg[None, :]) - 180.0)
    pairs = np.argwhere(np.triu(apart <= min(0.01, step / 10)))
    if len(pairs):
        return float(np.median([_mirror(values[i], values[j]) for i, j in pairs[:: max(1, len(pairs) // 8)]]))
    return _centre_of_mass(values, angles_deg)


def _mirror(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the column at which a projection (rows, columns) is the mirror image of another one."""
    count = first.shape[1]
    columns = np.arange(count, dtype=np.float64)
    spline = CubicSpline(columns, second.astype(np.float64), axis=1)

    def difference(axis: float) -> float:
        mirrored = 2.0 * axis - columns
        inside = (mirrored >= 0) & (mirrored <= count - 1)
        return float(((spline(mirrored[inside]) - first[:, inside]) ** 2).mean())

    low = _MIN_OVERLAP * (count - 1) / 2.0
    candidates = np.arange(np.ceil(2 * low), np.floor(2 * (count - 1 - low)) + 1) / 2.0
    best = candidates[int(np.argmin([difference(one) for one in candidates]))]
    return float(minimize_scalar(difference, bounds=(best - 0.5, best + 0.5), method="bounded").x)


def _centre_of_mass(values: NDArray[np.float32], angles_deg: NDArray[np.float64]) -> float:
    profile = values.astype(np.float64).sum(axis=1)
    sides = np.abs(profile[:, [0, -1]]).max()
    mass = profile.sum(axis=1)
    if len(angles_deg) < 3 or sides > _TRUNCATED * profile.max() or (mass <= 0).any():
        raise InvalidInput(
            "Cannot find the axis of rotation: no two projections are 180 degrees apart, and the sample is not "
            "completely in view; give its column as axis"
        )
    centre = (profile * np.arange(profile.shape[1])).sum(axis=1) / mass
    radians = np.deg2rad(angles_deg)
    waves = np.stack([np.ones_like(radians), np.cos(radians), np.sin(radians)], axis=1)
    return float(np.linalg.lstsq(waves, centre, rcond=None)[0][0])
