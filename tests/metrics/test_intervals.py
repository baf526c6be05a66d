from __future__ import annotations

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.metrics.intervals import f1_interval


def test_the_interval_contains_f1_and_narrows_with_more_objects():
    few, many = f1_interval(20, 5, 5), f1_interval(2000, 500, 500)
    for low, high in (few, many):
        assert low < 0.8 < high
    assert few[1] - few[0] == pytest.approx(10 * (many[1] - many[0]), rel=0.1)
    assert few[1] - few[0] == pytest.approx(0.24, abs=0.03)  # about +- 0.12 with 25 cells


def test_the_interval_is_the_same_for_the_same_seed():
    assert f1_interval(7, 2, 3) == f1_interval(7, 2, 3)
    few = [f1_interval(700, 201, 303, samples=10, seed=seed) for seed in (1, 2)]
    assert few[0] != few[1]


@pytest.mark.parametrize(("counts", "f1"), [((0, 0, 0), 1), ((3, 0, 0), 1), ((0, 2, 1), 0)])
def test_without_errors_or_pairs_the_interval_is_a_point(counts, f1):
    assert f1_interval(*counts) == (f1, f1)


def test_intervals_cover_the_truth_as_often_as_they_promise():
    rng = np.random.default_rng(3)
    shares = np.array([0.7, 0.15, 0.15])
    f1 = 2 * 0.7 / 1.7
    inside = 0
    for counts in rng.multinomial(100, shares, 300):
        low, high = f1_interval(*counts.tolist(), samples=1000)
        inside += low <= f1 <= high
    assert 0.9 <= inside / 300 <= 0.98


def test_wrong_arguments_are_refused():
    for counts, options in (((-1, 0, 0), {}), ((1, 1, 1), {"confidence": 1.0}), ((1, 1, 1), {"samples": 0})):
        with pytest.raises(InvalidInput, match="expected counts"):
            f1_interval(*counts, **options)
