from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.errors import InvalidInput
from voxome.metrics.instances import score_instances
from voxome.metrics.segmentation import contingency


def score(truth, result, *thresholds):
    return score_instances(
        contingency(np.asarray(truth, np.uint64), np.asarray(result, np.uint64)), thresholds or (0.5,)
    )


def counts(truth, result, threshold):
    (one,) = score(truth, result, threshold).thresholds
    return one.true_positives, one.false_positives, one.false_negatives


@pytest.mark.parametrize("objects", [1, 3])
def test_a_segmentation_against_itself_scores_1_at_all_thresholds(objects):
    labels = np.repeat(np.arange(objects + 1), 5)
    found = score_instances(contingency(labels, labels + 7 * (labels > 0)))
    assert found.average_precision == 1
    assert [one.true_positives for one in found.thresholds] == [objects] * 10


def test_without_objects_the_score_is_1_and_with_some_on_one_side_0():
    assert score([0, 0], [0, 0]).average_precision == 1
    assert score([0, 0], [0, 4]).average_precision == 0
    assert score([3, 0], [0, 0]).average_precision == 0


def test_thresholds_are_inclusive_and_1_asks_for_equal_objects():
    truth, result = [1] * 10 + [2] * 4, [5] * 7 + [0] * 3 + [6] * 4
    assert counts(truth, result, 0.7) == (2, 0, 0)
    assert counts(truth, result, 0.71) == (1, 1, 1)
    assert counts(truth, result, 1) == (1, 1, 1)
    assert score(truth, result, 0.7, 1).average_precision == pytest.approx((1 + 1 / 3) / 2)


def test_at_low_thresholds_the_most_pairs_are_matched():
    truth = [1] * 6 + [2] * 4
    result = [7] * 3 + [8] * 3 + [7] * 4
    assert counts(truth, result, 0.2) == (2, 0, 0)  # 1 with 8 (IoU 1/2), 2 with 7 (4/7)
    assert counts([1] * 6, [7] * 3 + [8] * 3, 0.2) == (1, 1, 0)


def test_swapped_arguments_swap_precision_and_recall():
    truth, result = [1, 1, 1, 0, 0], [4, 4, 4, 5, 0]
    (right,), (swapped,) = score(truth, result).thresholds, score(result, truth).thresholds
    assert (right.precision, right.recall) == (0.5, 1) == (swapped.recall, swapped.precision)


def test_voxels_that_are_not_labelled_are_left_out():
    unlabelled = 2**64 - 1
    assert counts([1, 1, unlabelled, unlabelled], [3, 3, 3, 9], 1) == (1, 0, 0)


@given(npst.arrays(np.uint64, (2, 12), elements=st.integers(0, 4)))
def test_pairs_above_one_half_are_all_counted(pair):
    truth, result = pair
    pairs = 0
    for t in set(truth.tolist()) - {0}:
        for r in set(result.tolist()) - {0}:
            pairs += ((truth == t) & (result == r)).sum() > 0.5 * ((truth == t) | (result == r)).sum()
    assert counts(truth, result, 0.51)[0] == pairs


def test_wrong_thresholds_are_refused():
    for thresholds in ([], [0], [1.1], [np.nan]):
        with pytest.raises(InvalidInput, match="thresholds"):
            score_instances(contingency(np.ones(2, np.uint64), np.ones(2, np.uint64)), thresholds)
