from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.errors import InvalidInput
from voxome.metrics.graph import Edges, match_neurons, score_graph
from voxome.metrics.segmentation import contingency

ROWS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()), max_size=8)
IDS = np.arange(1, 4)


def edges(rows):
    columns = np.array(rows, object).reshape(-1, 3).T
    return Edges(columns[0].astype(np.uint64), columns[1].astype(np.uint64), columns[2].astype(bool))


def test_neurons_match_one_to_one_by_largest_overlap():
    truth = np.repeat([1, 1, 2, 2, 3, 0], [6, 4, 5, 1, 2, 9]).astype(np.uint64)
    result = np.repeat([7, 8, 7, 9, 0, 9], [6, 4, 5, 1, 2, 9]).astype(np.uint64)
    matched = dict(zip(*(ids.tolist() for ids in match_neurons(contingency(truth, result))), strict=True))
    assert matched == {1: 8, 2: 7}


def test_neurons_without_overlap_do_not_match():
    table = contingency(np.array([1, 0], np.uint64), np.array([0, 1], np.uint64))
    assert [len(ids) for ids in match_neurons(table)] == [0, 0]


def score(truth, result, truth_id=IDS, result_id=IDS):
    found = score_graph(edges(truth), edges(result), truth_id, result_id)
    return found.true_positives, found.false_positives, found.false_negatives


@pytest.mark.parametrize(
    ("truth", "result", "expected"),
    [
        ([(1, 2, True)], [(1, 2, True), (1, 2, True)], (1, 0, 0)),
        ([(1, 2, True)], [(2, 1, True)], (0, 1, 1)),
        ([(1, 2, True)], [(2, 1, False)], (1, 0, 0)),
        ([(2, 1, False)], [(1, 2, True)], (1, 0, 0)),
        ([(1, 2, True), (2, 1, True)], [(1, 2, False)], (1, 0, 1)),
        ([(1, 2, True), (2, 1, True)], [(1, 2, False), (1, 2, True)], (2, 0, 0)),
        ([(1, 2, False), (1, 2, True)], [(1, 2, False), (2, 1, True)], (2, 0, 0)),
        ([], [], (0, 0, 0)),
        ([(1, 2, True)], [(1, 4, True)], (0, 1, 1)),
    ],
)
def test_scores_of_known_graphs_are_correct(truth, result, expected):
    assert score(truth, result) == expected


def test_ids_are_translated():
    found = score([(1, 2, True), (3, 1, True)], [(9, 5, True), (5, 7, True)], IDS, np.array([9, 5, 7]))
    assert found == (1, 1, 1)


def test_without_a_matched_neuron_every_edge_is_wrong():
    assert score([(1, 2, True)], [(1, 2, True)], IDS[:0], IDS[:0]) == (0, 1, 1)


@given(ROWS, ROWS)
def test_matches_are_the_largest_matching_by_brute_force(truth, result):
    def canonical(rows):
        return sorted({(a, b, d) if d else (min(a, b), max(a, b), d) for a, b, d in rows})

    def same(a, b):
        return a == b if a[2] and b[2] else set(a[:2]) == set(b[:2])

    def largest(left, right):
        if not left:
            return 0
        skip = largest(left[1:], right)
        fits = [i for i, r in enumerate(right) if same(left[0], r)]
        takes = [1 + largest(left[1:], right[:i] + right[i + 1 :]) for i in fits]
        return max([skip, *takes])

    t, r = canonical(truth), canonical(result)
    found = largest(t, r)
    assert score(truth, result) == (found, len(r) - found, len(t) - found)


def test_a_neuron_matched_twice_is_refused():
    with pytest.raises(InvalidInput, match="twice"):
        score([], [], np.array([1, 1]), np.array([1, 2]))
