"""Eigenvalues of symmetric 2×2 and 3×3 matrices, one for each voxel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray


def eigenvalues(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the eigenvalues of symmetric matrices, the largest first.

    Parameters
    ----------
    parts : sequence of arrays of one shape
        Upper triangle: aa, ab, bb of 2×2 matrices, or aa, ab, ac, bb, bc, cc of 3×3 matrices.

    Returns
    -------
    (2 or 3, ...) float32

    Notes
    -----
    The roots of the characteristic polynomial of a 3×3 matrix are those of Smith (1961, Comm. ACM 4, 168).
    """
    flat = np.stack([np.ravel(part) for part in parts])
    n = {3: 2, 6: 3}[len(parts)]
    result = np.empty((n, flat.shape[1]), np.float32)
    (_solve_2 if n == 2 else _solve_3)(flat, result)
    return result.reshape(n, *np.shape(parts[0]))


@numba.njit(cache=True, nogil=True)
def _solve_2(parts: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    for i in range(parts.shape[1]):
        a, b, c = np.float64(parts[0, i]), np.float64(parts[1, i]), np.float64(parts[2, i])
        middle = (a + c) / 2
        half = math.sqrt(((a - c) / 2) ** 2 + b * b)
        result[0, i] = middle + half
        result[1, i] = middle - half


@numba.njit(cache=True, nogil=True)
def _solve_3(parts: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    for i in range(parts.shape[1]):
        a, b, c = np.float64(parts[0, i]), np.float64(parts[1, i]), np.float64(parts[2, i])
        d, e, f = np.float64(parts[3, i]), np.float64(parts[4, i]), np.float64(parts[5, i])
        middle = (a + d + f) / 3
        a, d, f = a - middle, d - middle, f - middle
        spread = math.sqrt((a * a + d * d + f * f + 2 * (b * b + c * c + e * e)) / 6)
        if spread == 0:
            result[0, i] = result[1, i] = result[2, i] = middle
            continue
        half = (a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c)) / (2 * spread**3)
        angle = math.acos(min(max(half, -1.0), 1.0)) / 3
        largest = 2 * spread * math.cos(angle)
        smallest = 2 * spread * math.cos(angle + 2 * math.pi / 3)
        result[0, i] = middle + largest
        result[1, i] = middle - largest - smallest
        result[2, i] = middle + smallest
