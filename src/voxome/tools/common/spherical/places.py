"""Sub-voxel centres of spheres."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

MOST_MOVED = 2
"""Voxels along an axis by which a centre is moved at most."""
_ROUNDS = 8
_EDGE = 1.5
"""Voxels beyond the surface of a sphere that count, so that a sphere that is a little larger is seen as a whole."""


def window_nm(radius_nm: float, scale_nm: tuple[float, float, float]) -> float:
    """Return the radius of the voxels around a centre from which it is computed."""
    return radius_nm + _EDGE * max(scale_nm)


@numba.njit(cache=True, nogil=True)
def refine(
    values: NDArray[np.uint8],
    voxel: NDArray[np.int64],
    radius: float,
    window: float,
    scale: NDArray[np.float64],
    others: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the centre of mass of a sphere, in voxels.

    The window moves with the centre until it rests, so that a voxel lattice leaves no bias; see trackpy (Crocker and
    Grier 1996, J. Colloid Interface Sci. 179:298). A voxel that is nearer to the surface of another sphere is left out.

    Parameters
    ----------
    values : (z, y, x) uint8
        Probabilities.
    voxel : (3,) int64
        Voxel of the centre.
    radius, window : float
        Radius, and that of the voxels that count, in nm.
    scale : (3,) float64
        Voxel size in nm.
    others : (n, 4) float64
        Centres, in voxels from `voxel`, and radii, in nm, of spheres nearby.
    free : (3,) bool
        Axes along which the centre may be moved.

    Returns
    -------
    (3,) float64
        In voxels from `voxel`, so that rounding does not depend on where the array starts.
    """
    centre = np.zeros(3)
    for _ in range(_ROUNDS):
        total, sums = 0.0, np.zeros(3)
        low = np.maximum(np.floor(centre - window / scale).astype(np.int64), -voxel)
        high = np.minimum(np.ceil(centre + window / scale).astype(np.int64) + 1, np.array(values.shape) - voxel)
        for z in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                for x in range(low[2], high[2]):
                    value = np.float64(values[voxel[0] + z, voxel[1] + y, voxel[2] + x])
                    own = _distance(z, y, x, centre, scale)
                    if own > window or value == 0:
                        continue
                    foreign = False
                    for i in range(len(others)):
                        foreign |= _distance(z, y, x, others[i], scale) - others[i, 3] < own - radius
                    if not foreign:
                        total += value
                        sums[0] += value * z
                        sums[1] += value * y
                        sums[2] += value * x
        if total == 0:
            break
        moved = centre.copy()
        for axis in range(3):
            if free[axis] and abs(sums[axis] / total) <= MOST_MOVED:
                moved[axis] = sums[axis] / total
        if np.abs(moved - centre).max() < 1e-3:
            return moved
        centre = moved
    return centre


@numba.njit(cache=True, nogil=True)
def _distance(z: int, y: int, x: int, centre: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """Return the distance of a voxel from a centre in nm."""
    return float(
        np.sqrt(
            ((z - centre[0]) * scale[0]) ** 2 + ((y - centre[1]) * scale[1]) ** 2 + ((x - centre[2]) * scale[2]) ** 2
        )
    )
