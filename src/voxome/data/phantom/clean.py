"""Removal of thin slivers, so that neurites have an interior everywhere."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

CLEAN_HALO = 6
"""Margin in which the result of `clean` may be wrong, in voxels."""


def clean(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Open every neurite with a cross of 7 voxels and reassign the residue to its most frequent neighbour, twice."""
    for _ in range(2):
        keys = _reassign(keys, _opening(keys))
    return keys


@njit(cache=True)
def _opening(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return whether each voxel is in a cross of 7 voxels of the same neurite."""
    out = np.zeros(keys.shape, np.bool_)
    nz, ny, nx = keys.shape
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                k = keys[z, y, x]
                if (
                    keys[z - 1, y, x] == k and keys[z + 1, y, x] == k and keys[z, y - 1, x] == k
                    and keys[z, y + 1, x] == k and keys[z, y, x - 1] == k and keys[z, y, x + 1] == k
                ):  # fmt: skip
                    out[z, y, x] = True
                    out[z - 1, y, x] = out[z + 1, y, x] = True
                    out[z, y - 1, x] = out[z, y + 1, x] = True
                    out[z, y, x - 1] = out[z, y, x + 1] = True
    return out


@njit(cache=True)
def _reassign(keys: NDArray[np.uint64], kept: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Assign voxels that are not kept to the most frequent kept neighbour of 26; ties go to the smallest key."""
    out = keys.copy()
    nz, ny, nx = keys.shape
    candidates, count = np.empty(26, np.uint64), np.empty(26, np.int64)
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if kept[z, y, x]:
                    continue
                n = 0
                for c in range(27):
                    i, j, k = z + c // 9 - 1, y + c // 3 % 3 - 1, x + c % 3 - 1
                    if not kept[i, j, k]:
                        continue
                    m = 0
                    while m < n and candidates[m] != keys[i, j, k]:
                        m += 1
                    if m == n:
                        candidates[n], count[n] = keys[i, j, k], 0
                        n += 1
                    count[m] += 1
                most = 0
                for m in range(n):
                    if count[m] > most or (count[m] == most and candidates[m] < out[z, y, x]):
                        most = count[m]
                        out[z, y, x] = candidates[m]
    return out
