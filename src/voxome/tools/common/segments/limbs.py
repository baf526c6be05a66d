"""Whole numbers that exceed 64 bits, as limbs of 32 bits that blocks add up.

A number is the sum of ``limb[k] * 2**(32 * k)``. A block gives limbs below 2**32 (the last one has the rest), so that
the sums of 2**31 blocks still fit 64 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 32
_MASK = (1 << BITS) - 1


def split(values: NDArray[Any], count: int) -> list[NDArray[np.int64]]:
    """Return the limbs of whole numbers, of int64 or Python integers."""
    limbs = [(values >> (BITS * at)) & _MASK for at in range(count - 1)]
    return [limb.astype(np.int64) for limb in (*limbs, values >> (BITS * (count - 1)))]


def join(limbs: Sequence[NDArray[np.int64]]) -> NDArray[Any]:
    """Return whole numbers: as int64 if all of them fit with two bits to spare, else as Python integers."""
    size = sum(np.abs(limb.astype(np.float64)) * 2.0 ** (BITS * at) for at, limb in enumerate(limbs))
    exact = np.int64 if np.max(size, initial=0.0) < 1 << 61 else object
    total = np.zeros(len(limbs[0]), exact)
    for at, limb in enumerate(limbs):
        if limb.any():
            total = total + (limb.astype(exact) << (BITS * at))
    return total
