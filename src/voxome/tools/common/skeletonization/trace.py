"""Paths of a component, and what they cover: the rolling invalidation of TEASAR (Sato et al. 2000, section 3.4)."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.skeletonization.voxel_graph import NONE, neighbour_steps


@numba.njit(cache=True, nogil=True)
def trace_tree(
    index: NDArray[np.int32],
    places: NDArray[np.int64],
    depth: NDArray[np.float32],
    parents: NDArray[np.int32],
    lengths: NDArray[np.float32],
    size: NDArray[np.float64],
    targets: NDArray[np.int32],
    scale: float,
    const_nm: float,
    tips: bool,
) -> NDArray[np.int32]:
    """Return the voxels of the paths from targets and tips to the root.

    Parameters
    ----------
    index, places, depth : arrays
        See `shortest_paths`.
    parents, lengths : (n,) arrays
        What `shortest_paths` returns.
    size : (3,) float64
        z, y, x of a voxel, in nm.
    targets : (k,) int32
        Voxels that are reached in any case. Their paths cover nothing: a path to the next block replaces no branch.
    scale, const_nm : float
        A path covers what is within ``scale * depth + const_nm`` of one of its voxels, and connected to it.
    tips : bool
        Whether to trace paths from uncovered voxels, the farthest first, until all are covered; the farthest of all
        has a path in any case.

    Returns
    -------
    (m,) int32
        Voxels, the root first; the parent of each comes before it.
    """
    count = len(places)
    order = np.empty(count, np.int32)
    on_tree = np.zeros(count, np.bool_)
    root = 0
    while parents[root] != NONE:
        root = parents[root]
    order[0] = root
    on_tree[root] = True
    filled = 1
    if not tips:
        for target in targets:
            filled = _trace(target, parents, on_tree, order, filled)
        return order[:filled].copy()
    points = _points(places, index.shape)
    steps, _ = neighbour_steps(index.shape, size)
    budget = np.zeros(count, np.float32)
    origin = np.full(count, NONE, np.int32)
    queue = np.empty(count + 1, np.int32)
    stamp = np.full(count, NONE, np.int32)
    covered = 0
    farthest_first = _farthest_first(lengths, 0.5 * size.min())
    farthest = farthest_first[0]
    for tip in farthest_first:
        if budget[tip] > 0 and tip != farthest:
            continue
        end = _centre_tip(tip, index, places, points, depth, parents, lengths, size, steps, on_tree, stamp, queue)
        filled = _trace(end, parents, on_tree, order, filled)
        sources = np.append(order[covered:filled], tip)  # `end` stands for the tip, whose surroundings it may not cover
        _cover(sources, index, places, points, depth, size, steps, scale, const_nm, budget, origin)
        covered = filled
    for target in targets:
        filled = _trace(target, parents, on_tree, order, filled)
    return order[:filled].copy()


@numba.njit(cache=True, nogil=True)
def _trace(
    end: int, parents: NDArray[np.int32], on_tree: NDArray[np.bool_], order: NDArray[np.int32], filled: int
) -> int:
    """Add the path from `end` to the tree, from the tree outwards; return how many voxels the tree has."""
    last = filled
    v = end
    while not on_tree[v]:
        on_tree[v] = True
        order[last] = v
        last += 1
        v = parents[v]
    order[filled:last] = order[filled:last][::-1].copy()
    return last


@numba.njit(cache=True, nogil=True)
def _points(places: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.int32]:
    points = np.empty((len(places), 3), np.int32)
    for v in range(len(places)):
        rest = places[v]
        points[v, 2] = rest % shape[2]
        rest //= shape[2]
        points[v, 1] = rest % shape[1]
        points[v, 0] = rest // shape[1]
    return points


@numba.njit(cache=True, nogil=True)
def _farthest_first(lengths: NDArray[np.float32], step: float) -> NDArray[np.int32]:
    """Return the voxels by falling length, in steps; of equal ones the first voxel comes first."""
    bins = np.int64(lengths.max() / step) + 2
    counts = np.zeros(bins, np.int64)
    for length in lengths:
        counts[bins - 1 - np.int64(length / step)] += 1
    starts = np.cumsum(counts) - counts
    order = np.empty(len(lengths), np.int32)
    for v in range(len(lengths)):
        k = bins - 1 - np.int64(lengths[v] / step)
        order[starts[k]] = v
        starts[k] += 1
    return order


@numba.njit(cache=True, nogil=True)
def _distance(a: int, b: int, points: NDArray[np.int32], size: NDArray[np.float64]) -> float:
    z = (points[a, 0] - points[b, 0]) * size[0]
    y = (points[a, 1] - points[b, 1]) * size[1]
    x = (points[a, 2] - points[b, 2]) * size[2]
    return np.sqrt(z * z + y * y + x * x)


@numba.njit(cache=True, nogil=True)
def _cover(
    path: NDArray[np.int32],
    index: NDArray[np.int32],
    places: NDArray[np.int64],
    points: NDArray[np.int32],
    depth: NDArray[np.float32],
    size: NDArray[np.float64],
    steps: NDArray[np.int64],
    scale: float,
    const_nm: float,
    budget: NDArray[np.float32],
    origin: NDArray[np.int32],
) -> None:
    """Cover the surroundings of a path.

    Each voxel keeps the voxel of the tree of which the largest part of its radius is left here, and this rest.
    Voxels pass it on in the order of their budgets, in steps of a voxel, so that each is visited about once.
    """
    flat = index.ravel()
    step = size.min()
    widest = np.float32(scale * depth[path].max() + const_nm)
    heads = np.full(np.int64(widest / step) + 1, NONE, np.int64)
    voxels = np.empty(max(len(path), 1024), np.int32)
    nexts = np.empty(len(voxels), np.int64)
    filled = 0
    for v in path:
        radius = np.float32(scale * depth[v] + const_nm)
        if radius > budget[v]:
            budget[v], origin[v] = radius, v
            highest = np.int64(radius / step)
            voxels[filled], nexts[filled] = v, heads[highest]
            heads[highest] = filled
            filled += 1
    for level in range(len(heads) - 1, 0, -1):
        while heads[level] != NONE:
            entry = heads[level]
            heads[level] = nexts[entry]
            v = voxels[entry]
            if np.int64(budget[v] / step) != level:
                continue
            source = origin[v]
            radius = scale * depth[source] + const_nm
            for k in range(26):
                u = flat[places[v] + steps[k]]
                if u == NONE or budget[u] >= budget[v] or origin[u] == source:
                    continue
                rest = np.float32(min(radius - _distance(u, source, points, size), budget[v]))
                lower = np.int64(rest / step)
                if rest <= 0 or (budget[u] > 0 and lower <= np.int64(budget[u] / step)):
                    continue
                budget[u], origin[u] = rest, source
                if filled == len(voxels):
                    voxels = np.concatenate((voxels, np.empty(filled, np.int32)))
                    nexts = np.concatenate((nexts, np.empty(filled, np.int64)))
                voxels[filled], nexts[filled] = u, heads[lower]
                heads[lower] = filled
                filled += 1


@numba.njit(cache=True, nogil=True)
def _centre_tip(
    tip: int,
    index: NDArray[np.int32],
    places: NDArray[np.int64],
    points: NDArray[np.int32],
    depth: NDArray[np.float32],
    parents: NDArray[np.int32],
    lengths: NDArray[np.float32],
    size: NDArray[np.float64],
    steps: NDArray[np.int64],
    on_tree: NDArray[np.bool_],
    stamp: NDArray[np.int32],
    queue: NDArray[np.int32],
) -> int:
    """Return the voxel in the middle of the end of a neurite whose farthest voxel is `tip`.

    The farthest voxel of a blunt end is on its rim. The voxels that are nearly as far are the end; from their centroid,
    the axis of the neurite leads to the surface. What leaves a traced neurite at its side is no end of it, and stays.
    """
    flat = index.ravel()
    ridge = tip
    while parents[ridge] != NONE and depth[parents[ridge]] > depth[ridge]:
        ridge = parents[ridge]
    if on_tree[ridge]:
        return tip
    nearest = lengths[tip] - 0.5 * depth[ridge]
    reach = 2 * depth[ridge]
    queue[0] = tip
    stamp[tip] = tip
    head, tail = 0, 1
    centre = np.zeros(3)
    while head < tail:
        v = queue[head]
        head += 1
        for axis in range(3):
            centre[axis] += points[v, axis]
        for k in range(26):
            u = flat[places[v] + steps[k]]
            if u != NONE and stamp[u] != tip and lengths[u] >= nearest and _distance(u, tip, points, size) <= reach:
                stamp[u] = tip
                queue[tail] = u
                tail += 1
    centre /= tail
    axis_nm = np.empty(3)
    for axis in range(3):
        axis_nm[axis] = (centre[axis] - points[ridge, axis]) * size[axis]
    norm = np.sqrt((axis_nm**2).sum())
    if norm < size.min():
        return tip
    pace = axis_nm / norm / size * (0.25 * size.min())
    end = NONE
    while True:
        place = np.int64(0)
        for axis in range(3):
            place = place * index.shape[axis] + np.int64(np.floor(centre[axis] + 0.5))
        if flat[place] == NONE or _distance(flat[place], tip, points, size) > reach:
            break
        end = flat[place]
        centre += pace
    return tip if end == NONE else end
