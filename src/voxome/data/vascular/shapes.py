"""Cells and vessels as voxels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voxome.data.vascular.ellipsoids import inverse_product

FAR_UM = np.float32(1e3)
"""Distance from a surface where none is near."""
_RIM_UM = 2.0
"""Distance outside a surface up to which distances are computed."""


@njit(cache=True)
def paint_cells(
    labels: NDArray[np.uint64], distance: NDArray[np.float32], start: NDArray[np.int64], voxel_um: NDArray[np.float64],
    ids: NDArray[np.uint64], centres: NDArray[np.float64], radii: NDArray[np.float64], reaches: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> None:  # fmt: skip
    """Label the voxels whose centre is in a cell, and fill the signed distance (about, um) to their surface."""
    first, last, d = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3)
    for n in range(len(ids)):
        for a in range(3):
            reach = reaches[n] + _RIM_UM
            first[a] = max(math.ceil((centres[n, a] - reach) / voxel_um[a]) - start[a], 0)
            last[a] = min(math.floor((centres[n, a] + reach) / voxel_um[a]) - start[a], labels.shape[a] - 1)
        for z in range(first[0], last[0] + 1):
            d[0] = (start[0] + z) * voxel_um[0] - centres[n, 0]
            for y in range(first[1], last[1] + 1):
                d[1] = (start[1] + y) * voxel_um[1] - centres[n, 1]
                for x in range(first[2], last[2] + 1):
                    d[2] = (start[2] + x) * voxel_um[2] - centres[n, 2]
                    scale = math.sqrt(inverse_product(covariances[n], d))
                    if scale <= 1.0:
                        labels[z, y, x] = ids[n]
                    distance[z, y, x] = min(distance[z, y, x], np.float32((scale - 1.0) * radii[n]))


@njit(cache=True)
def paint_vessels(
    distance: NDArray[np.float32], start: NDArray[np.int64], voxel_um: NDArray[np.float64],
    lines: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill the signed distance (um) to the surface of vessels, whose ends are round."""
    first, last, d, axis = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3), np.empty(3)
    for n in range(len(lines)):
        for s in range(lines.shape[1] - 1):
            p, q = lines[n, s], lines[n, s + 1]
            reach = max(p[3], q[3]) + _RIM_UM
            square = 0.0
            for a in range(3):
                axis[a] = q[a] - p[a]
                square += axis[a] * axis[a]
                first[a] = max(math.ceil((min(p[a], q[a]) - reach) / voxel_um[a]) - start[a], 0)
                last[a] = min(math.floor((max(p[a], q[a]) + reach) / voxel_um[a]) - start[a], distance.shape[a] - 1)
            for z in range(first[0], last[0] + 1):
                d[0] = (start[0] + z) * voxel_um[0] - p[0]
                for y in range(first[1], last[1] + 1):
                    d[1] = (start[1] + y) * voxel_um[1] - p[1]
                    for x in range(first[2], last[2] + 1):
                        d[2] = (start[2] + x) * voxel_um[2] - p[2]
                        t = (d[0] * axis[0] + d[1] * axis[1] + d[2] * axis[2]) / square
                        t = min(max(t, 0.0), 1.0)
                        away = 0.0
                        for a in range(3):
                            away += (d[a] - t * axis[a]) ** 2
                        value = math.sqrt(away) - p[3] - t * (q[3] - p[3])
                        distance[z, y, x] = min(distance[z, y, x], np.float32(value))
