"""Whether a segment meets a box, in rational numbers: what voxome's answers are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


def segment_meets_box(ends: NDArray[np.floating[Any]], start: Sequence[float], stop: Sequence[float]) -> bool:
    """Return whether a point of a segment is in the half-open box; exact."""
    begin, begin_open, end, end_open = Fraction(0), False, Fraction(1), False
    for first, last, low, high in zip(*map(_fractions, (ends[0], ends[1], start, stop)), strict=True):
        step = last - first
        if step == 0:
            if not low <= first < high:
                return False
            continue
        enter, leave = sorted([(low - first) / step, (high - first) / step])
        begin_open = (begin_open and enter <= begin) or (step < 0 and enter >= begin)
        end_open = (end_open and leave >= end) or (step > 0 and leave <= end)
        begin, end = max(begin, enter), min(end, leave)
    return begin < end or (begin == end and not begin_open and not end_open)


def _fractions(values: Sequence[float] | NDArray[Any]) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]
