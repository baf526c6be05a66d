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
    """Pair left with right nodes at the least total cost.

    Every left node that stays alone costs `unmatched_cost`; a right node may stay alone for nothing. The
    sparse form of the shortest augmenting path algorithm (Jonker & Volgenant 1987, Computing 38:325) is run
    by scipy on the graph in which every left node has a partner of its own at that price.

    Parameters
    ----------
    left, right : (n,) int64
        The nodes that each edge joins, numbered from 0; an edge is listed once.
    cost : (n,) float or int
        Price of each edge, below `unmatched_cost` for edges worth taking; larger than 0.
    unmatched_cost : float
        Price of leaving a left node alone; larger than 0.

    Returns
    -------
    (m,) int64
        Indices of the edges that are taken, sorted by left node.
    """
    cost = np.asarray(cost, np.float64)
    lonely = _only_edge(left) & _only_edge(right) & (cost < unmatched_cost)
    rest = np.flatnonzero(~lonely)
    taken = rest[_assign(left[rest], right[rest], cost[rest], unmatched_cost)]
    chosen = np.concatenate([np.flatnonzero(lonely), taken])
    return chosen[np.argsort(left[chosen], kind="stable")]


def _only_edge(nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
    _, place, count = np.unique(nodes, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = count[place] == 1
    return alone


def _assign(
    left: NDArray[np.int64], right: NDArray[np.int64], cost: NDArray[np.float64], unmatched_cost: float
) -> NDArray[np.int64]:
    if len(left) == 0:
        return np.empty(0, np.int64)
    lefts, row = np.unique(left, return_inverse=True)
    rights, column = np.unique(right, return_inverse=True)
    alone = np.arange(len(lefts))
    weights = coo_array(
        (
            np.concatenate([cost, np.full(len(lefts), float(unmatched_cost))]),
            (np.concatenate([row, alone]), np.concatenate([column, len(rights) + alone])),
        ),
        shape=(len(lefts), len(rights) + len(lefts)),
    )
    taken = np.full(len(lefts), -1)
    rows, columns = min_weight_full_bipartite_matching(weights.tocsr())
    taken[rows] = columns
    return np.flatnonzero(taken[row] == column)
