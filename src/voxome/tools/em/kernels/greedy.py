"""Greedy agglomeration of a region adjacency graph by the mean or a quantile of the affinities of its edges.

The edge of the highest score is merged first, and the edges that then join the same two regions are added up. Every
edge is in a hash table by its two regions and in the lists of both; the shorter list is moved, so an edge moves
O(log n) times. About 70 bytes an edge, beside its values.
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
    """Merge regions until no edge has a score of at least `threshold`.

    Parameters
    ----------
    ends : (e, 2) int32
        The two regions of every edge, each pair once.
    values : (e, 2) int64 or (e, BINS) int32
        Sums and numbers of affinities, or their histograms if there is a quantile; overwritten.
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
    edges = np.empty(len(ends), EDGE)
    edges["ends"], edges["first"], edges["place"] = ends, np.arange(len(ends)), OUT
    slots = np.full(1 << (2 * len(ends)).bit_length(), _FREE, np.int32)
    lists = np.array([_NONE, 0], np.int32) + np.zeros((nodes, 1), np.int32)
    smallest: Index = _smallest(_merge(edges, values, slots, lists, threshold, quantile))
    return smallest


@numba.njit(cache=True, nogil=True)
def _merge(edges: EdgeArray, values: Values, slots: Index, lists: Index, threshold: float, quantile: float) -> Index:
    """Merge; returns for each region the one it was merged into, or itself."""
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
        edges[top].place = DEAD
        parent[gone] = keep
        half = lists[gone, 0]
        while half != _NONE:
            e, side = half >> 1, half & 1
            after = edges[e].nexts[side]
            if edges[e].place != DEAD:
                twin = _move(slots, edges, lists, keep, gone, half)
                if twin != _NONE:
                    size = queue.remove(heap, edges, size, e)
                    edges[e].place = DEAD
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
    """Mean or quantile of an edge's affinities; the quantile is interpolated within its bin."""
    if quantile < 0:
        return float(values[e, 0] / values[e, 1])
    wanted, below = quantile * values[e].sum(), 0
    for i in range(BINS):
        held = values[e, i]
        if held > 0 and below + held >= wanted:
            return float(WIDTH * (i + (wanted - below) / held))
        below += held
    return float(WIDTH * BINS)


@numba.njit(cache=True, nogil=True)
def _move(slots: Index, edges: EdgeArray, lists: Index, keep: int, gone: int, half: int) -> int:
    """Hand an edge of `gone` to `keep`, unless `keep` has one to the same region: then return that."""
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
    """Put a half-edge at the front of a region's list."""
    edges[half >> 1].nexts[half & 1] = lists[region, 0]
    lists[region, 0] = half
    lists[region, 1] += 1


@numba.njit(cache=True, nogil=True)
def _slot(slots: Index, edges: EdgeArray, a: int, b: int) -> np.int64:
    """The slot that holds the edge of two regions, or the empty one where it belongs."""
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
    """Take the edge of two regions out, and close the gap (Knuth, TAOCP 3, 6.4, algorithm R)."""
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
