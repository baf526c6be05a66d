"""Branch points: which can be seen, and their scores."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.metrics.branch_points import score_branch_points, visible_branch_points


def rows(*branches: tuple[int, int, float, float]) -> dict[str, np.ndarray]:
    source, target, length, radius = np.array(branches, float).reshape(-1, 4).T
    ends = {"source": source.astype(np.uint64), "target": target.astype(np.uint64)}
    return {**ends, "length_nm": length, "radius_nm": radius}


def nodes_of(branches: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    ids, degree = np.unique(np.concatenate([branches["source"], branches["target"]]), return_counts=True)
    return {"id": ids[::-1], "degree": degree[::-1]}


def test_a_branch_that_ends_inside_of_another_vessel_is_not_seen() -> None:
    for length, expected in ((2999, False), (3000, True)):
        branches = rows((1, 2, 50e3, 3000), (1, 3, 60e3, 2000), (1, 4, length, 2500))
        nodes = nodes_of(branches)
        assert visible_branch_points(nodes, branches).tolist() == (expected * (nodes["id"] == 1)).astype(bool).tolist()


def test_short_branches_between_branch_points_and_loops_are_seen() -> None:
    branches = rows((1, 2, 9e3, 3000), (1, 3, 9e3, 3000), (1, 4, 100, 3000), (4, 5, 9e3, 3000), (4, 6, 9e3, 3000))
    nodes = nodes_of(branches)
    assert nodes["id"][visible_branch_points(nodes, branches)].tolist() == [4, 1]
    loop = rows((1, 1, 100, 3000), (1, 2, 9e3, 3000))
    assert visible_branch_points(nodes_of(loop), loop).tolist() == [False, True]
    assert visible_branch_points(nodes_of(rows()), rows()).tolist() == []


def test_branches_of_other_nodes_are_refused() -> None:
    branches = rows((1, 2, 9e3, 3000))
    for ids in ([1, 3], []):
        with pytest.raises(InvalidInput, match="not in the table of nodes"):
            visible_branch_points({"id": np.array(ids, np.uint64), "degree": np.ones(len(ids), int)}, branches)


def test_what_is_not_visible_counts_neither_if_it_is_found_nor_if_it_is_missed() -> None:
    truth = np.array([[0.0, 0, 0], [50, 0, 0], [90, 0, 0]])
    visible = np.array([True, False, False])
    score = score_branch_points(truth, visible, np.array([[1.0, 0, 0], [51, 0, 0], [70, 0, 0]]), 5)
    assert (score.true_positives, score.false_positives, score.false_negatives, score.ignored_truths) == (1, 1, 0, 2)
    assert (score.precision, score.recall) == (0.5, 1)


def test_what_is_visible_is_matched_first() -> None:
    truth = np.array([[0.0, 0, 0], [4, 0, 0]])
    score = score_branch_points(truth, np.array([True, False]), np.array([[3.0, 0, 0]]), 5)
    assert (score.f1, score.ignored_truths) == (1, 1)
