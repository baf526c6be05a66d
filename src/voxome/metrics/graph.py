"""How well a connectivity graph agrees with the true one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore
from voxome.metrics.matching import assign
from voxome.metrics.segmentation import Contingency


class Edges(NamedTuple):
    """Edges of a graph; one row an edge, in any order, repeats allowed."""

    pre_id: NDArray[Any]
    post_id: NDArray[Any]
    directed: NDArray[np.bool_]


def match_neurons(table: Contingency) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Pair true neurons with those of a result, one to one, so that the voxels they share are most.

    A true neuron in pieces keeps only one of them, and a result that merges two neurons stands for only one:
    every split and every merge costs edges. Label 0 is matched on neither side.

    Parameters
    ----------
    table : Contingency
        Voxels of every pair of labels, from `voxome.metrics.segmentation.contingency`.

    Returns
    -------
    pair of (n,) uint64
        True ids, and the result's id of each.
    """
    known = (table.truth != 0) & (table.result != 0)
    truth, result, count = table.truth[known], table.result[known], table.voxels[known]
    _, left = np.unique(truth, return_inverse=True)
    _, right = np.unique(result, return_inverse=True)
    most = float(count.max(initial=0)) + 1
    chosen = assign(left, right, most - count, unmatched_cost=most)
    return truth[chosen], result[chosen]


def score_graph(truth: Edges, result: Edges, truth_id: NDArray[Any], result_id: NDArray[Any]) -> DetectionScore:
    """Precision, recall and F1 of the connected pairs of a graph.

    Each distinct pair counts once, however many synapses make it up. A directed edge equals one of the same
    direction; an undirected one, of either side, equals an edge between the same neurons whatever its
    direction. One edge answers for one edge only. An edge of a neuron without a match is an error.

    Parameters
    ----------
    truth, result : Edges
        The two graphs, each with ids of its own.
    truth_id, result_id : (n,) int
        Neurons that are matched, from `match_neurons`; each id at most once.

    Raises
    ------
    InvalidInput
        If an id is matched twice.
    """
    if len(np.unique(truth_id)) != len(truth_id) or len(np.unique(result_id)) != len(result_id):
        raise InvalidInput("a neuron is matched twice; score_graph needs a one-to-one matching")
    true_pairs, true_kinds = _distinct(truth)
    pairs, kinds = _distinct(result)
    mapped, known = _translate(pairs, np.asarray(result_id), np.asarray(truth_id))
    matched = _count_matches(true_pairs, true_kinds, *_distinct_of(mapped[known], kinds[known]))
    return DetectionScore.of_counts(matched, len(pairs), len(true_pairs))


def _distinct(edges: Edges) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Pairs (n, 2) with the smaller id first, and their kind: 0 forward, 1 backward, 2 undirected."""
    pairs = np.stack([np.asarray(edges.pre_id, np.uint64), np.asarray(edges.post_id, np.uint64)], axis=1)
    return _distinct_of(pairs, np.where(np.asarray(edges.directed, np.bool_), 0, 2))


def _distinct_of(pairs: NDArray[np.uint64], kinds: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    backward = pairs[:, 0] > pairs[:, 1]
    kinds = np.where(backward & (kinds < 2), 1 - kinds, kinds)
    rows = np.unique(np.column_stack([np.sort(pairs, axis=1), kinds.astype(np.uint64)]), axis=0)
    return rows[:, :2], rows[:, 2].astype(np.int64)


def _translate(
    pairs: NDArray[np.uint64], source: NDArray[Any], target: NDArray[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Ids of `source` replaced by those of `target`, and the rows where both ids have one."""
    if len(source) == 0:
        return pairs, np.zeros(len(pairs), np.bool_)
    order = np.argsort(source)
    place = np.minimum(np.searchsorted(source[order], pairs), len(source) - 1)
    known = source[order][place] == pairs
    return target[order][place].astype(np.uint64), known.all(axis=1)


def _count_matches(
    true_pairs: NDArray[np.uint64],
    true_kinds: NDArray[np.int64],
    pairs: NDArray[np.uint64],
    kinds: NDArray[np.int64],
) -> int:
    """Size of the largest matching of edges; both sides list distinct edges."""
    joined, place = np.unique(np.concatenate([true_pairs, pairs]), axis=0, return_inverse=True)
    side = np.repeat([0, 1], [len(true_pairs), len(pairs)])
    there = np.zeros((len(joined), 2, 3), np.int64)
    there[place, side, np.concatenate([true_kinds, kinds])] = 1
    exact = there[:, :, :2].min(axis=1).sum(axis=1)
    rest = there[:, :, :2].sum(axis=2) - exact[:, None]
    loose = there[:, :, 2]
    crossed = np.minimum(loose[:, 0], rest[:, 1]) + np.minimum(loose[:, 1], rest[:, 0])
    return int((exact + np.maximum(crossed, loose.min(axis=1))).sum())
