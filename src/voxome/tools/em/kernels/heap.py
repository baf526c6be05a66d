"""A heap of edges that knows where each edge is, for numba code.

``heap[:size]`` holds edges, the one to merge first at the top: the highest score, of equals the one whose smallest
original edge is smallest. Four children a node (Knuth, The Art of Computer Programming 3, 5.2.3, exercise 28): fewer
far reads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

EDGE = np.dtype(
    [
        ("score", "f8"),
        ("first", "i4"),
        ("place", "i4"),
        ("ends", "i4", (2,)),
        ("nexts", "i4", (2,)),
    ]
)
"""Score, smallest original edge, place in the heap (or `OUT`, `DEAD`), two regions, next half-edge of each."""
OUT = -1
DEAD = -2
_CHILDREN = 4

Heap = NDArray[np.int32]
EdgeArray = NDArray[Any]


@numba.njit(cache=True, nogil=True)
def _before(edges: EdgeArray, e: int, f: int) -> bool:
    a, b = edges[e], edges[f]
    return bool(a.score > b.score or (a.score == b.score and a.first < b.first))


@numba.njit(cache=True, nogil=True)
def _sift(heap: Heap, edges: EdgeArray, size: int, at: int) -> None:
    """Move the edge at `at` to where it belongs."""
    edge = heap[at]
    while at > 0 and _before(edges, edge, heap[(at - 1) // _CHILDREN]):
        heap[at] = heap[(at - 1) // _CHILDREN]
        edges[heap[at]].place = at
        at = (at - 1) // _CHILDREN
    while _CHILDREN * at + 1 < size:
        child = _CHILDREN * at + 1
        for other in range(child + 1, min(child + _CHILDREN, size)):
            if _before(edges, heap[other], heap[child]):
                child = other
        if not _before(edges, heap[child], edge):
            break
        heap[at] = heap[child]
        edges[heap[at]].place = at
        at = child
    heap[at] = edge
    edges[edge].place = at


@numba.njit(cache=True, nogil=True)
def push(heap: Heap, edges: EdgeArray, size: int, edge: int) -> int:
    """Add an edge, or move it after its score changed; returns the new size."""
    if edges[edge].place == OUT:
        heap[size] = edge
        edges[edge].place = size
        size += 1
    _sift(heap, edges, size, edges[edge].place)
    return size


@numba.njit(cache=True, nogil=True)
def remove(heap: Heap, edges: EdgeArray, size: int, edge: int) -> int:
    """Take an edge out, if it is in; returns the new size."""
    at = edges[edge].place
    if at == OUT:
        return size
    edges[edge].place = OUT
    size -= 1
    if at < size:
        heap[at] = heap[size]
        edges[heap[at]].place = at
        _sift(heap, edges, size, at)
    return size
