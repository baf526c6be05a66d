"""Ends of skeletons: the farthest voxel of a blunt end is on its rim, but the end of the axis is what is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from voxome.tools.common.skeletonization.join import NodeGraph

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
BETWEEN = -1
"""Instead of a row: a node that no path over voxels had."""
_ASIDE = 0.2
"""A path turns to the rim if it ends farther from the axis than this part of the radius."""
_TURN = 1.6
"""Radii from an end within which it turns: it comes from the rim in half a right angle."""
_TOP = 0.95
"""Part of the largest depth near an end from which on a node is on the axis."""
_LOW = 0.9
"""Part of the depth on the axis below which a path has left it."""
_AXIS = (0.4, 1.5)
"""Radii of axis that are needed, and that are regarded."""
_THICK = 1.5
"""Voxels of radius from which on an end has a rim."""
_INSIDE = 0.99
"""Part of what lies in the object for certain that is used, so that no node is on the surface itself."""


class Path(NamedTuple):
    """Nodes of trees, each after its parent.

    Attributes
    ----------
    rows : (n,) int64
        Row of the graph of each, or `BETWEEN`.
    places : (n, 3) float64
        Centres of their voxels, in nm.
    depth_nm : (n,) float64
        Distance from the surface; for those between, a lower bound.
    parents : (n,) int64
        Row of the parent of each, -1 for roots.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float64]
    depth_nm: NDArray[np.float64]
    parents: NDArray[np.int64]


class _Nodes(NamedTuple):
    """All nodes of an object, in nm, and where they are."""

    places: NDArray[np.float64]
    depth_nm: NDArray[np.float64]
    tree: cKDTree

    @classmethod
    def of(cls, graph: NodeGraph, size: NDArray[np.float64]) -> _Nodes:
        places = (graph.points + 0.5) * size
        return cls(places, graph.depth_nm, cKDTree(places))

    def near(self, place: NDArray[np.float64], distance: float) -> NDArray[np.int64]:
        return np.array(self.tree.query_ball_point(place, distance), np.int64)


def straighten_ends(
    path: Path, graph: NodeGraph, size_nm: Sequence[float], fixed: NDArray[np.bool_], box: Bounds | None = None
) -> Path:
    """Return trees whose ends run along the axis to the surface, rather than to the rim.

    Nodes from the axis to the rim are replaced. All new ones are in balls around nodes of the graph that lie in the
    object, and at most a radius farther along the axis than the rim, which may be that far from the tip of a round end
    of which a block has a part only. Ends without an axis stay: those of branches that are shorter than their stem is
    wide, and of objects that are as thick as long.

    Parameters
    ----------
    path : Path
        Trees.
    graph : NodeGraph
        All nodes of the object.
    size_nm : (z, y, x)
        Voxel size.
    fixed : (n,) bool
        Nodes that stay.
    box : pair of (3,) float64, optional
        First and last corner, in nm, of where nodes may be.
    """
    size = np.asarray(size_nm, np.float64)
    neighbours: list[list[int]] = [[] for _ in path.rows]
    for node, parent in enumerate(path.parents.tolist()):
        if parent >= 0:
            neighbours[node].append(parent)
            neighbours[parent].append(node)
    known = _Nodes.of(graph, size)
    found = path
    dropped, used = np.zeros(len(path.rows), np.bool_), np.zeros(len(path.rows), np.bool_)
    for end in [node for node, near in enumerate(neighbours) if len(near) == 1 and not fixed[node]]:
        chain = _chain(end, neighbours, path, size, fixed)
        turn = _turn(chain, path, size)
        if turn is None or used[chain[:turn]].any() or dropped[chain[turn]]:
            continue
        line = _line(chain, turn, path, known, size, box)
        if line is not None:
            dropped[chain[:turn]] = True
            used[chain[: turn + 1]] = True
            found = _extended(found, chain, turn, line, size)
    return _without(found, dropped)


