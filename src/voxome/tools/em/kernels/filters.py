"""Clean an agglomeration: edits of its table that absorb small objects and fill holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.tools.em.kernels.edges import Edges, Nodes, fold_edges, fold_nodes

_AT_ONCE = 1 << 18


def contract(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64]) -> tuple[Nodes, Edges]:
    """The graph of objects: their sums, and the sums of the edges between them.

    Parameters
    ----------
    nodes : Nodes
        Fragments.
    edges : Edges
        Edges between them.
    objects : (n,) uint64
        For each fragment the smallest fragment of its object.

    Returns
    -------
    Nodes, Edges
        With objects for fragments. Some edges are folded at a time, so that little memory is needed beside them.
    """
    folded = fold_edges([])
    for start in range(0, len(edges.ids), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        ends = np.sort(objects[np.searchsorted(nodes.ids, edges.ids[part])], axis=1)
        apart = ends[:, 0] != ends[:, 1]
        between = fold_edges([Edges(ends[apart], edges.values[part][apart])])
        folded = fold_edges([folded, between]) if start else between
    return fold_nodes([Nodes(objects, nodes.values)]), folded


def absorb_small(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64], min_voxels: int) -> NDArray[np.uint64]:
    """Merge every object of fewer than `min_voxels` voxels into the neighbour it holds to best.

    Parameters
    ----------
    nodes : Nodes
        Fragments.
    edges : Edges
        Edges between them.
    objects : (n,) uint64
        For each fragment the smallest fragment of its object.
    min_voxels : int
        Smaller objects are absorbed; those without a neighbour stay.

    Returns
    -------
    (n,) uint64
        As `objects`. Works in rounds: all small objects choose at once, the neighbour of the highest mean
        affinity, of equals the smallest.
    """
    while True:
        sizes, contacts = contract(nodes, edges, objects)
        small = sizes.ids[sizes.values[:, 0] < min_voxels]
        own, other, mean = _both_ways(contacts)
        chosen = np.isin(own, small)
        own, other, mean = own[chosen], other[chosen], mean[chosen]
        if not len(own):
            return objects
        order = np.lexsort((other, -mean, own))
        own, other = own[order], other[order]
        best = np.concatenate([[True], own[1:] != own[:-1]])
        objects = join(objects, own[best], other[best])


def fill_holes(nodes: Nodes, edges: Edges, objects: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Merge every object with a single neighbour and no voxel at the rim of the volume into that neighbour.

    Parameters
    ----------
    nodes, edges, objects
        As for `absorb_small`.

    Returns
    -------
    (n,) uint64
        As `objects`.
    """
    sizes, contacts = contract(nodes, edges, objects)
    own, other, _ = _both_ways(contacts)
    ids, first, neighbours = np.unique(own, return_index=True, return_counts=True)
    rim = sizes.values[np.searchsorted(sizes.ids, ids), 4]
    hole = (neighbours == 1) & (rim == 0)
    return join(objects, ids[hole], other[first[hole]])


def join(objects: NDArray[np.uint64], a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Merge pairs of objects; each object keeps the smallest id of all it is merged with.

    Parameters
    ----------
    objects : (n,) uint64
        Objects of fragments.
    a, b : (m,) uint64
        Objects to merge.

    Returns
    -------
    (n,) uint64
        Objects after the merges.
    """
    ids, place = np.unique(objects, return_inverse=True)
    graph = coo_array(
        (np.ones(len(a), np.bool_), (np.searchsorted(ids, a), np.searchsorted(ids, b))), (len(ids), len(ids))
    )
    _, group = connected_components(graph, directed=False)
    smallest = np.full(len(ids), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, group, ids)
    joined: NDArray[np.uint64] = smallest[group][place]
    return joined


def _both_ways(edges: Edges) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float64]]:
    """Every edge seen from either end, with its mean affinity."""
    mean = edges.values[:, 0] / edges.values[:, 1]
    own, other = np.concatenate([edges.ids, edges.ids[:, ::-1]]).T
    return own, other, np.concatenate([mean, mean])
