"""Units of scores, and whether more or less is better."""

from __future__ import annotations

from collections.abc import Mapping

_SHARE = ("of 1", "higher, best 1")
_WRONG = ("count", "lower, best 0")
_SIGNED = ("of the truth", "nearer to 0")

SCALES: Mapping[str, tuple[str, str]] = {
    "adapted_rand_error": ("of 1", "lower, best 0"),
    "beta": ("", ""),
    "density_error": _SIGNED,
    "dice": _SHARE,
    "distance_um": ("µm", "lower, best 0"),
    "f1": _SHARE,
    "f1_high": _SHARE,
    "f1_low": _SHARE,
    "f_beta": _SHARE,
    "false_negatives": _WRONG,
    "false_positives": _WRONG,
    "ignored_results": ("count", ""),
    "ignored_truths": ("count", ""),
    "iou": _SHARE,
    "length_error": _SIGNED,
    "precision": _SHARE,
    "radius_error": _SIGNED,
    "radius_error_absolute": ("of the truth", "lower, best 0"),
    "recall": _SHARE,
    "result_length_mm": ("mm", ""),
    "true_negatives": ("count", "higher"),
    "true_positives": ("count", "higher"),
    "truth_length_mm": ("mm", ""),
    "voi_merge": ("bits", "lower, best 0"),
    "voi_split": ("bits", "lower, best 0"),
}
"""Name of a score → its unit, and which values are better."""

_UNITS_IN_NAMES = ("_um", "_mm")


def score_name(name: str) -> str:
    """Return the name of a score in words, without its unit.

    Examples
    --------
    >>> score_name("truth_length_mm"), score_name("f1_low")
    ('truth length', 'f1 low')
    """
    for unit in _UNITS_IN_NAMES:
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def score_text(name: str, value: float) -> str:
    """Return the value of a score: counts as whole numbers.

    Examples
    --------
    >>> score_text("false_positives", 1200.0), score_text("f1", 0.5)
    ('1,200', '0.5000')
    """
    is_count = isinstance(value, int) or SCALES.get(name, ("", ""))[0] == "count"
    return f"{value:,.0f}" if is_count else f"{value:.4f}"
