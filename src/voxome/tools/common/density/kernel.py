"""Kernel estimate of a density from the counts and the tissue of the cells of a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.density.intervals import weighted_interval

REACH = 3.0
"""Reach of the kernel, in bandwidths."""


class Density(NamedTuple):
    """A density and its 95 % interval, per cubic millimetre; NaN where there is no tissue."""

    per_mm3: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def kernel_weights(bandwidth_nm: float, edge_nm: float) -> NDArray[np.float64]:
    """Return the weights of the cells along an axis, at offsets of -r to r cells; 1 at the centre."""
    reach = kernel_reach(bandwidth_nm, edge_nm)
    if reach == 0:
        return np.ones(1)
    offset = np.arange(-reach, reach + 1) * edge_nm
    weights: NDArray[np.float64] = np.exp(-0.5 * (offset / bandwidth_nm) ** 2)
    return weights


def kernel_reach(bandwidth_nm: float, edge_nm: float) -> int:
    """Return how many cells of an edge the kernel reaches to each side."""
    return int(REACH * bandwidth_nm / edge_nm)


def kernel_density(
    cells: NDArray[np.int64],
    tissue_mm3: NDArray[np.float64],
    bandwidth_nm: float,
    edges_nm: NDArray[np.float64],
) -> Density:
    """Return the density as the weighted number of cells over the equally weighted volume of tissue.

    The weights are a Gaussian of the distance between the centres of grid cells. Numerator and denominator have the
    same weights, so for a constant density the expected value is this density, at faces and beside masks as well as
    inside (the correction of Diggle 1985, Applied Statistics 34:138, on counts).

    Parameters
    ----------
    cells : (z, y, x) int64
        Cells in the tissue of each grid cell, with those of `kernel_reach` around; outside of the volume 0.
    tissue_mm3 : (z, y, x) float64
        Volume of the tissue of each grid cell.
    bandwidth_nm : float
        Standard deviation of the kernel; 0 for each grid cell by itself.
    edges_nm : (z, y, x)
        Edges of a grid cell.

    Returns
    -------
    Density
        Of the grid cells that are not `kernel_reach` around.
    """
    weights = [kernel_weights(bandwidth_nm, edge) for edge in edges_nm.tolist()]
    inner = tuple(slice(len(w) // 2, n - len(w) // 2) for w, n in zip(weights, cells.shape, strict=True))
    count, square = cells.astype(np.float64), [w**2 for w in weights]
    volume = _smooth(tissue_mm3, weights)
    known = tissue_mm3[inner] > 0
    safe = np.where(known, volume, 1.0)
    rate = _smooth(count, weights) / safe
    low, high = weighted_interval(rate, _smooth(count, square) / safe**2, 1 / safe)
    return Density(*(np.where(known, values, np.nan) for values in (rate, low, high)))


def _smooth(values: NDArray[np.float64], weights: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the weighted sums; terms are added in the same order at every cell, so they do not depend on the array."""
    for axis, kernel in enumerate(weights):
        moved = np.moveaxis(values, axis, 0)
        length = len(moved) - len(kernel) + 1
        total = np.zeros((length, *moved.shape[1:]))
        for offset, weight in enumerate(kernel.tolist()):
            total += weight * moved[offset : offset + length]
        values = np.moveaxis(total, 0, axis)
    return values
