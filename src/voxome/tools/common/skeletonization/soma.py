"""The middle of a soma, and depths of thick objects, from the surface that all blocks see together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from voxome.tools.common.skeletonization.join import NodeGraph
from voxome.tools.common.skeletonization.parameters import Teasar

_DIRECTIONS = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)], np.float64)
_DIRECTIONS /= np.linalg.norm(_DIRECTIONS, axis=1)[:, None]


def add_soma(
    graph: NodeGraph, surface: NDArray[np.int64], size_nm: Sequence[float], teasar: Teasar
) -> tuple[NodeGraph, int | None]:
    """Correct the depths of a graph, and give it a node in the middle of the soma, if the object has one.

    Parameters
    ----------
    graph : NodeGraph
        Nodes of an object, whose depths are too large where the nearest surface was out of sight.
    surface : (n, 3) int64
        Voxels of its surface where it is thick.
    size_nm : (z, y, x)
        Voxel size.
    teasar : Teasar
        From which radius on a thick place is a soma.

    Returns
    -------
    graph : NodeGraph
        With an additional node, linked to all nodes in the ball around it that the object contains, if there is a soma.
    soma : int or None
        Number of this node.
    """
    if not len(surface):
        return graph, None
    size = np.asarray(size_nm, np.float64)
    near = cKDTree((surface + 0.5) * size)
    place = (graph.points + 0.5) * size
    depth = np.minimum(graph.depth_nm, near.query(place)[0] + 0.5 * size.min())
    deepest = int(np.argmax(depth))
    if depth[deepest] < teasar.soma_radius_nm:
        return NodeGraph(graph.points, depth, graph.edges), None
    middle = np.floor(_climb(place[deepest], near, size) / size).astype(np.int64)
    centre = (middle + 0.5) * size
    radius = float(near.query(centre)[0] + 0.5 * size.min())
    same = np.flatnonzero((graph.points == middle).all(axis=1))
    soma = int(same[0]) if len(same) else len(place)
    points = graph.points if len(same) else np.concatenate([graph.points, middle[None]])
    depth = depth if len(same) else np.append(depth, radius)
    depth[soma] = radius
    inside = np.flatnonzero(np.linalg.norm(place - centre, axis=1) < radius)
    inside = inside[inside != soma]
    links = np.stack([inside, np.full(len(inside), soma)], axis=1)
    return NodeGraph(points, depth, np.unique(np.concatenate([graph.edges, np.sort(links, axis=1)]), axis=0)), soma


def _climb(start: NDArray[np.float64], near: cKDTree, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middle of the largest ball without surface that is reached from `start`, by a pattern search."""
    place, radius = start, float(near.query(start)[0])
    step = 0.5 * radius
    while step > size.min():
        others = place + step * _DIRECTIONS
        radii = near.query(others)[0]
        best = int(np.argmax(radii))
        if radii[best] > radius and np.linalg.norm(others[best] - place) < radius:
            place, radius = others[best], float(radii[best])
        else:
            step *= 0.5
    return place
