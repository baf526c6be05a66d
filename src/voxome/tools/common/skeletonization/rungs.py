"""Links between paths that run side by side in neighbouring blocks.

Where a neurite lies on the plane between blocks, each block has a path through its part of the neurite, and the paths
meet at one point only: without other links, the way from one to the other may be as long as the neurite. So each node
is linked to a node of every piece beside it, if the balls around both, which the object contains, meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from voxome.tools.common.skeletonization.ends import Path
from voxome.tools.common.skeletonization.join import NodeGraph

FILLED = -2
"""Instead of a row: a node along a link."""
_GAP = 0.5
"""Voxels by which balls may fail to meet: their radii end at the nearest face, and no layer of voxels is as thin."""


def add_rungs(graph: NodeGraph, pieces: Sequence[NDArray[np.int64]], size_nm: Sequence[float]) -> NodeGraph:
    """Return a graph with links between the nodes of pieces that are beside each other.

    Parameters
    ----------
    graph : NodeGraph
        Nodes of an object.
    pieces : sequence of (n,) int64
        Nodes of each piece.
    size_nm : (z, y, x)
        Voxel size.
    """
    places, depth = (graph.points + 0.5) * np.asarray(size_nm), graph.depth_nm
    found = [graph.edges]
    for nodes, others in _pairs(places, depth, [piece for piece in pieces if len(piece)], _GAP * min(size_nm)):
        rungs = np.stack([nodes, others[_deepest_balls(places, depth, nodes, others)]], axis=1)
        length = np.linalg.norm(places[rungs[:, 0]] - places[rungs[:, 1]], axis=1)
        meet = length < depth[rungs].sum(axis=1) + _GAP * min(size_nm)
        found.append(np.sort(rungs[meet & (length > 0)], axis=1))
    return replace(graph, edges=np.unique(np.concatenate(found), axis=0))


def _pairs(
    places: NDArray[np.float64], depth: NDArray[np.float64], pieces: Sequence[NDArray[np.int64]], gap: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the nodes of a piece, and of another one, whose balls may meet."""
    balls = [(places[piece] - depth[piece, None] - gap, places[piece] + depth[piece, None]) for piece in pieces]
    low = np.array([start.min(axis=0) for start, _ in balls])
    high = np.array([stop.max(axis=0) for _, stop in balls])
    for one in range(len(pieces)):
        beside = np.flatnonzero(((low < high[one]) & (high > low[one])).all(axis=1))
        for other in beside[beside != one].tolist():
            chosen = [
                pieces[a][((balls[a][0] < high[b]) & (balls[a][1] > low[b])).all(axis=1)]
                for a, b in ((one, other), (other, one))
            ]
            if all(map(len, chosen)):
                yield chosen[0], chosen[1]


def _deepest_balls(
    places: NDArray[np.float64], depth: NDArray[np.float64], nodes: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each node the number of the other one with the least ``distance² - depth²``: its power distance."""
    lifted = np.sqrt(depth[others].max() ** 2 - depth[others] ** 2)
    tree = cKDTree(np.column_stack([places[others], lifted]))
    found: NDArray[np.int64] = tree.query(np.column_stack([places[nodes], np.zeros(len(nodes))]))[1]
    return found


def fill_links(path: Path, size_nm: Sequence[float], soma: int | None) -> Path:
    """Return trees with a node in each voxel along a link, but for those that lead straight to the soma.

    Parameters
    ----------
    path : Path
        Trees.
    size_nm : (z, y, x)
        Voxel size.
    soma : int, optional
        Row of the node in the middle of the soma.
    """
    size, above = np.asarray(size_nm, np.float64), np.maximum(path.parents, 0)
    step = np.where(path.parents[:, None] < 0, 0.0, path.places - path.places[above])
    count = np.maximum(np.rint(np.abs(step / size).max(axis=1)).astype(np.int64), 1)
    count[(path.rows == soma) | (path.rows[above] == soma)] = 1
    last = np.cumsum(count) - 1
    node = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(node)) - (last - count)[node]
    between = number < count[node]
    part = (number / count[node])[:, None]
    places = path.places[above[node]] + part * step[node]
    places = np.where(between[:, None], (np.floor(places / size) + 0.5) * size, path.places[node])
    inside = np.maximum(
        path.depth_nm[node] - np.linalg.norm(places - path.places[node], axis=1),
        path.depth_nm[above[node]] - np.linalg.norm(places - path.places[above[node]], axis=1),
    )
    return Path(
        np.where(between, FILLED, path.rows[node]),
        places,
        np.where(between, np.maximum(inside, 0.5 * size.min()), path.depth_nm[node]),
        np.where(number == 1, np.where(path.parents < 0, -1, last[above])[node], np.arange(len(node)) - 1),
    )
