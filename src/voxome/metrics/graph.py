"""Graph scores: connectivity graphs against the true one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore
from voxome.metrics.matching import assign
from voxome.metrics.segmentation import Contingency


class Edges(NamedTuple):
    """Edges of a graph, in any order; repeats are allowed."""

    pre_id: NDArray[Any]
    post_id: NDArray[Any]
    directed: NDArray[np.bool_]


def match_neurons(table: Contingency) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Match true neurons to those of a result one to one, maximizing the voxels they share.

    Of a split neuron, only one part is matched, and a result that merges two neurons matches only one of them, so
    splits and merges cost edges. Label 0 is not matched.

    Parameters
    ----------
    table : Contingency
        Contingency table from `voxome.metrics.segmentation.contingency`.

    Returns
    -------
    pair of (n,) uint64
        True ids, and the matched ids of the result.
    """
    known = (table.truth != 0) & (table.result != 0)
    truth, result, count = table.truth[known], table.result[known], table.voxels[known]
    _, left = np.unique(truth, return_inverse=True)
    _, right = np.unique(result, return_inverse=True)
    most = float(count.max(initial=0)) + 1
    chosen = assign(left, right, most - count, unmatched_cost=most)
    return truth[chosen], result[chosen]


def score_graph(truth: Edges, result: Edges, truth_id: NDArray[Any], result_id: NDArray[Any]) -> DetectionScore:
    """Return precision, recall and F1 of the connected pairs of a graph.

    Each distinct pair counts once, regardless of its number of synapses. Directed edges match if they have the same
    direction; an undirected edge, on either side, matches an edge between the same neurons in any direction. Edges are
    matched one to one. An edge of an unmatched neuron counts as an error.

    Parameters
    ----------
    truth, result : Edges
        Edges of the two graphs.
    truth_id, result_id : (n,) int
        Matched neurons, from `match_neurons`; ids are distinct.

    Raises
    ------
    InvalidInput
        If an id is matched twice.
    """
    if len(np.unique(truth_id)) != len(truth_id) or len(np.unique(result_id)) != len(result_id):
        raise InvalidInput("A neuron is matched twice; score_graph needs a one-to-one matching")
    true_pairs, true_directions = _distinct(truth)
    pairs, directions = _distinct(result)
    mapped, known = _translate(pairs, np.asarray(result_id), np.asarray(truth_id))
    matched = _count_matches(true_pairs, true_directions, *_distinct_of(mapped[known], directions[known]))
    return DetectionScore.of_counts(matched, len(pairs), len(true_pairs))


def _distinct(edges: Edges) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return pairs (n, 2), the smaller id first, and their direction: 0 forward, 1 backward, 2 undirected."""
    pairs = np.stack([np.asarray(edges.pre_id, np.uint64), np.asarray(edges.post_id, np.uint64)], axis=1)
    return _distinct_of(pairs, np.where(np.asarray(edges.directed, np.bool_), 0, 2))


def _distinct_of(
    pairs: NDArray[np.uint64], directions: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    backward = pairs[:, 0] > pairs[:, 1]
    directions = np.where(backward & (directions < 2), 1 - directions, directions)
    rows = np.unique(np.column_stack([np.sort(pairs, axis=1), directions.astype(np.uint64)]), axis=0)
    return rows[:, :2], rows[:, 2].astype(np.int64)


def _translate(
    pairs: NDArray[np.uint64], source: NDArray[Any], target: NDArray[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Replace the ids `source` by `target`; return the pairs, and the rows in which both ids were replaced."""
    if len(source) == 0:
        return pairs, np.zeros(len(pairs), np.bool_)
    order = np.argsort(source)
    position = np.minimum(np.searchsorted(source[order], pairs), len(source) - 1)
    known = source[order][position] == pairs
    return target[order][position].astype(np.uint64), known.all(axis=1)


def _count_matches(
    true_pairs: NDArray[np.uint64],
    true_directions: NDArray[np.int64],
    pairs: NDArray[np.uint64],
    directions: NDArray[np.int64],
) -> int:
    """Return the size of the largest matching of two sets of distinct edges."""
    joined, position = np.unique(np.concatenate([true_pairs, pairs]), axis=0, return_inverse=True)
    side = np.repeat([0, 1], [len(true_pairs), len(pairs)])
    present = np.zeros((len(joined), 2, 3), np.int64)
    present[position, side, np.concatenate([true_directions, directions])] = 1
    exact = present[:, :, :2].min(axis=1).sum(axis=1)
    rest = present[:, :, :2].sum(axis=2) - exact[:, None]
    loose = present[:, :, 2]
    crossed = np.minimum(loose[:, 0], rest[:, 1]) + np.minimum(loose[:, 1], rest[:, 0])
    return int((exact + np.maximum(crossed, loose.min(axis=1))).sum())
