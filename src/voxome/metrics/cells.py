"""Scores of cells: detection with a rule for the faces of the volume, and errors of place, size and number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore, match_points
from voxome.metrics.intervals import f1_interval


class Cells(NamedTuple):
    """Cells as points."""

    position_nm: NDArray[Any]
    """Centres (n, 3), z, y, x in nm."""
    radius_nm: NDArray[Any] | None = None
    """Radii (n,) in nm; None if unknown."""


class Faces(NamedTuple):
    """Box in nm that the cells are scored in."""

    start_nm: tuple[float, float, float]
    stop_nm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CellScore:
    """Detection of cells, with errors of those detected; None where there is nothing to measure."""

    precision: float
    recall: float
    f1: float
    f1_low: float
    """Lower end of the 95 % bootstrap interval of F1."""
    f1_high: float
    true_positives: int
    false_positives: int
    false_negatives: int
    ignored_truths: int
    """True cells near a face that do not count."""
    ignored_results: int
    distance_um: float | None
    """Mean distance of the pairs."""
    radius_error: float | None
    """Mean of (detected - true radius) / true radius over the pairs."""
    radius_error_absolute: float | None
    density_error: float | None
    """(detected - true cells) / true cells, of those that count."""


class _Matching(NamedTuple):
    """Pairs, and which cells without a pair do not count."""

    truth: NDArray[np.int64]
    result: NDArray[np.int64]
    ignored_truth: NDArray[np.bool_]
    ignored_result: NDArray[np.bool_]


def score_cells(
    truth: Cells, result: Cells, tolerance_um: float, *, border: str = "count", faces: Faces | None = None
) -> CellScore:
    """Score detected cells.

    Cells are matched one to one at most `tolerance_um` apart: the most pairs first, then the smallest total distance.
    With the rule ``count``, all cells count. With ``ignore``, true cells at most the tolerance away from a face do not:
    the other true cells are matched first, then those near a face with what is left over. Neither these, nor their
    pairs, nor unmatched detections near a face count.

    Parameters
    ----------
    truth, result : Cells
        True and detected cells.
    tolerance_um : float
        Maximum distance of a pair in micrometres, inclusive.
    border : {"count", "ignore"}
        Rule for cells near faces.
    faces : Faces, optional
        Box of the truth in nm; needed for ``ignore``. No cell may be farther than the tolerance outside.

    Returns
    -------
    CellScore

    Raises
    ------
    InvalidInput
        If the arrays do not match, a radius is not positive, the rule is unknown, or faces are missing or
        do not contain the cells.
    """
    cells = [_check(name, one) for name, one in (("truth", truth), ("result", result))]
    true_nm, found_nm = (one.position_nm for one in cells)
    tolerance_nm = tolerance_um * 1000
    if border == "count":
        none = (np.zeros(len(true_nm), np.bool_), np.zeros(len(found_nm), np.bool_))
        pairs = _Matching(*match_points(true_nm, found_nm, tolerance_nm), *none)
    elif border == "ignore":
        pairs = _match_inside(true_nm, found_nm, tolerance_nm, faces)
    else:
        raise InvalidInput(f"border is {border!r}; expected 'count' or 'ignore'")
    truths = int((~pairs.ignored_truth).sum())
    results = int((~pairs.ignored_result).sum())
    counts = DetectionScore.of_counts(len(pairs.truth), results, truths)
    low, high = f1_interval(counts.true_positives, counts.false_positives, counts.false_negatives)
    distance = np.linalg.norm(true_nm[pairs.truth] - found_nm[pairs.result], axis=1)
    radius_error = _radius_errors(cells[0], cells[1], pairs)
    return CellScore(
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        f1_low=low,
        f1_high=high,
        true_positives=counts.true_positives,
        false_positives=counts.false_positives,
        false_negatives=counts.false_negatives,
        ignored_truths=len(true_nm) - truths,
        ignored_results=len(found_nm) - results,
        distance_um=_mean(distance / 1000),
        radius_error=_mean(radius_error),
        radius_error_absolute=_mean(np.abs(radius_error)),
        density_error=(results - truths) / truths if truths else None,
    )


def _check(name: str, cells: Cells) -> Cells:
    position = np.asarray(cells.position_nm, np.float64)
    if position.ndim != 2 or position.shape[1] != 3 or not np.isfinite(position).all():
        raise InvalidInput(f"the cells of the {name} have shape {position.shape}; expected finite positions (n, 3)")
    radius = None if cells.radius_nm is None else np.asarray(cells.radius_nm, np.float64)
    if radius is not None and (radius.shape != position.shape[:1] or not (radius > 0).all()):
        raise InvalidInput(
            f"the {name} has {len(position)} cells and radii of shape {radius.shape}; expected as many, "
            "all greater than 0"
        )
    return Cells(position, radius)


def _match_inside(
    truth: NDArray[np.float64], result: NDArray[np.float64], tolerance_nm: float, faces: Faces | None
) -> _Matching:
    if faces is None:
        raise InvalidInput("border='ignore' needs the box of the truth in nm, whose faces are meant")
    near_truth, near_result = (_near_face(points, tolerance_nm, faces) for points in (truth, result))
    inside = np.flatnonzero(~near_truth)
    left, right = match_points(truth[inside], result, tolerance_nm)
    free = np.setdiff1d(np.arange(len(result)), right)
    at_face = np.flatnonzero(near_truth)
    _, spare = match_points(truth[at_face], result[free], tolerance_nm)
    ignored = np.zeros(len(result), np.bool_)
    ignored[free] = near_result[free]
    ignored[free[spare]] = True
    return _Matching(inside[left], right, near_truth, ignored)


def _near_face(points: NDArray[np.float64], tolerance_nm: float, faces: Faces) -> NDArray[np.bool_]:
    start, stop = np.asarray(faces.start_nm, np.float64), np.asarray(faces.stop_nm, np.float64)
    if not (stop > start).all():
        raise InvalidInput(f"the box from {faces.start_nm} to {faces.stop_nm} nm is empty or reversed")
    depth = np.minimum(points - start, stop - points).min(axis=1, initial=np.inf)
    reach = tolerance_nm * (1 + 1e-6)
    if (depth < -reach).any():
        raise InvalidInput(
            f"{int((depth < -reach).sum())} cells are farther than the tolerance outside the box from {faces.start_nm} "
            f"to {faces.stop_nm} nm: give the box that both tables cover"
        )
    near: NDArray[np.bool_] = depth <= reach
    return near


def _radius_errors(truth: Cells, result: Cells, pairs: _Matching) -> NDArray[np.float64]:
    if truth.radius_nm is None or result.radius_nm is None:
        return np.empty(0)
    true_nm = truth.radius_nm[pairs.truth]
    errors: NDArray[np.float64] = (result.radius_nm[pairs.result] - true_nm) / true_nm
    return errors


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
