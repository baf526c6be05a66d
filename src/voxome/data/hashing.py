"""Random numbers as functions of position, independent of blocks."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, inline="always")
def mix(state: np.uint64, value: int) -> np.uint64:
    """Fold an integer into a hash: the finalizer of SplitMix64 (Steele, Lea & Flood 2014, figure 16)."""
    z = (state ^ np.uint64(value)) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True, inline="always")
def uniform(state: np.uint64, stream: int) -> float:
    """Return number `stream` of a hash, uniform in [0, 1)."""
    return np.float64(mix(state, stream) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, inline="always")
def normal(state: np.uint64, stream: int) -> float:
    """Return a nearly normal number with mean 0 and variance 1: a sum of four uniform ones (Irwin-Hall)."""
    h = mix(state, stream)
    mask = np.uint64(0xFFFF)
    total = (h & mask) + (h >> np.uint64(16) & mask) + (h >> np.uint64(32) & mask) + (h >> np.uint64(48))
    return (np.float64(total) - 131070.0) * (1.0 / 37837.2)


@njit(cache=True)
def white_noise(start: NDArray[np.int64], shape: tuple[int, int, int], seed: np.uint64) -> NDArray[np.float32]:
    """Return independent normal numbers for a box with a given start and shape (z, y, x)."""
    out = np.empty(shape, np.float32)
    for z in range(shape[0]):
        plane = mix(seed, start[0] + z)
        for y in range(shape[1]):
            row = mix(plane, start[1] + y)
            for x in range(shape[2]):
                out[z, y, x] = normal(row, start[2] + x)
    return out


@njit(cache=True)
def value_noise(
    start: NDArray[np.int64], shape: tuple[int, int, int], seed: np.uint64, spacing: int
) -> NDArray[np.float32]:
    """Return noise that is linear between grid points every `spacing` voxels, with a variance below 1."""
    low = np.empty(3, np.int64)
    for a in range(3):
        low[a] = start[a] // spacing
    count = (
        (start[0] + shape[0] - 1) // spacing + 2 - low[0],
        (start[1] + shape[1] - 1) // spacing + 2 - low[1],
        (start[2] + shape[2] - 1) // spacing + 2 - low[2],
    )
    knots = white_noise(low, count, seed)
    out = np.empty(shape, np.float32)
    for z in range(shape[0]):
        i = (start[0] + z) // spacing - low[0]
        fz = ((start[0] + z) % spacing) / spacing
        for y in range(shape[1]):
            j = (start[1] + y) // spacing - low[1]
            fy = ((start[1] + y) % spacing) / spacing
            for x in range(shape[2]):
                k = (start[2] + x) // spacing - low[2]
                fx = ((start[2] + x) % spacing) / spacing
                near = (1 - fy) * (knots[i, j, k] * (1 - fx) + knots[i, j, k + 1] * fx)
                near += fy * (knots[i, j + 1, k] * (1 - fx) + knots[i, j + 1, k + 1] * fx)
                far = (1 - fy) * (knots[i + 1, j, k] * (1 - fx) + knots[i + 1, j, k + 1] * fx)
                far += fy * (knots[i + 1, j + 1, k] * (1 - fx) + knots[i + 1, j + 1, k + 1] * fx)
                out[z, y, x] = (1 - fz) * near + fz * far
    return out
