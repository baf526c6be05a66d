from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import io, ndimage

import voxome
from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore, match_points, score_detections

POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=5).map(
    lambda rows: np.array(rows, float).reshape(-1, 3)
)


def best_by_brute_force(truth, result, tolerance):
    """(pairs, total distance) of the best matching, trying all."""
    if len(truth) > len(result):
        truth, result = result, truth
    best = (0, 0.0)
    for order in itertools.permutations(range(len(result)), len(truth)):
        distances = [np.linalg.norm(t - result[i]) for t, i in zip(truth, order, strict=True)]
        taken = [d for d in distances if d <= tolerance]
        best = min(best, (-len(taken), sum(taken)))
    return -best[0], best[1]


@given(POINTS, POINTS, st.sampled_from([0, 1, 2, 3.5]))
def test_the_matching_has_most_pairs_then_the_smallest_distance(truth, result, tolerance):
    i, j = match_points(truth, result, tolerance)
    assert len(set(i.tolist())) == len(i) == len(set(j.tolist()))
    distances = np.linalg.norm(truth[i] - result[j], axis=1)
    assert (distances <= tolerance).all()
    pairs, total = best_by_brute_force(truth, result, tolerance)
    assert len(i) == pairs
    assert distances.sum() == pytest.approx(total)


def test_a_pair_that_greedy_matching_would_lose_is_found():
    truth = np.array([[0, 0, 0], [0, 0, 10]])
    result = np.array([[0, 0, 4], [0, 0, -8]])
    score = score_detections(truth, result, tolerance_nm=8)
    assert score.true_positives == 2


def test_scores_of_a_known_case_are_correct():
    truth = np.array([[0, 0, 0], [0, 0, 100], [0, 0, 200], [0, 0, 300]])
    result = np.array([[0, 0, 5], [0, 0, 6], [0, 0, 101]])
    assert score_detections(truth, result, 10) == DetectionScore(
        precision=2 / 3, recall=0.5, f1=4 / 7, true_positives=2, false_positives=1, false_negatives=2
    )


def test_scores_without_true_or_detected_points_are_0_or_1():
    none, one = np.empty((0, 3)), np.zeros((1, 3))
    assert score_detections(none, none, 1).f1 == 1
    assert score_detections(one, none, 1) == DetectionScore(0, 0, 0, 0, 0, 1)
    assert score_detections(none, one, 1) == DetectionScore(0, 0, 0, 0, 1, 0)


def test_truths_and_detections_in_a_row_all_match():
    truth, result = np.array([[0, 0, 0], [0, 0, 4]]), np.array([[0, 0, 3], [0, 0, 8]])
    for order in ([0, 1], [1, 0]):
        assert score_detections(truth[order], result, 5) == score_detections(truth, result[order], 5)
    assert score_detections(truth, result, 5).true_positives == 2


def test_a_second_detection_of_an_object_is_wrong():
    truth = np.array([[0, 0, 0], [0, 0, 100]])
    score = score_detections(truth, np.array([[0, 0, 1], [0, 0, 2]]), 10)
    assert (score.true_positives, score.false_positives, score.false_negatives) == (1, 1, 1)


@pytest.mark.parametrize("size_nm", [650.0, 100.0, 0.1, 1 / 3, 1170.0, 333.3])
@pytest.mark.parametrize("first", [0, 3, 2479])
def test_ten_voxels_are_within_ten_voxels_for_sizes_of_single_precision(size_nm, first):
    index = np.array([[0, 0, first]])
    for size in (size_nm, np.float32(size_nm), np.float32(size_nm / 1e6) * 1e6):
        truth = index * float(size)
        for result in (
            (index + np.array([0, 0, 10])) * size_nm,
            ((index + np.array([0, 0, 10])) * np.float32(size_nm)).astype(np.float32),
        ):
            assert score_detections(truth, result, 10 * size_nm).true_positives == 1
            assert score_detections(truth, result, 9.98 * size_nm).true_positives == 0


def test_with_the_tolerance_0_only_equal_places_match():
    truth = np.array([[0, 0, 1e6], [5, 5, 5]])
    assert score_detections(truth, truth[::-1], 0).f1 == 1
    assert score_detections(truth, truth + np.array([0, 0, 1e-3]), 0).true_positives == 0


def test_truths_that_are_shifted_by_more_than_the_tolerance_never_match():
    truth = np.arange(30).reshape(10, 3) * 1000.0
    assert score_detections(truth, truth + np.array([0, 0, 65.1]), 65).true_positives == 0


@pytest.mark.slow
def test_detections_of_the_authors_of_x_brain_score_as_they_did(shared: Path):
    voxels = np.asarray(voxome.open(shared / "data/xray/Nmap_V1_A0.nii.gz")) > 0
    labels, count = ndimage.label(voxels)
    truth = np.array(ndimage.center_of_mass(voxels, labels, range(1, count + 1))) * 650
    x, y, z = io.loadmat(shared / "data/xray/authors_detections_V1.mat")["Cout"].astype(float).T
    result = np.stack([z - 396, x - 1350, y - 1850], axis=1) * 650
    assert (len(truth), len(result)) == (321, 302)
    for tolerance, f1 in ((10, 0.793), (15, 0.828), (20, 0.841)):
        assert score_detections(truth, result, tolerance * 650).f1 == pytest.approx(f1, abs=0.01)


@pytest.mark.slow
def test_a_hundred_thousand_points_are_matched():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 40_000, (100_000, 3))
    result = np.concatenate([truth[:80_000] + rng.normal(0, 40, (80_000, 3)), rng.uniform(0, 40_000, (20_000, 3))])
    score = score_detections(truth, result, tolerance_nm=300)
    assert 0.79 < score.recall < 0.83


def test_invalid_input_is_refused():
    with pytest.raises(InvalidInput, match="Expected points"):
        match_points(np.zeros(3), np.zeros((1, 3)), 1)
    with pytest.raises(InvalidInput, match="tolerance_nm"):
        match_points(np.zeros((1, 3)), np.zeros((1, 3)), -1)
