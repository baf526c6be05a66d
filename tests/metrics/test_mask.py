from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.errors import InvalidInput
from voxome.metrics.mask import MaskCounts, count_mask, fold_mask_counts, score_mask

MASKS = npst.arrays(bool, (3, 2, 3, 4))


@given(MASKS, st.integers(0, 3), st.sampled_from([0.5, 1, 2]))
def test_scores_match_their_definitions_and_fold_over_blocks(masks, cut, beta):
    truth, result, known = masks
    whole = count_mask(truth, result, known)
    parts = [count_mask(*masks[:, :, :cut]), count_mask(*masks[:, :, cut:])]
    assert reduce(fold_mask_counts, parts) == whole
    assert sum(whole) == known.sum()
    t, r = set(np.flatnonzero(truth & known)), set(np.flatnonzero(result & known))
    score = score_mask(whole, beta=beta)
    if t or r:
        assert score.iou == pytest.approx(len(t & r) / len(t | r))
        assert score.dice == pytest.approx(2 * len(t & r) / (len(t) + len(r)))
    if t and r:
        p, recall = score.precision, score.recall
        assert (p, recall) == pytest.approx((len(t & r) / len(r), len(t & r) / len(t)))
        f = (1 + beta**2) * p * recall / (beta**2 * p + recall) if t & r else 0
        assert score.f_beta == pytest.approx(f)


@pytest.mark.parametrize("voxels", [1, 3])
def test_a_mask_against_itself_scores_1(voxels):
    mask = np.zeros((3, 3, 3), bool)
    mask.flat[:voxels] = True
    score = score_mask(count_mask(mask, mask))
    assert {score.dice, score.iou, score.precision, score.recall, score.f_beta} == {1}
    assert score.true_negatives == 27 - voxels


def test_two_empty_masks_score_1_and_one_scores_0():
    for counts, value in ((MaskCounts(0, 0, 0, 9), 1), (MaskCounts(0, 4, 0, 5), 0), (MaskCounts(0, 0, 4, 5), 0)):
        score = score_mask(counts)
        assert {score.dice, score.iou, score.precision, score.recall, score.f_beta} == {value}


def test_beta_above_1_prefers_recall_and_swapped_masks_swap_it():
    counts, swapped = MaskCounts(6, 3, 0, 0), MaskCounts(6, 0, 3, 0)
    assert score_mask(counts, beta=2).f_beta > score_mask(counts).f_beta > score_mask(counts, beta=0.5).f_beta
    assert score_mask(counts, beta=2).f_beta == pytest.approx(score_mask(swapped, beta=0.5).f_beta)
    assert score_mask(counts).precision == score_mask(swapped).recall


def test_wrong_arguments_are_refused():
    with pytest.raises(InvalidInput, match=r"\(2,\).*\(3,\)"):
        count_mask(np.zeros(2, bool), np.zeros(3, bool))
    with pytest.raises(InvalidInput, match="bool"):
        count_mask(np.zeros(2, bool), np.zeros(2))
    for beta in (0, -1, np.nan, np.inf):
        with pytest.raises(InvalidInput, match="beta"):
            score_mask(MaskCounts(1, 0, 0, 0), beta=beta)
