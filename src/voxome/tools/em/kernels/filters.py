"""Cleaning of an agglomeration: absorb small objects and fill holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.tools.em.kernels.edges import Edges, Nodes, fold_edges, fold_nodes

_CHUNK_ROWS = 1 << 18
"""Number of edges folded at a time, to save memory."""


def contract(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64]) -> tuple[Nodes, Edges]:
    """Contract the graph of fragments to that of objects, adding up nodes and edges.

    Parameters
    ----------
    nodes : Nodes
        Fragments.
    edges : Edges
        Edges between them.
    objects : (n,) uint64
        Smallest fragment in the object of each fragment.

    Returns
    -------
    Nodes, Edges
        Graph of the objects.
    """
    folded = fold_edges([])
    for start in range(0, len(edges.ids), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        ends = np.sort(objects[np.searchsorted(nodes.ids, edges.ids[part])], axis=1)
        apart = ends[:, 0] != ends[:, 1]
        between = fold_edges([Edges(ends[apart], edges.values[part][apart])])
        folded = fold_edges([folded, between]) if start else between
    return fold_nodes([Nodes(objects, nodes.values)]), folded


def absorb_small(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64], min_voxels: int) -> NDArray[np.uint64]:
    """Merge small objects into the neighbour with the highest affinity.

    Parameters
    ----------
    nodes : Nodes
        Fragments.
    edges : Edges
        Edges between them.
    objects : (n,) uint64
        Smallest fragment in the object of each fragment.
    min_voxels : int
        Minimum size; smaller objects are merged, except those without neighbours.

    Returns
    -------
    (n,) uint64
        Like `objects`. In each round, all small objects are merged into the neighbour with the highest mean affinity;
        ties are broken by the smallest id.
    """
    while True:
        sizes, contacts = contract(nodes, edges, objects)
        small = sizes.ids[sizes.values[:, 0] < min_voxels]
        source, target, mean = _both_ways(contacts)
        chosen = np.isin(source, small)
        source, target, mean = source[chosen], target[chosen], mean[chosen]
        if not len(source):
            return objects
        order = np.lexsort((target, -mean, source))
        source, target = source[order], target[order]
        best = np.concatenate([[True], source[1:] != source[:-1]])
        objects = join(objects, source[best], target[best])


def fill_holes(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Merge objects with a single neighbour, and no voxel at the border of the box, into that neighbour.

    Parameters
    ----------
    nodes, edges, objects
        See `absorb_small`.

    Returns
    -------
    (n,) uint64
        Like `objects`.
    """
    sizes, contacts = contract(nodes, edges, objects)
    source, target, _ = _both_ways(contacts)
    ids, first, neighbours = np.unique(source, return_index=True, return_counts=True)
    rim = sizes.values[np.searchsorted(sizes.ids, ids), 4]
    hole = (neighbours == 1) & (rim == 0)
    return join(objects, ids[hole], target[first[hole]])


def join(objects: NDArray[np.uint64], a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Merge pairs of objects; merged objects get their smallest id.

    Parameters
    ----------
    objects : (n,) uint64
        Object of each fragment.
    a, b : (m,) uint64
        Objects to merge.

    Returns
    -------
    (n,) uint64
        Object of each fragment after merging.
    """
    ids, position = np.unique(objects, return_inverse=True)
    graph = coo_array(
        (np.ones(len(a), np.bool_), (np.searchsorted(ids, a), np.searchsorted(ids, b))), (len(ids), len(ids))
    )
    _, group = connected_components(graph, directed=False)
    smallest = np.full(len(ids), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, group, ids)
    joined: NDArray[np.uint64] = smallest[group][position]
    return joined


def _both_ways(edges: Edges) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float64]]:
    """Return every edge in both directions, with its mean affinity."""
    mean = edges.values[:, 0] / edges.values[:, 1]
    source, target = np.concatenate([edges.ids, edges.ids[:, ::-1]]).T
    return source, target, np.concatenate([mean, mean])
