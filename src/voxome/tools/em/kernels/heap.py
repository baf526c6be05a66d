"""A binary heap of edges that knows where each edge is, for numba code.

``heap[:size]`` holds edges, the one to merge first at the top: the highest score, of equals the one whose
smallest original edge is smallest. ``place[e]`` is where edge e is, or `OUT`. (Williams 1964; Knuth, The
Art of Computer Programming 3, 5.2.3.)
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

OUT = -1

Places = NDArray[np.int32]
Scores = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _before(scores: Scores, first: Places, e: int, f: int) -> bool:
    return bool(scores[e] > scores[f] or (scores[e] == scores[f] and first[e] < first[f]))


@numba.njit(cache=True, nogil=True)
def sift(heap: Places, place: Places, scores: Scores, first: Places, size: int, at: int) -> None:
    """Move the edge at `at` to where it belongs."""
    edge = heap[at]
    while at > 0 and _before(scores, first, edge, heap[(at - 1) // 2]):
        heap[at] = heap[(at - 1) // 2]
        place[heap[at]] = at
        at = (at - 1) // 2
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _before(scores, first, heap[child + 1], heap[child]):
            child += 1
        if not _before(scores, first, heap[child], edge):
            break
        heap[at] = heap[child]
        place[heap[at]] = at
        at = child
    heap[at] = edge
    place[edge] = at


@numba.njit(cache=True, nogil=True)
def push(heap: Places, place: Places, scores: Scores, first: Places, size: int, edge: int) -> int:
    """Add an edge, or move it after its score changed; returns the new size."""
    if place[edge] == OUT:
        heap[size] = edge
        place[edge] = size
        size += 1
    sift(heap, place, scores, first, size, place[edge])
    return size


@numba.njit(cache=True, nogil=True)
def remove(heap: Places, place: Places, scores: Scores, first: Places, size: int, edge: int) -> int:
    """Take an edge out, if it is in; returns the new size."""
    at = place[edge]
    if at == OUT:
        return size
    place[edge] = OUT
    size -= 1
    if at < size:
        heap[at] = heap[size]
        place[heap[at]] = at
        sift(heap, place, scores, first, size, at)
    return size
