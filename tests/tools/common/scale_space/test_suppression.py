"""Suppression by kept peaks only, in an order that does not depend on that of the rows."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.tools.common.scale_space.suppression import keep_best


def on_a_line(x: list[float]) -> np.ndarray:
    return np.array([[0.0, 0.0, at] for at in x])


def test_a_suppressed_peak_suppresses_none() -> None:
    kept = keep_best(on_a_line([0, 4, 8]), np.full(3, 5.0), np.array([3.0, 2.0, 1.0]), 1.0)
    assert kept.tolist() == [0, 2]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_of_equal_scores_the_first_place_wins_in_any_order_of_the_rows(order: list[int]) -> None:
    places = on_a_line([0, 6, 12])[order]
    kept = keep_best(places, np.full(3, 8.0), np.ones(3), 1.0)
    assert sorted(places[kept, 2].tolist()) == [0, 12]


def test_the_distance_is_that_of_the_larger_radius() -> None:
    places, scores = on_a_line([0, 7]), np.array([2.0, 1.0])
    assert len(keep_best(places, np.array([3.0, 8.0]), scores, 1.0)) == 1
    assert len(keep_best(places, np.array([3.0, 6.0]), scores, 1.0)) == 2
    assert len(keep_best(places, np.array([3.0, 8.0]), scores, 0.5)) == 2


@given(st.integers(0, 2**32 - 1))
def test_the_result_is_that_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 60))
    places, radii = rng.integers(-20, 20, (count, 3)).astype(float), rng.uniform(1, 9, count)
    scores = rng.integers(0, 4, count).astype(float)
    expected: list[int] = []
    for i in sorted(range(count), key=lambda i: (-scores[i], *places[i], radii[i])):
        apart = [np.linalg.norm(places[i] - places[j]) >= max(radii[i], radii[j]) for j in expected]
        if all(apart):
            expected.append(i)
    assert keep_best(places, radii, scores, 1.0).tolist() == expected


@pytest.mark.slow
def test_a_million_peaks_take_seconds() -> None:
    rng = np.random.default_rng(0)
    places, scores = rng.uniform(0, 6000, (1_000_000, 3)), rng.uniform(size=1_000_000)
    keep_best(places[:100], np.full(100, 10.0), scores[:100], 1.0)
    start = time.process_time()
    kept = keep_best(places, np.full(1_000_000, 10.0), scores, 1.0)
    assert len(kept) > 900_000
    assert time.process_time() - start < 60
