"""Scores of instances: objects of a segmentation matched with true ones by overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore
from voxome.metrics.matching import assign
from voxome.metrics.segmentation import NOT_LABELLED, Contingency

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Thresholds of COCO and of the Data Science Bowl 2018."""


@dataclass(frozen=True, slots=True)
class InstancesAtThreshold:
    """Scores at one threshold of the IoU."""

    iou: float
    average_precision: float
    """TP / (TP + FP + FN)."""
    precision: float
    recall: float
    f1: float
    true_positives: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True, slots=True)
class InstanceScore:
    """Mean of the average precision over the thresholds, and the scores at each."""

    average_precision: float
    thresholds: tuple[InstancesAtThreshold, ...]


def score_instances(table: Contingency, thresholds: Sequence[float] = IOU_THRESHOLDS) -> InstanceScore:
    """Score objects by the share of them that overlap a true one.

    At each threshold, true and detected objects whose IoU (intersection over union, in voxels) is at least the
    threshold are matched one to one: the most pairs first, then the largest sum of IoUs. The average precision is that
    of the Data Science Bowl 2018, ``TP / (TP + FP + FN)`` (Caicedo et al. 2019, Nature Methods 16:1247), not the area
    under a precision-recall curve. Label 0 is background on both sides; voxels with the true label `NOT_LABELLED` are
    left out. Without any object on either side, all scores are 1.

    Parameters
    ----------
    table : Contingency
        Voxels of each pair of labels, from `voxome.metrics.segmentation.contingency`.
    thresholds : sequence of float
        IoUs in (0, 1]; 1 asks for objects that are equal.

    Raises
    ------
    InvalidInput
        If there are no thresholds, or one is not in (0, 1].
    """
    values = [float(one) for one in thresholds]
    if not values or not all(0 < one <= 1 for one in values):
        raise InvalidInput(f"thresholds are {values}; expected at least one IoU greater than 0 and at most 1")
    known = table.truth != NOT_LABELLED
    truth, result, voxels = table.truth[known], table.result[known], table.voxels[known]
    truths, row, truth_size = _sizes(truth, voxels)
    results, column, result_size = _sizes(result, voxels)
    objects = (truth != 0) & (result != 0)
    row, column, shared = row[objects], column[objects], voxels[objects]
    iou = shared / (truth_size[row] + result_size[column] - shared)
    count_truths, count_results = int((truths != 0).sum()), int((results != 0).sum())
    scores = tuple(_at(one, iou, row, column, count_truths, count_results) for one in values)
    return InstanceScore(float(np.mean([one.average_precision for one in scores])), scores)


def _at(
    threshold: float,
    iou: NDArray[np.float64],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    truths: int,
    results: int,
) -> InstancesAtThreshold:
    enough = iou >= threshold
    matched = len(assign(row[enough], column[enough], 2 - iou[enough], unmatched_cost=2.0 * (truths + 1)))
    counts = DetectionScore.of_counts(matched, results, truths)
    everything = truths + results - matched
    return InstancesAtThreshold(
        iou=threshold,
        average_precision=matched / everything if everything else 1.0,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        true_positives=counts.true_positives,
        false_positives=counts.false_positives,
        false_negatives=counts.false_negatives,
    )


def _sizes(
    label: NDArray[np.uint64], voxels: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[Any], NDArray[np.int64]]:
    """Return the distinct labels, the index of each row's, and their numbers of voxels."""
    labels, index = np.unique(label, return_inverse=True)
    size = np.zeros(len(labels), np.int64)
    np.add.at(size, index, voxels)
    return labels, index.reshape(-1), size
