"""Joining of the fragments of a mesh at the borders of their nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.remotes.precomputed.edge_pairs import pair_other_edges
from voxome.remotes.precomputed.open_edges import OpenEdges, pair_single_edges

Fragment = tuple[NDArray[Any], NDArray[Any], NDArray[np.uint32]]
"""Position of the node (3,), points in it (n, 3) from 0 to the number of steps, and faces (m, 3)."""


def weld(fragments: Sequence[Fragment], steps: int) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """Join the fragments of a level of detail along the edges that only one face of a fragment has.

    Vertices are joined because their edges are, never because they are at the same place: sheets that only touch stay
    apart, in a fragment and between fragments. Draco stores a vertex several times if the faces around it are not
    connected in the fragment: it is one again if neighbours in other fragments connect them. It also takes sheets
    apart, or connects them otherwise, that touch in a fragment along an edge; their edges are joined so that the
    surface is closed.

    Parameters
    ----------
    fragments : sequence of (position, points, faces)
        At least one.
    steps : int
        Lattice steps along the edge of a node.

    Returns
    -------
    points : (n, 3) array of float64
        In nodes, from the corner of the grid.
    faces : (m, 3) array of uint32
        Rows of three points.
    """
    lattice = np.concatenate([points + steps * position.astype(np.float64) for position, points, _ in fragments])
    counts = [len(points) for _, points, _ in fragments]
    starts = np.cumsum([0, *counts[:-1]])
    faces = np.concatenate([one.astype(np.int64) + start for start, (_, _, one) in zip(starts, fragments, strict=True)])
    edges = OpenEdges.of(lattice, faces, np.repeat(np.arange(len(fragments)), counts))
    pairs, others = pair_single_edges(edges)
    names = _name_joined(len(lattice), pairs)
    if len(others):
        names = _name_joined(len(lattice), np.concatenate([pairs, pair_other_edges(others, names)]))
    kept = names == np.arange(len(names))
    return lattice[kept] / steps, (np.cumsum(kept) - 1).astype(np.uint32)[names[faces]]


def _name_joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first vertex of those with which each is joined, itself among them."""
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    found, labels = connected_components(graph, directed=False)
    first = np.full(found, count)
    np.minimum.at(first, labels, np.arange(count))
    return first[labels]
