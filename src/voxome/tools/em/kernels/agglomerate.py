"""Agglomeration of the region adjacency graph."""

from __future__ import annotations

from typing import Any, Literal

import mwatershed
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.tools.em.kernels.edges import BINS, Edges
from voxome.tools.em.kernels.greedy import merge

_CHUNK_ROWS = 1 << 18
"""Number of edges processed at a time, to save memory."""
Method = Literal["mean", "waterz", "mutex"]


def agglomerate(
    nodes: NDArray[np.uint64],
    edges: Edges,
    threshold: float = 0.42,
    method: Method = "waterz",
    quantile: float = 0.7,
) -> NDArray[np.uint64]:
    """Agglomerate fragments.

    Parameters
    ----------
    nodes : (n,) uint64
        Fragments, sorted and distinct.
    edges : Edges
        Edges between them: sums, or for ``waterz`` histograms, possibly after the sums. int32 histograms without sums
        are overwritten.
    threshold : float
        Affinity from which two regions are merged, from 0 to 1.
    method : {"mean", "waterz", "mutex"}
        ``mean`` and ``waterz`` merge greedily by the mean, or a quantile, of the affinities between two regions, adding
        up edges as regions grow; ties are broken by the smallest edge (the two agglomerations of Funke et al. 2019,
        IEEE TPAMI 41:1669). ``mutex`` is the mutex watershed of Wolf et al. 2018 (ECCV) on the same graph: edges with
        a mean above `threshold` are attractive, those below are repulsive, in order of distance to it.
    quantile : float
        Quantile for ``waterz``.

    Returns
    -------
    (n,) uint64
        Smallest node in the group of each node.

    Raises
    ------
    InvalidInput
        If an edge has an unknown node, threshold or quantile are out of range, or a histogram is needed but missing.
    """
    for name, value in (("threshold", threshold), ("quantile", quantile)):
        if not 0 <= value <= 1:
            raise InvalidInput(f"{name} is {value}; it must be between 0 and 1")
    columns = BINS if method == "waterz" else 2
    if edges.values.shape[1] not in (columns, 2 + BINS):
        needed = "histograms; compute them with histogram=True" if method == "waterz" else "sums"
        raise InvalidInput(f"Agglomeration by {method} needs edges with {needed}")
    ends = _positions(nodes, edges.ids)
    group: NDArray[Any]
    if method == "mutex":
        group = _mutex(ends, edges.values, len(nodes), threshold)
    elif method == "waterz":
        histograms = edges.values[:, -BINS:].astype(np.int32, copy=False)
        group = merge(ends, histograms, len(nodes), threshold * 255, quantile)
    else:
        group = merge(ends, edges.values[:, :2].copy(), len(nodes), threshold * 255, -1.0)
    objects: NDArray[np.uint64] = nodes[group]
    return objects


def _positions(nodes: NDArray[np.uint64], ids: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return the positions of ids among the nodes."""
    positions = np.empty(ids.shape, np.int32)
    unknown: int = 0
    for start in range(0, len(ids), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        positions[part] = np.searchsorted(nodes, ids[part])
        known = nodes.take(positions[part], mode="clip") == ids[part] if len(nodes) else np.False_
        unknown += ids[part].size - int(np.count_nonzero(known))
    if unknown:
        raise InvalidInput(f"{unknown} nodes of edges are unknown; fold the rows of all blocks first")
    return positions


def _mutex(ends: NDArray[np.int32], values: NDArray[np.int64], count: int, threshold: float) -> NDArray[np.intp]:
    """Return the smallest node in the group of each node."""
    weight = values[:, 0] / values[:, 1] - threshold * 255
    order = np.lexsort((ends[:, 1], ends[:, 0], -np.abs(weight)))
    rows = zip((weight[order] >= 0).tolist(), *ends[order].T.tolist(), strict=True)
    group = np.arange(count)
    if len(order):
        member, cluster = np.array(mwatershed.cluster(list(rows))).T
        small = np.full(cluster.max() + 1, count)
        np.minimum.at(small, cluster, member)
        group[member] = small[cluster]
    return group
