"""Segmentation scores: variation of information and adapted Rand error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

NOT_LABELLED = np.uint64(2**64 - 1)
"""True label of voxels without a label, as in CREMI; -1 becomes it as well."""


class Contingency(NamedTuple):
    """Number of voxels for each pair of labels, sorted by truth, then result."""

    truth: NDArray[np.uint64]
    result: NDArray[np.uint64]
    voxels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentationScore:
    """Scores of a segmentation; 0 is best for all three."""

    voi_split: float
    """H(result | truth) in bits, which measures splits."""
    voi_merge: float
    """H(truth | result) in bits, which measures merges."""
    adapted_rand_error: float
    """1 - F of the Rand index, in [0, 1]."""


def contingency(truth: NDArray[Any], result: NDArray[Any]) -> Contingency:
    """Count the voxels of every pair of labels in two arrays.

    Parameters
    ----------
    truth, result : integer arrays of the same shape
        Labels; 0 is background. The tables of blocks add up to that of the volume.

    Returns
    -------
    Contingency
        Table that includes label 0.

    Raises
    ------
    InvalidInput
        If the shapes differ.
    """
    if truth.shape != result.shape:
        raise InvalidInput(f"truth and result must have the same shape, not {truth.shape} and {result.shape}")
    t, r = truth.ravel(), result.ravel()
    starts = np.flatnonzero(np.concatenate([[t.size > 0], (t[1:] != t[:-1]) | (r[1:] != r[:-1])]))
    lengths = np.diff(starts, append=t.size)
    return _sum_by_pair(t[starts].astype(np.uint64), r[starts].astype(np.uint64), lengths)


def fold_contingency(a: Contingency, b: Contingency) -> Contingency:
    """Add the tables of two blocks; associative and commutative."""
    return _sum_by_pair(
        np.concatenate([a.truth, b.truth]),
        np.concatenate([a.result, b.result]),
        np.concatenate([a.voxels, b.voxels]),
    )


def score_segmentation(table: Contingency, *, count_background: bool = False) -> SegmentationScore:
    """Score a segmentation from its contingency table.

    Voxels with true label 0 or `NOT_LABELLED` are ignored; those with label 0 in the result count as one segment. The
    variation of information is that of Meila 2003 (COLT), split into its two terms, in bits; the adapted Rand error is
    ``1 - 2 sum c^2 / (sum a^2 + sum b^2)`` with c the counts of pairs, a of truth, b of result (Arganda-Carreras et
    al. 2015, Frontiers in Neuroanatomy 9:142).

    Parameters
    ----------
    table : Contingency
        Table of all voxels.
    count_background : bool
        Whether the true label 0 counts as an object.

    Raises
    ------
    InvalidInput
        If no voxel has a true label.
    """
    known = (table.truth != NOT_LABELLED) & (count_background | (table.truth != 0))
    count = table.voxels[known].astype(np.float64)
    if len(count) == 0:
        raise InvalidInput(
            "All true labels are 0, -1 or 2^64 - 1, which mean not labelled, so there is nothing to score against"
        )
    in_truth = _totals(table.truth[known], count)
    in_result = _totals(table.result[known], count)
    total = count.sum()
    joint = _entropy(count / total)
    squares = (in_truth**2).sum() + (in_result**2).sum()
    return SegmentationScore(
        voi_split=max(0.0, joint - _entropy(in_truth / total)),
        voi_merge=max(0.0, joint - _entropy(in_result / total)),
        adapted_rand_error=float(1 - 2 * (count**2).sum() / squares),
    )


def _sum_by_pair(truth: NDArray[np.uint64], result: NDArray[np.uint64], count: NDArray[Any]) -> Contingency:
    order = np.lexsort((result, truth))
    truth, result, count = truth[order], result[order], count[order].astype(np.int64)
    new = np.concatenate([[len(truth) > 0], (truth[1:] != truth[:-1]) | (result[1:] != result[:-1])])
    starts = np.flatnonzero(new)
    sums = np.add.reduceat(count, starts) if len(starts) else count
    return Contingency(truth[starts], result[starts], sums)


def _totals(label: NDArray[np.uint64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse = np.unique(label, return_inverse=True)
    return np.bincount(inverse, weights=count).astype(np.float64, copy=False)


def _entropy(probability: NDArray[np.float64]) -> float:
    return float(-(probability * np.log2(probability)).sum())
