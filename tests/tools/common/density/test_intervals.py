from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from voxome.tools.common.density.intervals import poisson_interval, waiting_interval, weighted_interval


def test_the_interval_of_a_count_is_that_of_garwood() -> None:
    count = np.array([0, 1, 5, 1000])
    low, high = poisson_interval(count, np.full(4, 2.0))
    assert high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 4)
    assert low[0] == 0
    assert low[1:] == pytest.approx(chi2.ppf(0.025, 2 * count[1:]) / 4)


def test_the_interval_of_a_volume_up_to_a_point_covers_the_rate() -> None:
    rng = np.random.default_rng(0)
    low, high = waiting_interval(5, rng.gamma(5, 1 / 3, 20_000))
    assert ((low <= 3) & (high >= 3)).mean() == pytest.approx(0.95, abs=0.01)


def test_the_interval_of_a_weighted_sum_covers_the_rate_at_least_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(1)
    weights = np.array([0.5, 0.3, 0.2])
    counts = rng.poisson(4.0, (20_000, 3))
    low, high = weighted_interval(counts @ weights, counts @ weights**2, np.full(20_000, 0.5))
    assert 0.95 <= ((low <= 4) & (high >= 4)).mean() <= 0.99
