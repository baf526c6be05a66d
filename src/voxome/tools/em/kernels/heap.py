"""Addressable heap of edges, for numba code.

``heap[:size]`` contains edges, with the one to merge first at the top: that with the highest score and, among equal
scores, the smallest original edge. Nodes have four children (Knuth, The Art of Computer Programming 3, 5.2.3, exercise
28), for better locality.
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
        ("position", "i4"),
        ("ends", "i4", (2,)),
        ("nexts", "i4", (2,)),
    ]
)
"""Score, smallest original edge, position in the heap (or `OUT`, `DEAD`), two regions, next half-edge of each."""
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
    """Restore the heap order for the edge at `at`."""
    edge = heap[at]
    while at > 0 and _before(edges, edge, heap[(at - 1) // _CHILDREN]):
        heap[at] = heap[(at - 1) // _CHILDREN]
        edges[heap[at]].position = at
        at = (at - 1) // _CHILDREN
    while _CHILDREN * at + 1 < size:
        child = _CHILDREN * at + 1
        for other in range(child + 1, min(child + _CHILDREN, size)):
            if _before(edges, heap[other], heap[child]):
                child = other
        if not _before(edges, heap[child], edge):
            break
        heap[at] = heap[child]
        edges[heap[at]].position = at
        at = child
    heap[at] = edge
    edges[edge].position = at


@numba.njit(cache=True, nogil=True)
def push(heap: Heap, edges: EdgeArray, size: int, edge: int) -> int:
    """Add an edge, or update it after its score changed; return the new size."""
    if edges[edge].position == OUT:
        heap[size] = edge
        edges[edge].position = size
        size += 1
    _sift(heap, edges, size, edges[edge].position)
    return size


@numba.njit(cache=True, nogil=True)
def remove(heap: Heap, edges: EdgeArray, size: int, edge: int) -> int:
    """Remove an edge, if present; return the new size."""
    at = edges[edge].position
    if at == OUT:
        return size
    edges[edge].position = OUT
    size -= 1
    if at < size:
        heap[at] = heap[size]
        edges[heap[at]].position = at
        _sift(heap, edges, size, at)
    return size
