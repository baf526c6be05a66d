"""Hash table from pairs of ids to rows of numbers, for numba code.

A table is (slots, ids, values, n): `slots` contains row numbers or -1 and is twice as long as `ids`; row i has the pair
``ids[i]`` and the numbers ``values[i]``; n rows are in use. Open addressing with linear probing (Knuth, The Art of
Computer Programming 3, 6.4, algorithm L).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.int32]
Ids = NDArray[np.uint64]
Values = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def mix(a: np.uint64, b: np.uint64) -> np.uint64:
    """Hash a pair to 64 bits (the finalizer of SplitMix64; Steele, Lea, Flood 2014)."""
    h = a * np.uint64(0x9E3779B97F4A7C15) + b
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def empty(rows: int, columns: int) -> tuple[Slots, Ids, Values]:
    """Create a table with capacity `rows`, a power of 2."""
    slots = np.full(2 * rows, -1, dtype=np.int32)
    return slots, np.empty((rows, 2), dtype=np.uint64), np.zeros((rows, columns), dtype=np.int64)


@numba.njit(cache=True, nogil=True)
def slot_of(slots: Slots, ids: Ids, a: np.uint64, b: np.uint64) -> np.int64:
    """Return the slot of a pair, or the empty slot for it."""
    mask = np.uint64(slots.size - 1)
    slot = mix(a, b) & mask
    while slots[slot] >= 0 and (ids[slots[slot], 0] != a or ids[slots[slot], 1] != b):
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@numba.njit(cache=True, nogil=True)
def row_of(
    slots: Slots, ids: Ids, values: Values, n: int, a: np.uint64, b: np.uint64
) -> tuple[int, int, Slots, Ids, Values]:
    """Find or add the row of a pair, growing the table if needed; return row, n, slots, ids, values."""
    slot = slot_of(slots, ids, a, b)
    if slots[slot] >= 0:
        return int(slots[slot]), n, slots, ids, values
    if n == len(ids):
        slots, ids, values = _grow(ids, values)
        slot = slot_of(slots, ids, a, b)
    slots[slot] = n
    ids[n, 0], ids[n, 1] = a, b
    return n, n + 1, slots, ids, values


@numba.njit(cache=True, nogil=True)
def _grow(ids: Ids, values: Values) -> tuple[Slots, Ids, Values]:
    """Return the table with twice the capacity."""
    n = len(ids)
    slots, more_ids, more_values = empty(2 * n, values.shape[1])
    more_ids[:n] = ids
    more_values[:n] = values
    for row in range(n):
        slots[slot_of(slots, more_ids, ids[row, 0], ids[row, 1])] = row
    return slots, more_ids, more_values
