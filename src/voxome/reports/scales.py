"""Units of scores, and whether more or less is better."""

from __future__ import annotations

from collections.abc import Mapping

SCALES: Mapping[str, tuple[str, str]] = {
    "adapted_rand_error": ("of 1", "lower, best 0"),
    "f1": ("of 1", "higher, best 1"),
    "false_negatives": ("count", "lower, best 0"),
    "false_positives": ("count", "lower, best 0"),
    "precision": ("of 1", "higher, best 1"),
    "recall": ("of 1", "higher, best 1"),
    "true_positives": ("count", "higher"),
    "voi_merge": ("bits", "lower, best 0"),
    "voi_split": ("bits", "lower, best 0"),
}
"""Name of a score → its unit, and which values are better."""


def score_text(name: str, value: float) -> str:
    """Return the value of a score: counts as whole numbers.

    Examples
    --------
    >>> score_text("false_positives", 1200.0), score_text("f1", 0.5)
    ('1,200', '0.5000')
    """
    is_count = isinstance(value, int) or SCALES.get(name, ("", ""))[0] == "count"
    return f"{value:,.0f}" if is_count else f"{value:.4f}"
