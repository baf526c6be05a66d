"""Greedy agglomeration of a region adjacency graph by the mean or a quantile of the affinities of its edges.

The edge of the highest score is merged first, and the edges that then join the
same two regions are added up. Every edge is in a hash table by its two regions and in the lists of both;
the shorter list is moved, so an edge moves O(log n) times.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.em.kernels import heap as queue
from voxome.tools.em.kernels.edges import BINS, WIDTH
from voxome.tools.em.kernels.pairs import mix

Index = NDArray[np.int32]
_FREE = -1


@numba.njit(cache=True, nogil=True)
def _slot(slots: Index, ends: Index, a: int, b: int) -> np.int64:
    """The slot that holds the edge of two regions, or the empty one where it belongs."""
    low, high = min(a, b), max(a, b)
    mask = np.uint64(slots.size - 1)
    slot = mix(np.uint64(low), np.uint64(high)) & mask
    while slots[slot] != _FREE:
        u, v = ends[slots[slot], 0], ends[slots[slot], 1]
        if min(u, v) == low and max(u, v) == high:
            break
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@numba.njit(cache=True, nogil=True)
def _clear(slots: Index, ends: Index, a: int, b: int) -> None:
    """Take the edge of two regions out, and close the gap (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = slots.size - 1
    gap = _slot(slots, ends, a, b)
    slots[gap] = _FREE
    at = (gap + 1) & mask
    while slots[at] != _FREE:
        u, v = ends[slots[at], 0], ends[slots[at], 1]
        home = np.int64(mix(np.uint64(min(u, v)), np.uint64(max(u, v))) & np.uint64(mask))
        if ((at - home) & mask) >= ((at - gap) & mask):
            slots[gap] = slots[at]
            slots[at] = _FREE
            gap = at
        at = (at + 1) & mask


@numba.njit(cache=True, nogil=True)
def _link(heads: Index, nexts: Index, degree: Index, node: int, half: int) -> None:
    """Put a half-edge at the front of a region's list."""
    nexts[half] = heads[node]
    heads[node] = half
    degree[node] += 1


@numba.njit(cache=True, nogil=True)
def score(values: NDArray[np.int64], e: int, quantile: float) -> float:
    """Mean or quantile of an edge's affinities; the quantile is interpolated within its bin."""
    if quantile < 0:
        return float(values[e, 0] / values[e, 1])
    wanted, below = quantile * values[e, 1], 0
    for i in range(BINS):
        held = values[e, 2 + i]
        if held > 0 and below + held >= wanted:
            return float(WIDTH * (i + (wanted - below) / held))
        below += held
    return float(WIDTH * BINS)


@numba.njit(cache=True, nogil=True)
def merge(ends: Index, values: NDArray[np.int64], nodes: int, threshold: float, quantile: float) -> Index:
    """Merge regions until no edge has a score of at least `threshold`.

    Parameters
    ----------
    ends : (e, 2) int32
        The two regions of every edge, each pair once; overwritten.
    values : (e, 2) or (e, 2 + BINS) int64
        Those of `Edges`, with histograms if there is a quantile; overwritten.
    nodes : int
        Number of regions.
    threshold : float
        Least score that is merged, in the unit of the affinities (0-255).
    quantile : float
        The score is this quantile of an edge's affinities; their mean if negative.

    Returns
    -------
    (nodes,) int32
        The smallest region of each region's group.
    """
    count = len(ends)
    bits = 1
    while bits < 2 * count:
        bits *= 2
    slots = np.full(bits, _FREE, dtype=np.int32)
    heads, degree = np.full(nodes, -1, dtype=np.int32), np.zeros(nodes, dtype=np.int32)
    nexts = np.empty(2 * count, dtype=np.int32)
    first, parent = np.arange(count).astype(np.int32), np.arange(nodes).astype(np.int32)
    heap, place = np.empty(count, dtype=np.int32), np.full(count, queue.OUT, dtype=np.int32)
    scores = np.empty(count, dtype=np.float64)
    alive = np.ones(count, dtype=np.bool_)
    size = 0
    for e in range(count):
        slots[_slot(slots, ends, ends[e, 0], ends[e, 1])] = e
        for side in range(2):
            _link(heads, nexts, degree, ends[e, side], 2 * e + side)
        scores[e] = score(values, e, quantile)
        if scores[e] >= threshold:
            size = queue.push(heap, place, scores, first, size, e)
    while size > 0:
        top = heap[0]
        size = queue.remove(heap, place, scores, first, size, top)
        keep, gone = ends[top, 0], ends[top, 1]
        if degree[keep] < degree[gone]:
            keep, gone = gone, keep
        _clear(slots, ends, keep, gone)
        alive[top] = False
        parent[gone] = keep
        half = heads[gone]
        while half >= 0:
            after, e, side = nexts[half], half >> 1, half & 1
            if alive[e]:
                other = ends[e, 1 - side]
                _clear(slots, ends, gone, other)
                slot = _slot(slots, ends, keep, other)
                twin = slots[slot]
                if twin == _FREE:
                    slots[slot] = e
                    ends[e, side] = keep
                    _link(heads, nexts, degree, keep, half)
                else:
                    size = queue.remove(heap, place, scores, first, size, e)
                    alive[e] = False
                    for column in range(values.shape[1]):
                        values[twin, column] += values[e, column]
                    first[twin] = min(first[twin], first[e])
                    scores[twin] = score(values, twin, quantile)
                    if scores[twin] >= threshold:
                        size = queue.push(heap, place, scores, first, size, twin)
                    else:
                        size = queue.remove(heap, place, scores, first, size, twin)
            half = after
        heads[gone] = -1
    return _smallest(parent)


@numba.njit(cache=True, nogil=True)
def _smallest(parent: Index) -> Index:
    """The smallest member of each region's group, from a forest of parents."""
    root = parent.copy()
    for i in range(len(root)):
        while root[i] != root[root[i]]:
            root[i] = root[root[i]]
    small = np.full(len(root), len(root), dtype=np.int32)
    for i in range(len(root)):
        small[root[i]] = min(small[root[i]], i)
    smallest: Index = small[root]
    return smallest
