"""Distance of voxels to the surface of their object."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

INSIDE, OUTSIDE, UNKNOWN = 0, 1, 2
"""Where an index is: in an array, beyond the border of the volume, or beyond what is known."""


def surface_distance(
    labels: NDArray[np.uint32], size_nm: Sequence[float], edges: Sequence[tuple[bool, bool]]
) -> NDArray[np.float32]:
    """Return the distance from each voxel to the nearest one of another label, from centre to centre.

    Parameters
    ----------
    labels : array of uint32
        Labels; 0 is background.
    size_nm : sequence of float
        Voxel size along each axis.
    edges : sequence of (low, high)
        Whether the array ends at the border of the volume along each axis; another label is assumed beyond it. What is
        beyond the other sides is unknown, and ignored.

    Returns
    -------
    array of float32
        In nm; 0 for background, and finite in any case.
    """
    import edt  # an extra

    distance: NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(labels), anisotropy=tuple(float(s) for s in size_nm), black_border=False, parallel=1
    )
    farthest = float(np.linalg.norm(np.multiply(labels.shape, size_nm)))
    np.minimum(distance, np.float32(farthest), out=distance)
    for axis, (count, size, (low, high)) in enumerate(zip(labels.shape, size_nm, edges, strict=True)):
        steps = np.arange(1, count + 1, dtype=np.float32) * np.float32(size)
        shape = [count if a == axis else 1 for a in range(labels.ndim)]
        for is_border, outside in ((low, steps), (high, steps[::-1])):
            if is_border:
                np.minimum(distance, outside.reshape(shape), out=distance)
    return distance


@numba.njit(cache=True, nogil=True)
def face_distance(
    labels: NDArray[np.uint32],
    points: NDArray[np.int64],
    distance: NDArray[np.float32],
    size: NDArray[np.float64],
    borders: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the distance from the centres of voxels to the surface of their object, which is that of its voxels.

    Parameters
    ----------
    labels : (z, y, x) uint32
        Labels.
    points : (n, 3) int64
        Voxels.
    distance : (n,) float32
        Their distance by `surface_distance`. The voxel with the nearest face is at most half a diagonal farther.
    size : (3,) float64
        Voxel size along each axis.
    borders : (3, 2) bool
        See `surface_distance`.

    Returns
    -------
    (n,) float32
        In nm; `distance` where no voxel outside is in sight.
    """
    found = np.empty(len(points), np.float32)
    diagonal = 0.5 * math.sqrt(size[0] ** 2 + size[1] ** 2 + size[2] ** 2)
    for n in range(len(points)):
        outer = distance[n] + diagonal
        own = labels[points[n, 0], points[n, 1], points[n, 2]]
        best = np.inf
        most_z, most_y = np.int64(outer / size[0]), np.int64(outer / size[1])
        for z in range(-most_z, most_z + 1):
            outside_z = _beyond(points[n, 0] + z, labels.shape[0], borders[0])
            for y in range(-most_y, most_y + 1):
                outside_y = _beyond(points[n, 1] + y, labels.shape[1], borders[1])
                if outside_z == UNKNOWN or outside_y == UNKNOWN:
                    continue
                face = (max(abs(z) - 0.5, 0.0) * size[0]) ** 2 + (max(abs(y) - 0.5, 0.0) * size[1]) ** 2
                if face >= best:
                    continue
                if outside_z == OUTSIDE or outside_y == OUTSIDE:
                    best = face
                    continue
                row = labels[points[n, 0] + z, points[n, 1] + y]
                squared = (z * size[0]) ** 2 + (y * size[1]) ** 2
                inner = (0.9999 * distance[n]) ** 2 - squared
                first = np.int64(math.sqrt(max(inner, 0.0)) / size[2])
                last = np.int64(math.sqrt(max(outer**2 - squared, 0.0)) / size[2])
                for x in range(first, last + 1):
                    low, high = points[n, 2] - x, points[n, 2] + x
                    if (row[low] != own if low >= 0 else borders[2, 0]) or (
                        row[high] != own if high < len(row) else borders[2, 1]
                    ):
                        best = min(best, face + (max(x - 0.5, 0.0) * size[2]) ** 2)
                        break
        found[n] = math.sqrt(best) if best < np.inf else distance[n]
    return found


@numba.njit(cache=True, nogil=True)
def _beyond(at: int, count: int, borders: NDArray[np.bool_]) -> int:
    """Return whether an index is inside an array, outside the volume, or beyond what is known."""
    if 0 <= at < count:
        return INSIDE
    return OUTSIDE if borders[0 if at < 0 else 1] else UNKNOWN