def _chain(
    end: int, neighbours: list[list[int]], path: Path, size: NDArray[np.float64], fixed: NDArray[np.bool_]
) -> list[int]:
    """Return the nodes from an end inwards, up to a branch point, as far as an end and its axis may reach."""
    chain, length, deepest = [end], 0.0, float(path.depth_nm[end])
    while length <= (_TURN + _AXIS[1]) * deepest + 4 * size.max():
        following = [node for node in neighbours[chain[-1]] if node not in chain[-2:]]
        if len(following) != 1 or len(neighbours[following[0]]) > 2 or fixed[following[0]]:
            break
        length += math.dist(path.places[chain[-1]], path.places[following[0]])
        chain.append(following[0])
        deepest = max(deepest, float(path.depth_nm[following[0]]))
    return chain


def _turn(chain: list[int], path: Path, size: NDArray[np.float64]) -> int | None:
    """Return which node of a chain is the last on the axis."""
    depth, places = path.depth_nm[chain], path.places[chain]
    near = np.linalg.norm(places - places[0], axis=1) <= _TURN * np.maximum.accumulate(depth) + 2 * size.max()
    stop = len(near) if near.all() else int(np.argmin(near))
    turn = int(np.argmax(depth[:stop] >= _TOP * depth[:stop].max()))
    return turn or None


def _line(
    chain: list[int],
    turn: int,
    path: Path,
    known: _Nodes,
    size: NDArray[np.float64],
    box: Bounds | None,
) -> NDArray[np.float64] | None:
    """Return the vector from the last node on the axis to the surface; None if the path leads there itself."""
    places, radius = path.places[chain], float(path.depth_nm[chain[turn]])
    along = places[turn:][np.logical_and.accumulate(path.depth_nm[chain[turn:]] >= _LOW * radius)]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(along, axis=0), axis=1))])
    if length[-1] < _AXIS[0] * radius or radius < _THICK * size.max():
        return None
    along, length = along[length <= _AXIS[1] * radius], length[length <= _AXIS[1] * radius]
    axis = (length.mean() - length) @ (along - along.mean(axis=0))
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    step = places[0] - places[turn]
    ahead = float(step @ axis)
    if ahead <= 0 or np.linalg.norm(step - ahead * axis) < max(_ASIDE * radius, float(size.max())):
        return None
    near = known.near(places[turn], 2 * radius + ahead)
    reach = ahead + radius + 0.5 * _INSIDE * float((size / np.maximum(np.abs(axis), 1e-9)).min())
    steps = np.arange(1, int(10 * reach / size.min()) + 1) / 10 * size.min()
    line = places[turn] + steps[:, None] * axis
    balls = (cdist(line, known.places[near]) <= _INSIDE * known.depth_nm[near]).any(axis=1)
    inside = balls if box is None else balls & (line >= box[0]).all(axis=1) & (line < box[1]).all(axis=1)
    last = len(steps) if inside.all() else int(np.argmin(inside))
    return line[last - 1] - places[turn] if last else None


def _extended(path: Path, chain: list[int], turn: int, line: NDArray[np.float64], size: NDArray[np.float64]) -> Path:
    """Return a path with nodes along a line from a node, about a voxel apart."""
    count, first = max(1, round(float(np.linalg.norm(line) / size.min()))), len(path.rows)
    places = path.places[chain[turn]] + (np.arange(1, count + 1) / count)[:, None] * line
    depth = (path.depth_nm[chain] - cdist(places, path.places[chain])).max(axis=1)
    return Path(
        np.concatenate([path.rows, np.full(count, BETWEEN)]),
        np.concatenate([path.places, places]),
        np.concatenate([path.depth_nm, np.maximum(depth, 0.5 * size.min())]),
        np.concatenate([path.parents, [chain[turn]], np.arange(first, first + count - 1)]).astype(np.int64),
    )


def _without(path: Path, dropped: NDArray[np.bool_]) -> Path:
    kept = np.ones(len(path.rows), np.bool_)
    kept[: len(dropped)] = ~dropped
    new = np.append(np.cumsum(kept) - 1, -1)
    above = np.where(np.append(kept, True)[path.parents], new[path.parents], -1)
    return Path(path.rows[kept], path.places[kept], path.depth_nm[kept], above[kept])
