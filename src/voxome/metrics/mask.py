"""Scores of masks: overlap with a true mask, voxel by voxel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput


class MaskCounts(NamedTuple):
    """Numbers of voxels; those of blocks add up to those of the volume."""

    both: int
    """Inside both masks."""
    only_result: int
    only_truth: int
    neither: int


@dataclass(frozen=True, slots=True)
class MaskScore:
    """Scores of a mask, in [0, 1], and the numbers of voxels behind them."""

    dice: float
    iou: float
    precision: float
    recall: float
    f_beta: float
    beta: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


def count_mask(
    truth: NDArray[np.bool_], result: NDArray[np.bool_], known: NDArray[np.bool_] | None = None
) -> MaskCounts:
    """Count the voxels inside and outside of two masks.

    Parameters
    ----------
    truth, result : bool arrays of the same shape
        Masks; True is inside.
    known : bool array, optional
        Voxels that count; by default all.

    Raises
    ------
    InvalidInput
        If the shapes differ, or an array is not bool: a probability needs a threshold first.
    """
    arrays: list[NDArray[Any]] = [truth, result] if known is None else [truth, result, known]
    if len({one.shape for one in arrays}) > 1 or any(one.dtype != np.bool_ for one in arrays):
        shapes = ", ".join(f"{one.shape} {one.dtype}" for one in arrays)
        raise InvalidInput(f"Expected masks (bool) of the same shape, not {shapes}")
    if known is not None:
        truth, result = truth[known], result[known]
    both, in_truth, in_result = (int(np.count_nonzero(one)) for one in (truth & result, truth, result))
    return MaskCounts(both, in_result - both, in_truth - both, truth.size - in_truth - in_result + both)


def fold_mask_counts(a: MaskCounts, b: MaskCounts) -> MaskCounts:
    """Add the counts of two blocks; associative and commutative."""
    return MaskCounts(*(x + y for x, y in zip(a, b, strict=True)))


def score_mask(counts: MaskCounts, *, beta: float = 1.0) -> MaskScore:
    """Return Dice, IoU, precision, recall and F-beta of a mask.

    F-beta is ``(1 + beta^2) P R / (beta^2 P + R)``; beta > 1 gives recall more weight (van Rijsbergen 1979). If both
    masks are empty, all scores are 1; if one is, they are 0.

    Parameters
    ----------
    counts : MaskCounts
        Numbers of voxels, from `count_mask`.
    beta : float
        Weight of recall against precision, greater than 0.

    Raises
    ------
    InvalidInput
        If beta is not a positive number.
    """
    if not (beta > 0 and math.isfinite(beta)):
        raise InvalidInput(f"beta is {beta}; expected a number greater than 0")
    both, only_result, only_truth, neither = counts
    wrong = only_result + only_truth
    empty = both + wrong == 0
    weight = beta * beta

    def share(part: float, whole: float) -> float:
        return part / whole if whole else float(empty)

    return MaskScore(
        dice=share(2 * both, 2 * both + wrong),
        iou=share(both, both + wrong),
        precision=share(both, both + only_result),
        recall=share(both, both + only_truth),
        f_beta=share((1 + weight) * both, (1 + weight) * both + weight * only_truth + only_result),
        beta=float(beta),
        true_positives=both,
        false_positives=only_result,
        false_negatives=only_truth,
        true_negatives=neither,
    )
