from __future__ import annotations

from dataclasses import fields

from voxome.metrics.branch_points import BranchPointScore
from voxome.metrics.cells import CellScore
from voxome.metrics.detection import DetectionScore
from voxome.metrics.mask import MaskScore
from voxome.metrics.segmentation import SegmentationScore
from voxome.reports.page import score_card
from voxome.reports.scales import SCALES

SCORES = (BranchPointScore, CellScore, DetectionScore, MaskScore, SegmentationScore)
LENGTHS = {"length_error", "truth_length_mm", "result_length_mm"}


def test_every_score_has_a_unit_and_a_direction() -> None:
    names = {one.name for score in SCORES for one in fields(score)}
    assert names | LENGTHS == set(SCALES)


def test_counts_are_whole_numbers_and_a_group_is_named_once() -> None:
    page = score_card({"vessel_mask": {"dice": 0.5, "true_negatives": 3994849.0}})
    assert page.count("vessel mask") == 1
    assert "3,994,849<" in page
    assert "3994849" not in page
