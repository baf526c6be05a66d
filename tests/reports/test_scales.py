from __future__ import annotations

from dataclasses import fields

from voxome.metrics.detection import DetectionScore
from voxome.metrics.segmentation import SegmentationScore
from voxome.reports.scales import SCALES


def test_every_score_has_a_unit_and_a_direction() -> None:
    names = {one.name for score in (DetectionScore, SegmentationScore) for one in fields(score)}
    assert names == set(SCALES)
