"""Heap of numbers by cost, for shortest paths in numba code.

``heap[:filled]`` holds numbers, the one of the lowest cost first; nodes have four children (Knuth, The Art of Computer
Programming 3, 5.2.3, exercise 28). ``position`` says where each number is, `OUT` if it never was, `SETTLED` if it left.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

OUT = -1
SETTLED = -2


@numba.njit(cache=True, nogil=True)
def push(
    heap: NDArray[np.int32], position: NDArray[np.int32], cost: NDArray[np.float64], number: int, filled: int
) -> int:
    """Add a number, or move it up after its cost fell; return how many there are."""
    if position[number] == OUT:
        at = filled
        filled += 1
    else:
        at = position[number]
    key = cost[number]
    while at > 0:
        above = (at - 1) >> 2
        other = heap[above]
        if cost[other] <= key:
            break
        heap[at] = other
        position[other] = at
        at = above
    heap[at] = number
    position[number] = at
    return filled


@numba.njit(cache=True, nogil=True)
def pop(heap: NDArray[np.int32], position: NDArray[np.int32], cost: NDArray[np.float64], filled: int) -> int:
    """Take the number of the lowest cost out of a heap of `filled` numbers, and return it."""
    first = heap[0]
    position[first] = SETTLED
    filled -= 1
    if filled == 0:
        return int(first)
    moved = heap[filled]
    key = cost[moved]
    at = 0
    while True:
        child = 4 * at + 1
        if child >= filled:
            break
        best = child
        lowest = cost[heap[child]]
        for other in range(child + 1, min(child + 4, filled)):
            if cost[heap[other]] < lowest:
                best, lowest = other, cost[heap[other]]
        if lowest >= key:
            break
        heap[at] = heap[best]
        position[heap[at]] = at
        at = best
    heap[at] = moved
    position[moved] = at
    return int(first)
