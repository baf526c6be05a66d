"""Contact of ellipsoids."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_STEPS = 24
"""Points at which the contact function is evaluated; fewer overestimate distances of contact."""


@njit(cache=True)
def covariance(semi_axes: NDArray[np.float64], turn: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Fill the matrix (3, 3) with the squares of the semi-axes, turned by a unit quaternion (w, z, y, x)."""
    w, a, b, c = turn
    axes = np.empty((3, 3))
    axes[0, 0], axes[0, 1], axes[0, 2] = 1 - 2 * (b * b + c * c), 2 * (a * b - c * w), 2 * (a * c + b * w)
    axes[1, 0], axes[1, 1], axes[1, 2] = 2 * (a * b + c * w), 1 - 2 * (a * a + c * c), 2 * (b * c - a * w)
    axes[2, 0], axes[2, 1], axes[2, 2] = 2 * (a * c - b * w), 2 * (b * c + a * w), 1 - 2 * (a * a + b * b)
    for i in range(3):
        for j in range(3):
            total = 0.0
            for k in range(3):
                total += axes[i, k] * axes[j, k] * semi_axes[k] * semi_axes[k]
            out[i, j] = total


@njit(cache=True)
def inverse_product(m: NDArray[np.float64], d: NDArray[np.float64]) -> float:
    """Return d M⁻¹ d of a symmetric matrix (3, 3)."""
    a, b, c, e, f, g = m[0, 0], m[0, 1], m[0, 2], m[1, 1], m[1, 2], m[2, 2]
    aa, bb, cc = e * g - f * f, c * f - b * g, b * f - c * e
    ee, ff, gg = a * g - c * c, b * c - a * f, a * e - b * b
    top = aa * d[0] * d[0] + ee * d[1] * d[1] + gg * d[2] * d[2]
    top += 2.0 * (bb * d[0] * d[1] + cc * d[0] * d[2] + ff * d[1] * d[2])
    return top / (a * aa + b * bb + c * cc)


@njit(cache=True)
def contact_scale(a: NDArray[np.float64], b: NDArray[np.float64], d: NDArray[np.float64]) -> float:
    """Return the factor by which two ellipsoids may grow until they touch; they overlap if it is below 1.

    It is the root of the contact function of Perram & Wertheim 1985 (J. Comput. Phys. 58:409), slightly underestimated.

    Parameters
    ----------
    a, b : (3, 3) float64
        Their matrices, as from `covariance`.
    d : (3,) float64
        Vector between their centres.
    """
    best = 0.0
    m = np.empty((3, 3))
    for n in range(1, _STEPS):
        t = n / _STEPS
        for i in range(3):
            for j in range(3):
                m[i, j] = (1.0 - t) * a[i, j] + t * b[i, j]
        best = max(best, t * (1.0 - t) * inverse_product(m, d))
    return math.sqrt(best)


@njit(cache=True)
def overlapping(
    pairs: NDArray[np.int64], centres: NDArray[np.float64], reaches: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Return whether the ellipsoids of each pair (n, 2) overlap."""
    out = np.zeros(len(pairs), np.bool_)
    d = np.empty(3)
    for n in range(len(pairs)):
        i, j = pairs[n]
        square = 0.0
        for k in range(3):
            d[k] = centres[j, k] - centres[i, k]
            square += d[k] * d[k]
        if square < (reaches[i] + reaches[j]) ** 2:
            out[n] = contact_scale(covariances[i], covariances[j], d) < 1.0
    return out
