"""Grey values that are unlike those of the training data."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.models.pixels.suitability import range_difference


@pytest.mark.parametrize(
    ("low", "high", "unlike"),
    [(60, 200, False), (40, 260, False), (100, 150, False), (1600, 3200, True), (0, 16, True), (0, 4000, True),
     (201, 300, True), (120, 140, True)],
)  # fmt: skip
def test_another_range_is_named(low: float, high: float, unlike: bool) -> None:
    values = np.append(np.linspace(low, high, 1000), np.nan)
    found = range_difference(values, (60.0, 200.0), "cells.json")
    assert ["the training data of cells.json had them from 60 to 200" in text for text in [found] if text] == (
        [True] * unlike
    )


def test_without_tissue_there_is_nothing_to_compare() -> None:
    assert range_difference(np.full(3, np.nan), (0.0, 1.0), "cells.json") is None
