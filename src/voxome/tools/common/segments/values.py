"""Exact sums of the values of another volume, and of their squares, under every label.

The value of every voxel is a whole number times a power of two; so is its square. They are added as such, in limbs of
32 bits whose place is their power of two: nothing is rounded before the mean is, whatever the blocks are. Values that
are not finite are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.tools.common.segments.limbs import BITS
from voxome.tools.common.segments.runs import Index, Runs, end_of

_MASK = (1 << BITS) - 1
_EXACT = 1 << 53
"""Whole numbers up to this are exact as 64-bit floats."""
_CARRY = (1 << 24) - 1
"""Limbs are carried after so many voxels of a label, before they could overflow."""


@dataclass(frozen=True)
class Values:
    """The values under every label, in the order of the ids of the runs.

    Attributes
    ----------
    count : (n,) int64
        Voxels with a finite value.
    low, high : (n,) float64
        Smallest and largest value; infinity and minus infinity where there is none.
    limbs : (n, 2, m) int64
        Of the sums of the values, and of their squares.
    place : int
        Place of the first limb: it counts ``2**(32 * place)``.
    """

    count: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    limbs: NDArray[np.int64]
    place: int

    @classmethod
    def of(cls, runs: Runs, image: NDArray[Any], inner: tuple[int, int, int]) -> Values:
        """Return the values of the part of a block that has the shape `inner`, at its corner.

        Raises
        ------
        InvalidInput
            If whole numbers of 64 bits exceed 2**53.
        """
        values = runs.ordered(image)
        shape, inside, count = runs.shape, runs.order(inner), len(runs.ids)
        if values.dtype.kind in "bui" and values.dtype.itemsize <= 2:
            values = values.astype(np.int32)
            number, low, high, sums = _add_small(runs.first, runs.start, runs.label, count, values, shape, inside)
            limbs = _normalized(np.stack([sums & _MASK, sums >> BITS, np.zeros_like(sums)], axis=-1))
            return cls(number, low, high, limbs, 0)
        floats = _floats(values)
        first, places = _places(floats)
        number, low, high, limbs = _add_floats(
            runs.first, runs.start, runs.label, count, floats, shape, inside, first * BITS, places
        )
        return cls(number, low, high, _normalized(limbs), first)

    def select(self, rows: NDArray[np.intp]) -> Values:
        """Return those of some labels."""
        return Values(self.count[rows], self.low[rows], self.high[rows], self.limbs[rows], self.place)

    def rows(self, ids: NDArray[np.uint64]) -> Rows:
        """Return the limbs that are not 0 as a table: ``id``, ``power`` (1 or 2), ``place``, ``total``."""
        label, power, limb = np.nonzero(self.limbs)
        return {
            "id": ids[label],
            "power": power.astype(np.int64) + 1,
            "place": limb.astype(np.int64) + self.place,
            "total": self.limbs[label, power, limb],
        }


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind in "ui" and values.dtype.itemsize == 8 and values.size:
        extreme = max(int(values.max()), -int(values.min()))
        if extreme > _EXACT:
            raise InvalidInput(f"the image has values up to {extreme}; expected whole numbers up to 2**53 ({_EXACT})")
    return values.astype(np.float64)


def _places(values: NDArray[np.float64]) -> tuple[int, int]:
    """Return the place of the first limb that the values and their squares need, and how many they need."""
    smallest, largest = _extremes(values.ravel())
    if largest == 0:
        return 0, 1
    low, high = math.frexp(smallest)[1], math.frexp(largest)[1]
    least = min(low - 53, 2 * (low - 53))
    most = max(high, 2 * high)
    first = least // BITS
    return first, most // BITS - first + 3


def _normalized(limbs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return limbs of the same numbers, all but the last between 0 and 2**32 and the last with the sign."""
    result = limbs.copy()
    for at in range(limbs.shape[-1] - 1):
        result[..., at + 1] += result[..., at] >> BITS
        result[..., at] &= _MASK
    return result


