"""Greedy agglomeration of a region adjacency graph by the mean or a quantile of affinities.

The edge with the highest score is merged first; edges that then join the same two regions are added up. Every edge is
in a hash table, by its two regions, and in the lists of both. The shorter list is moved, so an edge moves O(log n)
times. This takes about 70 bytes per edge, in addition to its values.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.em.kernels import heap as queue
from voxome.tools.em.kernels.edges import BINS, WIDTH
from voxome.tools.em.kernels.heap import DEAD, EDGE, OUT, EdgeArray
from voxome.tools.em.kernels.pairs import mix

Index = NDArray[np.int32]
Values = NDArray[np.int64] | NDArray[np.int32]
_FREE = -1
_NONE = -1


def merge(ends: Index, values: Values, nodes: int, threshold: float, quantile: float) -> Index:
    """Merge regions until the scores of all edges are below `threshold`.

    Parameters
    ----------
    ends : (e, 2) int32
        Regions of every edge; pairs are distinct.
    values : (e, 2) int64 or (e, BINS) int32
        Sum and number of affinities, or with a quantile their histogram; overwritten.
    nodes : int
        Number of regions.
    threshold : float
        Minimum score to merge, in units of affinity (0-255).
    quantile : float
        Quantile of affinities that is the score of an edge; if negative, the mean.

    Returns
    -------
    (nodes,) int32
        Smallest region in the group of each region.
    """
    edges = np.empty(len(ends), EDGE)
    edges["ends"], edges["first"], edges["position"] = ends, np.arange(len(ends)), OUT
    slots = np.full(1 << (2 * len(ends)).bit_length(), _FREE, np.int32)
    lists = np.array([_NONE, 0], np.int32) + np.zeros((nodes, 1), np.int32)
    smallest: Index = _smallest(_merge(edges, values, slots, lists, threshold, quantile))
    return smallest


@numba.njit(cache=True, nogil=True)
def _merge(edges: EdgeArray, values: Values, slots: Index, lists: Index, threshold: float, quantile: float) -> Index:
    """Merge regions; return the region that each was merged into, or itself."""
    parent = np.arange(len(lists)).astype(np.int32)
    heap = np.empty(len(edges), dtype=np.int32)
    size = 0
    for e in range(len(edges)):
        slots[_slot(slots, edges, edges[e].ends[0], edges[e].ends[1])] = e
        for side in range(2):
            _link(lists, edges, edges[e].ends[side], 2 * e + side)
        edges[e].score = score(values, e, quantile)
        if edges[e].score >= threshold:
            size = queue.push(heap, edges, size, e)
    while size > 0:
        top = heap[0]
        size = queue.remove(heap, edges, size, top)
        keep, gone = edges[top].ends[0], edges[top].ends[1]
        if lists[keep, 1] < lists[gone, 1]:
            keep, gone = gone, keep
        _clear(slots, edges, keep, gone)
        edges[top].position = DEAD
        parent[gone] = keep
        half = lists[gone, 0]
        while half != _NONE:
            e, side = half >> 1, half & 1
            after = edges[e].nexts[side]
            if edges[e].position != DEAD:
                twin = _move(slots, edges, lists, keep, gone, half)
                if twin != _NONE:
                    size = queue.remove(heap, edges, size, e)
                    edges[e].position = DEAD
                    _add(edges, values, twin, e)
                    edges[twin].score = score(values, twin, quantile)
                    if edges[twin].score >= threshold:
                        size = queue.push(heap, edges, size, twin)
                    else:
                        size = queue.remove(heap, edges, size, twin)
            half = after
    return parent


@numba.njit(cache=True, nogil=True)
def score(values: Values, e: int, quantile: float) -> float:
    """Return the mean or a quantile of the affinities of an edge; quantiles are interpolated within bins."""
    if quantile < 0:
        return float(values[e, 0] / values[e, 1])
    rank, below = quantile * values[e].sum(), 0
    for i in range(BINS):
        count = values[e, i]
        if count > 0 and below + count >= rank:
            return float(WIDTH * (i + (rank - below) / count))
        below += count
    return float(WIDTH * BINS)


@numba.njit(cache=True, nogil=True)
def _move(slots: Index, edges: EdgeArray, lists: Index, keep: int, gone: int, half: int) -> int:
    """Move an edge from region `gone` to `keep`; if `keep` already has an edge to the same region, return that."""
    e, side = half >> 1, half & 1
    other = edges[e].ends[1 - side]
    _clear(slots, edges, gone, other)
    slot = _slot(slots, edges, keep, other)
    if slots[slot] != _FREE:
        return int(slots[slot])
    slots[slot] = e
    edges[e].ends[side] = keep
    _link(lists, edges, keep, half)
    return _NONE


@numba.njit(cache=True, nogil=True)
def _add(edges: EdgeArray, values: Values, to: int, e: int) -> None:
    for column in range(values.shape[1]):
        values[to, column] += values[e, column]
    edges[to].first = min(edges[to].first, edges[e].first)


@numba.njit(cache=True, nogil=True)
def _link(lists: Index, edges: EdgeArray, region: int, half: int) -> None:
    """Prepend a half-edge to the list of a region."""
    edges[half >> 1].nexts[half & 1] = lists[region, 0]
    lists[region, 0] = half
    lists[region, 1] += 1


@numba.njit(cache=True, nogil=True)
def _slot(slots: Index, edges: EdgeArray, a: int, b: int) -> np.int64:
    """Return the slot of the edge of two regions, or the empty slot for it."""
    low, high = min(a, b), max(a, b)
    mask = slots.size - 1
    slot = _home(low, high, mask)
    while slots[slot] != _FREE:
        ends = edges[slots[slot]].ends
        if min(ends[0], ends[1]) == low and max(ends[0], ends[1]) == high:
            break
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def _clear(slots: Index, edges: EdgeArray, a: int, b: int) -> None:
    """Remove the edge of two regions from the hash table (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = slots.size - 1
    gap = _slot(slots, edges, a, b)
    slots[gap] = _FREE
    at = (gap + 1) & mask
    while slots[at] != _FREE:
        ends = edges[slots[at]].ends
        home = _home(min(ends[0], ends[1]), max(ends[0], ends[1]), mask)
        if ((at - home) & mask) >= ((at - gap) & mask):
            slots[gap] = slots[at]
            slots[at] = _FREE
            gap = at
        at = (at + 1) & mask


@numba.njit(cache=True, nogil=True)
def _home(low: int, high: int, mask: int) -> np.int64:
    return np.int64(mix(np.uint64(low), np.uint64(high)) & np.uint64(mask))


@numba.njit(cache=True, nogil=True)
def _smallest(parent: Index) -> Index:
    """Return the smallest region in the group of each region, from a forest of parents."""
    root = parent.copy()
    for i in range(len(root)):
        while root[i] != root[root[i]]:
            root[i] = root[root[i]]
    small = np.full(len(root), len(root), dtype=np.int32)
    for i in range(len(root)):
        small[root[i]] = min(small[root[i]], i)
    smallest: Index = small[root]
    return smallest
