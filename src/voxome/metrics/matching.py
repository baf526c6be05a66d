"""Optimal one-to-one matching in a sparse bipartite graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


def assign(
    left: NDArray[np.int64], right: NDArray[np.int64], cost: NDArray[Any], unmatched_cost: float
) -> NDArray[np.int64]:
    """Match left to right nodes at the minimum total cost.

    Every unmatched left node costs `unmatched_cost`; unmatched right nodes cost nothing. The sparse shortest augmenting
    path algorithm (Jonker & Volgenant 1987, Computing 38:325) of scipy runs on the graph in which every left node has
    an additional neighbour at that cost.

    Parameters
    ----------
    left, right : (n,) int64
        Nodes of each edge, numbered from 0; edges are distinct.
    cost : (n,) float or int
        Cost of each edge, greater than 0; edges of at least `unmatched_cost` are not used.
    unmatched_cost : float
        Cost of an unmatched left node, greater than 0.

    Returns
    -------
    (m,) int64
        Indices of the matched edges, sorted by left node.
    """
    cost = np.asarray(cost, np.float64)
    isolated = _only_edge(left) & _only_edge(right) & (cost < unmatched_cost)
    rest = np.flatnonzero(~isolated)
    matched = rest[_assign(left[rest], right[rest], cost[rest], unmatched_cost)]
    chosen = np.concatenate([np.flatnonzero(isolated), matched])
    return chosen[np.argsort(left[chosen], kind="stable")]


def _only_edge(nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
    _, position, count = np.unique(nodes, return_inverse=True, return_counts=True)
    single: NDArray[np.bool_] = count[position] == 1
    return single


def _assign(
    left: NDArray[np.int64], right: NDArray[np.int64], cost: NDArray[np.float64], unmatched_cost: float
) -> NDArray[np.int64]:
    if len(left) == 0:
        return np.empty(0, np.int64)
    lefts, row = np.unique(left, return_inverse=True)
    rights, column = np.unique(right, return_inverse=True)
    dummy = np.arange(len(lefts))
    weights = coo_array(
        (
            np.concatenate([cost, np.full(len(lefts), float(unmatched_cost))]),
            (np.concatenate([row, dummy]), np.concatenate([column, len(rights) + dummy])),
        ),
        shape=(len(lefts), len(rights) + len(lefts)),
    )
    matched = np.full(len(lefts), -1)
    rows, columns = min_weight_full_bipartite_matching(weights.tocsr())
    matched[rows] = columns
    return np.flatnonzero(matched[row] == column)