@numba.njit(cache=True, nogil=True)
def _extremes(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest and the largest size of finite values that are not 0; infinity and 0 without any."""
    smallest, largest = np.inf, 0.0
    for value in values:
        size = abs(value)
        if 0 < size < np.inf:
            smallest, largest = min(smallest, size), max(largest, size)
    return smallest, largest


@numba.njit(cache=True, nogil=True)
def _add_small(
    first: NDArray[np.int64],
    start: Index,
    label: Index,
    count: int,
    values: NDArray[np.int32],
    shape: tuple[int, ...],
    inner: tuple[int, ...],
) -> tuple[NDArray[Any], ...]:
    number = np.zeros(count, np.int64)
    low = np.full(count, np.inf)
    high = np.full(count, -np.inf)
    sums = np.zeros((count, 2), np.int64)
    for z in range(inner[0]):
        for y in range(inner[1]):
            row = z * shape[1] + y
            for run in range(first[row], first[row + 1]):
                a = np.int64(start[run])
                if a >= inner[2]:
                    break
                b = min(end_of(start, run, first[row + 1], shape[2]), inner[2])
                least = most = values[z, y, a]
                total, squares = np.int64(0), np.int64(0)
                for x in range(a, b):
                    value = np.int64(values[z, y, x])
                    least, most = min(least, value), max(most, value)
                    total += value
                    squares += value * value
                at = label[run]
                number[at] += b - a
                low[at], high[at] = min(low[at], np.float64(least)), max(high[at], np.float64(most))
                sums[at, 0] += total
                sums[at, 1] += squares
    return number, low, high, sums


@numba.njit(cache=True, nogil=True)
def _add_limbs(limbs: NDArray[np.int64], whole: int, exponent: int, sign: int) -> None:
    """Add ``sign * whole * 2**exponent`` to limbs whose first counts 1; `whole` is below 2**62."""
    at, by = exponent // BITS, np.uint64(exponent % BITS)
    low = np.uint64(whole & _MASK) << by
    high = np.uint64(whole >> BITS) << by
    middle = np.int64(low >> np.uint64(BITS)) + np.int64(high & np.uint64(_MASK))
    limbs[at] += sign * np.int64(low & np.uint64(_MASK))
    limbs[at + 1] += sign * middle
    limbs[at + 2] += sign * np.int64(high >> np.uint64(BITS))


@numba.njit(cache=True, nogil=True)
def _add_floats(
    first: NDArray[np.int64],
    start: Index,
    label: Index,
    count: int,
    values: NDArray[np.float64],
    shape: tuple[int, ...],
    inner: tuple[int, ...],
    least: int,
    places: int,
) -> tuple[NDArray[Any], ...]:
    """Add values and squares to limbs of which the first counts ``2**least``."""
    number = np.zeros(count, np.int64)
    low = np.full(count, np.inf)
    high = np.full(count, -np.inf)
    limbs = np.zeros((count, 2, places), np.int64)
    for z in range(inner[0]):
        for y in range(inner[1]):
            row = z * shape[1] + y
            for run in range(first[row], first[row + 1]):
                a, at = np.int64(start[run]), label[run]
                if a >= inner[2]:
                    break
                b = end_of(start, run, first[row + 1], shape[2])
                for x in range(a, min(b, inner[2])):
                    value = values[z, y, x]
                    if not np.isfinite(value):
                        continue
                    number[at] += 1
                    low[at], high[at] = min(low[at], value), max(high[at], value)
                    if value == 0:
                        continue
                    fraction, exponent = math.frexp(abs(value))
                    whole, shift = np.int64(fraction * _EXACT), np.int64(exponent) - 53
                    upper, lower = whole >> 27, whole & 0x7FFFFFF
                    square = limbs[at, 1]
                    _add_limbs(limbs[at, 0], whole, shift - least, 1 if value > 0 else -1)
                    _add_limbs(square, upper * upper, 2 * shift - least + 54, 1)
                    if lower:  # not in numbers that are floats of 32 bits
                        _add_limbs(square, lower * lower, 2 * shift - least, 1)
                        _add_limbs(square, 2 * upper * lower, 2 * shift - least + 27, 1)
                    if number[at] & _CARRY == 0:
                        for power in range(2):
                            for place in range(places - 1):
                                limbs[at, power, place + 1] += limbs[at, power, place] >> BITS
                                limbs[at, power, place] &= _MASK
    return number, low, high, limbs
