from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.metrics.vessels import LineCounts, count_lines, fold_line_counts, score_vessels


def tube(width, shape=(12, 12, 30), first=(2, 2)):
    """A straight tube along x, and a line in its middle."""
    mask = np.zeros(shape, bool)
    z, y = first
    mask[z : z + width, y : y + width] = True
    line = np.stack([np.full(30, z + width // 2), np.full(30, y + width // 2), np.arange(30)], axis=1)
    return mask, line


def counts(truth, result):
    return count_lines(truth=truth[0], result=result[0], truth_line=truth[1], result_line=result[1])


@pytest.mark.parametrize("width", range(1, 9))
def test_a_tube_against_itself_scores_1(width):
    score = score_vessels(counts(tube(width), tube(width)))
    assert (score.cl_dice, score.topology_precision, score.topology_sensitivity) == (1, 1, 1)
    assert score.length_error is None


def test_a_thinner_or_wider_tube_has_the_same_line():
    assert score_vessels(counts(tube(5), tube(1, first=(4, 4)))).cl_dice == 1


def test_a_missing_part_costs_sensitivity_and_a_false_one_precision():
    mask, line = tube(3)
    half = mask.copy()
    half[:, :, 15:] = False
    score = score_vessels(counts((mask, line), (half, line[:15])))
    assert (score.topology_precision, score.topology_sensitivity) == (1, 0.5)
    swapped = score_vessels(counts((half, line[:15]), (mask, line)))
    assert (swapped.topology_precision, swapped.topology_sensitivity) == (0.5, 1)
    assert score.cl_dice == swapped.cl_dice == pytest.approx(2 / 3)


def test_two_empty_masks_score_1_and_one_or_two_apart_score_0():
    nothing = (np.zeros((12, 12, 30), bool), np.empty((0, 3), int))
    assert score_vessels(counts(nothing, nothing)).cl_dice == 1
    assert score_vessels(counts(nothing, tube(2))).cl_dice == 0
    assert score_vessels(counts(tube(2), nothing)).cl_dice == 0
    assert score_vessels(counts(tube(2), tube(2, first=(8, 8)))).cl_dice == 0


def test_a_mask_whose_line_was_thinned_away_is_refused():
    with pytest.raises(InvalidInput, match="the result has 120 voxels of vessels but no centre line"):
        score_vessels(counts(tube(2), (tube(2)[0], np.empty((0, 3), int))))


def test_counts_of_blocks_add_up():
    mask, line = tube(3)
    other = (np.roll(mask, 1, axis=1), line)
    parts = []
    for part in (slice(0, 7), slice(7, 30)):
        inside = (line[:, 2] >= part.start) & (line[:, 2] < part.stop)
        local = line[inside] - [0, 0, part.start]
        parts.append(counts((mask[:, :, part], local), (other[0][:, :, part], local)))
    assert reduce(fold_line_counts, parts) == counts((mask, line), other)


def test_lengths_are_compared():
    score = score_vessels(LineCounts(1, 1, 1, 1, 1, 1), truth_length_nm=4e6, result_length_nm=3e6)
    assert (score.truth_length_mm, score.result_length_mm, score.length_error) == (4, 3, -0.25)
    assert score_vessels(LineCounts(0, 1, 0, 0, 1, 0), truth_length_nm=0, result_length_nm=3e6).length_error is None


def test_wrong_input_is_refused():
    mask, line = tube(2)
    for truth, message in (
        ((mask.astype(float), line), "Expected masks"),
        ((mask[1:], line), "same shape"),
        ((mask, line + np.array([3, 0, 0])), "30 voxels of the centre lines of the truth are not in its mask"),
    ):
        with pytest.raises(InvalidInput, match=message):
            counts(truth, (mask, line))
