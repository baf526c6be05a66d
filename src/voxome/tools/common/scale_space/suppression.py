"""Suppression of peaks that are close to better ones."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


def keep_best(
    places_nm: NDArray[np.float64], radii_nm: NDArray[np.float64], scores: NDArray[np.float64], spacing: float
) -> NDArray[np.int64]:
    """Return the rows that are kept: the best first, unless a kept one is too close.

    Only kept rows suppress others. The order is that of the scores, then of places (z, y, x), then of radii, so it does
    not depend on that of the rows.

    Parameters
    ----------
    places_nm : (n, 3) float64
        Positions.
    radii_nm, scores : (n,) float64
        Radii, and what they are sorted by.
    spacing : float
        Least distance, as a multiple of the larger radius of both.

    Returns
    -------
    (m,) int64
        Numbers of the rows, in the order of their scores.
    """
    if not len(scores):
        return np.empty(0, np.int64)
    order = np.lexsort((radii_nm, *places_nm.T[::-1], -scores))
    edge = max(spacing * float(radii_nm.max()), 1e-9)
    cells = np.floor((places_nm - places_nm.min(axis=0)) / edge).astype(np.int64)
    buckets = 1 << int(np.ceil(np.log2(max(len(scores), 16))))
    kept: NDArray[np.bool_] = _keep(places_nm, radii_nm, cells, order, spacing, buckets)
    return order[kept]


@numba.njit(cache=True, nogil=True)
def _keep(
    places: NDArray[np.float64],
    radii: NDArray[np.float64],
    cells: NDArray[np.int64],
    order: NDArray[np.int64],
    spacing: float,
    buckets: int,
) -> NDArray[np.bool_]:
    """Return which rows, in order, are kept; kept ones are found by a hash of their cell."""
    heads, nexts = np.full(buckets, -1, np.int64), np.full(len(order), -1, np.int64)
    kept = np.zeros(len(order), np.bool_)
    for n in range(len(order)):
        row = order[n]
        free = True
        for move in range(27):
            z = cells[row, 0] + move // 9 - 1
            y = cells[row, 1] + move // 3 % 3 - 1
            x = cells[row, 2] + move % 3 - 1
            other = heads[_hash(z, y, x, buckets)]
            while other >= 0 and free:
                distance = 0.0
                for axis in range(3):
                    distance += (places[row, axis] - places[other, axis]) ** 2
                free = distance >= (spacing * max(radii[row], radii[other])) ** 2
                other = nexts[other]
            if not free:
                break
        if free:
            kept[n] = True
            bucket = _hash(cells[row, 0], cells[row, 1], cells[row, 2], buckets)
            nexts[row] = heads[bucket]
            heads[bucket] = row
    return kept


@numba.njit(cache=True, nogil=True)
def _hash(z: int, y: int, x: int, buckets: int) -> int:
    return (z * 73856093 ^ y * 19349663 ^ x * 83492791) & (buckets - 1)
