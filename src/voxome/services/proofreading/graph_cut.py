"""Minimum cut through the graph of the supervoxels of a segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

_TOTAL = 1 << 30
"""Sum of all capacities: scipy's maximum flow counts in 32 bits."""
_UNCUTTABLE = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges between supervoxels.

    Attributes
    ----------
    ends : (n, 2) array of uint64
        Supervoxels.
    affinities : (n,) array of float64
        How strongly they belong together, above 0.
    """

    ends: NDArray[np.uint64]
    affinities: NDArray[np.float64]

    def among(self, supervoxels: NDArray[np.uint64]) -> Edges:
        """Return the edges between some supervoxels."""
        inside = np.isin(self.ends, supervoxels).all(axis=1)
        return Edges(self.ends[inside], self.affinities[inside])


class CannotCut(Exception):
    """A segment cannot be cut as it should be; the message says why."""


def cut_graph(
    supervoxels: NDArray[np.uint64], edges: Edges, seeds_a: Iterable[int], seeds_b: Iterable[int]
) -> NDArray[np.bool_]:
    """Return which supervoxels a minimum cut puts on side b; those that are joined to neither side stay on side a.

    The seeds of each side stay together if they are: where the smallest cut would part them, edges along the strongest
    paths between them are not cut.

    Parameters
    ----------
    supervoxels : (n,) array of uint64
        Supervoxels of the segment, sorted.
    edges : Edges
        Edges between them.
    seeds_a, seeds_b : iterable of int
        Supervoxels of the sides.

    Returns
    -------
    (n,) array of bool

    Raises
    ------
    CannotCut
        If a supervoxel is on both sides, or every cut parts the seeds of a side.
    """
    side_a, side_b = (np.searchsorted(supervoxels, np.array(sorted(set(s)), np.uint64)) for s in (seeds_a, seeds_b))
    if both := sorted(set(side_a.tolist()) & set(side_b.tolist())):
        raise CannotCut(
            f"supervoxel {int(supervoxels[both[0]])} has points of both sides; divide its voxels, by way='voxels'"
        )
    graph = _graph(len(supervoxels), np.searchsorted(supervoxels, edges.ends), edges.affinities)
    for paths in (False, True):
        is_b = _minimum_cut(graph, side_a, side_b, along_paths=paths)
        parted = [name for name, side in (("a", side_a), ("b", side_b)) if _is_parted(graph, is_b, side)]
        if not parted:
            return is_b
    raise CannotCut(
        f"every cut that was tried parts the points of side {' and '.join(parted)} from each other; give fewer points, "
        "or points that are closer together"
    )


def _graph(count: int, ends: NDArray[np.intp], affinities: NDArray[np.float64]) -> sparse.csr_array:
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    return sparse.coo_array((np.concatenate([affinities] * 2), (rows, columns)), (count, count)).tocsr()


def _minimum_cut(
    graph: sparse.csr_array, side_a: NDArray[np.intp], side_b: NDArray[np.intp], *, along_paths: bool
) -> NDArray[np.bool_]:
    count = graph.shape[0]
    scale = min(1e6 / max(graph.data.max(initial=0), 1e-300), _TOTAL / max(graph.data.sum() / 2, 1e-300))
    edges = graph.tocoo()
    capacities = np.maximum(edges.data * scale, 1).astype(np.int32)
    if along_paths:
        paths = _paths(graph, side_a, side_b) | _paths(graph, side_b, side_a)
        on_path = [(a, b) in paths for a, b in zip(edges.row.tolist(), edges.col.tolist(), strict=True)]
        capacities[np.array(on_path, bool)] = _TOTAL
    rows = np.concatenate([edges.row, np.full(len(side_a), count), side_b])
    columns = np.concatenate([edges.col, side_a, np.full(len(side_b), count + 1)])
    data = np.concatenate([capacities, np.full(len(side_a) + len(side_b), _UNCUTTABLE, np.int32)])
    network = sparse.coo_array((data, (rows, columns)), (count + 2, count + 2)).tocsr()
    network.indices, network.indptr = network.indices.astype(np.int32), network.indptr.astype(np.int32)
    flow = csgraph.maximum_flow(network, count, count + 1).flow
    residual = (network - flow).tocsr()
    residual.data = np.where(residual.data > 0, 1, 0)
    residual.eliminate_zeros()
    reached = csgraph.breadth_first_order(residual.T.tocsr(), count + 1, return_predecessors=False)
    is_b = np.zeros(count + 2, bool)
    is_b[reached] = True
    return is_b[:count]


def _paths(graph: sparse.csr_array, seeds: NDArray[np.intp], avoided: NDArray[np.intp]) -> set[tuple[int, int]]:
    """Return the edges, in both directions, of the strongest paths from the first seed to the others."""
    free = np.ones(graph.shape[0], bool)
    free[avoided] = False
    mask = sparse.diags_array(free.astype(float))
    lengths = (mask @ graph @ mask).tocsr()
    lengths.eliminate_zeros()
    lengths.data = 1 / lengths.data
    _, before = csgraph.dijkstra(lengths, indices=int(seeds[0]), return_predecessors=True)
    edges: set[tuple[int, int]] = set()
    for seed in seeds.tolist():
        at = seed
        while (previous := int(before[at])) >= 0:
            edges |= {(previous, at), (at, previous)}
            at = previous
    return edges


def _is_parted(graph: sparse.csr_array, is_b: NDArray[np.bool_], side: Sequence[int] | NDArray[np.intp]) -> bool:
    """Whether a cut parts seeds of one side that are joined in the graph."""
    edges = graph.tocoo()
    on_one_side = is_b[edges.row] == is_b[edges.col]
    rest = sparse.coo_array((edges.data[on_one_side], (edges.row[on_one_side], edges.col[on_one_side])), graph.shape)
    before, after = (csgraph.connected_components(one, directed=False)[1][side] for one in (graph, rest.tocsr()))
    return len(np.unique(after)) > len(np.unique(before))
