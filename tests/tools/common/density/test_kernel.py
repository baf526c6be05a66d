from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.density.kernel import kernel_density, kernel_reach, kernel_weights

EDGES = np.array([50e3, 50e3, 50e3])
BANDWIDTH = 60e3


def padded(array: np.ndarray) -> np.ndarray:
    return np.pad(array, kernel_reach(BANDWIDTH, 50e3))


def test_a_constant_density_is_unbiased_at_faces_and_beside_masks() -> None:
    rng = np.random.default_rng(2)
    tissue = rng.uniform(0, 1.25e-4, (6, 7, 8))
    tissue[:, 3:5, 2:] = 0
    rate = 20_000.0
    # the estimate is linear in the counts, so their expected values give its expected value
    scale = 1_000_000
    found = kernel_density(
        np.rint(padded(rate * tissue * scale)).astype(np.int64), padded(tissue), BANDWIDTH, EDGES
    ).per_mm3
    known = tissue > 0
    assert found[known] / scale == pytest.approx(np.full(known.sum(), rate), rel=1e-3)
    assert np.isnan(found[~known]).all()


@pytest.mark.slow
def test_means_of_random_cells_are_within_three_percent_everywhere() -> None:
    rng = np.random.default_rng(3)
    tissue = np.full((5, 5, 5), 1.25e-4)
    tissue[2, 2, 2] = 0
    total, inside = np.zeros(tissue.shape), np.zeros(tissue.shape)
    for _ in range(1500):
        found = kernel_density(padded(rng.poisson(5e4 * tissue)), padded(tissue), BANDWIDTH, EDGES)
        total += found.per_mm3
        inside += (found.low <= 5e4) & (found.high >= 5e4)
    known = tissue > 0
    assert np.abs(total[known] / 1500 / 5e4 - 1).max() < 0.03
    assert (inside[known] / 1500).min() > 0.93


def test_without_a_bandwidth_each_cell_counts_by_itself() -> None:
    cells = np.array([[[3, 0]]])
    found = kernel_density(cells, np.full((1, 1, 2), 1e-3), 0.0, EDGES)
    assert found.per_mm3.tolist() == [[[3000, 0]]]
    assert found.low[0, 0].tolist() == pytest.approx([618.67, 0], rel=1e-3)
    assert found.high[0, 0].tolist() == pytest.approx([8767.3, 3688.9], rel=1e-3)


def test_weights_are_a_gaussian_of_the_distance_between_cells() -> None:
    assert kernel_weights(50e3, 50e3).tolist() == pytest.approx(np.exp(-0.5 * np.arange(-3, 4) ** 2).tolist())
    assert kernel_weights(10e3, 50e3).tolist() == [1]
