"""Confidence intervals of rates of Poisson processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

CONFIDENCE = 0.95
_LOW, _HIGH = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def poisson_interval(
    count: NDArray[Any], volume: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the exact interval of a rate, from a count in a volume (Garwood 1936, Biometrika 28:437)."""
    return weighted_interval(count / volume, count / volume**2, 1 / volume)


def weighted_interval(
    rate: NDArray[np.float64], variance: NDArray[np.float64], largest: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the interval of a weighted sum of Poisson counts (Fay & Feuer 1997, Statistics in Medicine 16:791).

    Parameters
    ----------
    rate, variance : array
        Sums of ``w n`` and of ``w^2 n`` over the counts n with the weights w.
    largest : array
        Largest weight.

    Returns
    -------
    (low, high) : pair of arrays
        With one weight, the exact interval of a Poisson count.
    """
    some = rate > 0
    safe_rate, safe_variance = np.where(some, rate, 1.0), np.where(some, variance, 1.0)
    low = safe_variance / safe_rate * gammaincinv(safe_rate**2 / safe_variance, _LOW)
    wide, more = variance + largest**2, rate + largest
    return np.where(some, low, 0.0), wide / more * gammaincinv(more**2 / wide, _HIGH)


def waiting_interval(k: int, volume: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the exact interval of a rate, from the volume up to the k-th point, which is distributed as Gamma(k)."""
    return gammaincinv(k, _LOW) / volume, gammaincinv(k, _HIGH) / volume
