"""Axis of rotation, as a position on the detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar

from voxome.errors import InvalidInput

_MIN_OVERLAP = 0.4
"""Share of the columns that must be compared."""
_TRUNCATED = 0.1
"""Absorption at the sides, as a share of the largest, above which the sample extends beyond the detector."""
_UNLIKE = 0.25
"""Squared difference of two projections, as a share of their squares, above which they are no mirror images."""
_SMOOTHED = 0.01
"""Standard deviation, as a share of the columns, with which projections are smoothed: without, the axis is drawn to
places where interpolation averages the noise of most pixels."""
_UNSURE = 0.01
"""Share of the columns by which the axes of even and odd rows may differ, if that is more than two columns."""
_SEEN = 0.5
"""Share of the squared absorption of a projection that must be in the columns that are compared."""


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
        If there is neither such a pair nor a sample that is completely in view, or either does not behave so: the
        angles are wrong, or the axis is near a side of the detector.
    """
    step = float(np.median(np.abs(np.diff(np.sort(angles_deg))))) if len(angles_deg) > 1 else 0.0
    apart = np.abs(np.abs(angles_deg[:, None] - angles_deg[None, :]) - 180.0)
    pairs = np.argwhere(np.triu(apart <= min(0.01, step / 10)))
    if len(pairs):
        return float(np.median([_mirror(values[i], values[j]) for i, j in pairs[:: max(1, len(pairs) // 8)]]))
    return _centre_of_mass(values, angles_deg)


def look_like_a_full_turn(values: NDArray[np.float32], axis: float) -> bool:
    """Return whether the last projection resembles the first, not its mirror image, as at the end of 360 degrees.

    Parameters
    ----------
    values : (angles, rows, columns) float32
        Absorption.
    axis : float
        Column of the axis of rotation.
    """
    first, last = values[0], values[-1]
    inside, mirrored = _mirrored(last, axis)
    same = float(((first - last)[:, inside] ** 2).sum())
    return 4 * same < float(((first[:, inside] - mirrored) ** 2).sum())


def _mirrored(projection: NDArray[np.float32], axis: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return the columns whose mirror images at `axis` are on the detector, and the values of these."""
    count = projection.shape[1]
    columns = np.arange(count, dtype=np.float64)
    places = 2.0 * axis - columns
    inside = (places >= 0) & (places <= count - 1)
    return inside, CubicSpline(columns, projection.astype(np.float64), axis=1)(places[inside])


def _mirror(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the column at which a projection (rows, columns) is the mirror image of another one."""
    count = first.shape[1]
    first, second = (
        ndimage.gaussian_filter1d(one, _SMOOTHED * count, axis=1, mode="nearest") for one in (first, second)
    )
    found = [_search(first[start::2], second[start::2]) for start in range(min(2, len(first)))]
    low, high = min(found), max(found)
    if high - low > max(2.0, _UNSURE * count):
        raise InvalidInput(
            f"Cannot find the axis of rotation: it is at column {found[0]:.4g} by the even rows, and at {found[1]:.4g} "
            "by the odd ones, so there is too much noise; give its column as axis"
        )
    axis = _refine(first, second, low - 0.5, high + 0.5)
    if not _are_mirrored(first, second, axis):
        raise InvalidInput(_no_mirror(count))
    return axis


def _search(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the best column of all, half a column apart."""
    candidates = _candidates(first.shape[1])
    best = int(np.argmin([_difference(first, second, one) for one in candidates]))
    if best in (0, len(candidates) - 1):
        raise InvalidInput(_no_mirror(first.shape[1]))
    return float(candidates[best])


def _refine(first: NDArray[np.float32], second: NDArray[np.float32], low: float, high: float) -> float:
    return float(minimize_scalar(lambda axis: _difference(first, second, axis), bounds=(low, high), method="bounded").x)


def _candidates(count: int) -> NDArray[np.float64]:
    low = _MIN_OVERLAP * (count - 1) / 2.0
    return np.arange(np.ceil(2 * low), np.floor(2 * (count - 1 - low)) + 1) / 2.0


def _difference(first: NDArray[np.float32], second: NDArray[np.float32], axis: float) -> float:
    inside, mirrored = _mirrored(second, axis)
    return float(((mirrored - first[:, inside]) ** 2).mean())


def _no_mirror(count: int) -> str:
    candidates = _candidates(count)
    return (
        "Cannot find the axis of rotation: projections that should be 180 degrees apart are no mirror images of "
        f"each other at any column from {candidates[0]:g} to {candidates[-1]:g}; give its column as axis, or "
        "correct angles_deg"
    )


def _are_mirrored(first: NDArray[np.float32], second: NDArray[np.float32], axis: float) -> bool:
    """Return whether two projections, one of them mirrored, are alike in columns that have most of the absorption."""
    inside, mirrored = _mirrored(second, axis)
    seen = first[:, inside].astype(np.float64)
    squares = float((seen**2).sum())
    alike = float(((mirrored - seen) ** 2).sum()) <= _UNLIKE * (squares + float((mirrored**2).sum()))
    return alike and squares >= _SEEN * float((first.astype(np.float64) ** 2).sum())


def _centre_of_mass(values: NDArray[np.float32], angles_deg: NDArray[np.float64]) -> float:
    profile = values.astype(np.float64).sum(axis=1)
    sides = np.abs(profile[:, [0, -1]]).max()
    mass = profile.sum(axis=1)
    columns = profile.shape[1]
    if len(angles_deg) < 3 or sides > _TRUNCATED * profile.max() or (mass <= 0).any():
        raise InvalidInput(
            "Cannot find the axis of rotation: no two projections are 180 degrees apart, and the sample is not "
            "completely in view; give its column as axis"
        )
    centre = (profile * np.arange(columns)).sum(axis=1) / mass
    radians = np.deg2rad(angles_deg)
    waves = np.stack([np.ones_like(radians), np.cos(radians), np.sin(radians)], axis=1)
    found = np.linalg.lstsq(waves, centre, rcond=None)[0]
    axis, off = float(found[0]), float(np.sqrt(np.mean((waves @ found - centre) ** 2)))
    if off > max(1.0, 0.01 * columns) or not 0 <= axis <= columns - 1:
        raise InvalidInput(
            f"Cannot find the axis of rotation: the centre of mass of the projections is {off:.3g} columns away from a "
            f"sine around column {axis:.4g}, in root mean square; correct angles_deg, or give the column as axis"
        )
    return axis
