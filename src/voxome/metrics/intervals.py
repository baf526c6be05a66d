"""Confidence intervals of scores."""

from __future__ import annotations

import numpy as np

from voxome.errors import InvalidInput

CONFIDENCE = 0.95


def f1_interval(
    true_positives: int,
    false_positives: int,
    false_negatives: int,
    *,
    samples: int = 10_000,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bootstrap interval of F1.

    The objects, which are pairs, false positives and false negatives, are drawn again with replacement, as many as
    there are (Efron 1979, Annals of Statistics 7:1), and F1 is computed for each sample. Without errors, and without
    pairs, all samples are alike and the interval is a point, however few objects there are.

    Parameters
    ----------
    true_positives, false_positives, false_negatives : int
        Counts; without any, F1 is 1.
    samples : int
        Number of samples.
    confidence : float
        Share of the samples in the interval, between 0 and 1.
    seed : int
        Random seed; the same seed gives the same interval.

    Returns
    -------
    (low, high) : pair of float
        Percentiles of F1.

    Raises
    ------
    InvalidInput
        If a count is negative, there are no samples, or the confidence is not between 0 and 1.
    """
    counts = np.array([true_positives, false_positives, false_negatives])
    if counts.min() < 0 or samples < 1 or not 0 < confidence < 1:
        raise InvalidInput(
            f"counts {counts.tolist()}, samples={samples}, confidence={confidence}; expected counts of 0 or more, at "
            "least one sample, and a confidence between 0 and 1"
        )
    total = int(counts.sum())
    if total == 0:
        return 1.0, 1.0
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, samples)
    f1 = 2 * drawn[:, 0] / (total + drawn[:, 0])
    low, high = np.quantile(f1, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
