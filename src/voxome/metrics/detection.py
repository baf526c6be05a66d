"""Detection scores: detected points against true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.errors import InvalidInput
from voxome.metrics.matching import assign

_FLOAT32_ROUNDING = 4 * 2.0**-24
"""Relative error of positions: those of the voxel size and of the position, of two points."""
_MAX_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Precision, recall and F1 of detections, in [0, 1], and the counts behind them."""

    precision: float
    recall: float
    f1: float
    true_positives: int
    false_positives: int
    false_negatives: int

    @classmethod
    def of_counts(cls, matched: int, results: int, truths: int) -> Self:
        """Return the score of `matched` out of `results` detections and `truths` true objects, 1 if both are 0."""
        if results == truths == 0:
            return cls(1.0, 1.0, 1.0, 0, 0, 0)
        return cls(
            precision=matched / results if results else 0.0,
            recall=matched / truths if truths else 0.0,
            f1=2 * matched / (results + truths),
            true_positives=matched,
            false_positives=results - matched,
            false_negatives=truths - matched,
        )


def match_points(
    truth_nm: NDArray[Any], result_nm: NDArray[Any], tolerance_nm: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match true to detected points one to one.

    Of all matchings of points at most `tolerance_nm` apart, the result has the most pairs and, among those, the
    smallest sum of distances. Positions that were rounded to float32, or computed from voxel sizes that were, count as
    what they stand for: the limit has the slack of this rounding, at most a thousandth of the tolerance.

    Parameters
    ----------
    truth_nm, result_nm : (n, 3) and (m, 3) float
        Positions z, y, x in nm.
    tolerance_nm : float
        Maximum distance of a pair, inclusive; not negative. With 0, only equal positions match.

    Returns
    -------
    pair of (k,) int64
        Indices into `truth_nm` and `result_nm`.

    Raises
    ------
    InvalidInput
        If the arrays are not points of the same dimension, or the tolerance is negative.
    """
    truth, result = np.asarray(truth_nm, np.float64), np.asarray(result_nm, np.float64)
    if truth.ndim != 2 or result.ndim != 2 or truth.shape[1] != result.shape[1]:
        raise InvalidInput(f"Expected points of shape (n, 3) and (m, 3), not {truth.shape} and {result.shape}")
    if not tolerance_nm >= 0:
        raise InvalidInput(f"tolerance_nm is {tolerance_nm}; it must be 0 or more")
    if len(truth) == 0 or len(result) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    near = KDTree(truth).sparse_distance_matrix(
        KDTree(result), tolerance_nm * (1 + _MAX_SLACK), output_type="coo_matrix"
    )
    left, right = near.row.astype(np.int64), near.col.astype(np.int64)
    within = near.data <= tolerance_nm + _slack_nm(truth[left], result[right], tolerance_nm)
    left, right, distance = left[within], right[within], near.data[within]
    if tolerance_nm > 0:
        distance = distance / tolerance_nm
    chosen = assign(left, right, 1 + distance, unmatched_cost=2.0 * (len(truth) + 1))
    return left[chosen], right[chosen]


def _slack_nm(truth: NDArray[np.float64], result: NDArray[np.float64], tolerance_nm: float) -> NDArray[np.float64]:
    """Return by how much rounding to float32 may move the points of each pair apart, in nm; 0 if the tolerance is."""
    reach = np.maximum(np.abs(truth).max(axis=1), np.abs(result).max(axis=1))
    return np.minimum(_FLOAT32_ROUNDING * (reach + tolerance_nm), _MAX_SLACK * tolerance_nm)


def score_detections(truth_nm: NDArray[Any], result_nm: NDArray[Any], tolerance_nm: float) -> DetectionScore:
    """Return precision, recall and F1 of detected points, matched by `match_points`."""
    matched, _ = match_points(truth_nm, result_nm, tolerance_nm)
    return DetectionScore.of_counts(len(matched), len(result_nm), len(truth_nm))
