"""Which fragments belong together: agglomeration of the region adjacency graph."""

from __future__ import annotations

from typing import Any, Literal

import mwatershed
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.tools.em.kernels.edges import BINS, Edges
from voxome.tools.em.kernels.greedy import merge

_AT_ONCE = 1 << 18
Method = Literal["mean", "waterz", "mutex"]


def agglomerate(
    nodes: NDArray[np.uint64],
    edges: Edges,
    threshold: float = 0.42,
    method: Method = "waterz",
    quantile: float = 0.7,
) -> NDArray[np.uint64]:
    """Group fragments.

    Parameters
    ----------
    nodes : (n,) uint64
        Sorted distinct fragments.
    edges : Edges
        Edges between them: their sums, and for ``waterz`` their histograms, alone or after the sums. Histograms alone,
        as int32, are used up.
    threshold : float
        Affinity (0 to 1) from which two regions belong together.
    method : {"mean", "waterz", "mutex"}
        ``mean`` and ``waterz`` merge greedily by the mean, or a quantile, of the affinities of two regions, adding up
        edges as regions grow; of equals the smallest edge goes first (the two agglomerations of Funke et al. 2019,
        IEEE TPAMI 41:1669). ``mutex`` is the mutex watershed of Wolf et al. 2018 (ECCV) on the same graph: edges of a
        mean above `threshold` attract, those below repel, the farthest from it go first.
    quantile : float
        Which quantile, for ``waterz``.

    Returns
    -------
    (n,) uint64
        For each node the smallest node of its group.

    Raises
    ------
    InvalidInput
        If an edge ends at no node, threshold or quantile are no fractions, or a histogram is wanted that is not there.
    """
    for name, value in (("threshold", threshold), ("quantile", quantile)):
        if not 0 <= value <= 1:
            raise InvalidInput(f"{name} {value} must be between 0 and 1")
    alone = BINS if method == "waterz" else 2
    if edges.values.shape[1] not in (alone, 2 + BINS):
        needed = "histograms: make them with histogram=True" if method == "waterz" else "sums"
        raise InvalidInput(f"agglomeration by {method} needs edges with {needed}")
    ends = _places(nodes, edges.ids)
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


def _places(nodes: NDArray[np.uint64], ids: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Where ids stand among the nodes."""
    places = np.empty(ids.shape, np.int32)
    lost: int = 0
    for start in range(0, len(ids), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        places[part] = np.searchsorted(nodes, ids[part])
        known = nodes.take(places[part], mode="clip") == ids[part] if len(nodes) else np.False_
        lost += ids[part].size - int(np.count_nonzero(known))
    if lost:
        raise InvalidInput(f"{lost} ends of edges are no nodes: fold the rows of all blocks first")
    return places


def _mutex(ends: NDArray[np.int32], values: NDArray[np.int64], count: int, threshold: float) -> NDArray[np.intp]:
    """The smallest node of each node's group."""
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
