from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.density.neighbours import Section, neighbour_density

EDGE = 400e3
PLACES = {
    "inside": (200, 200, 200),
    "face": (0, 200, 200),
    "edge": (0, 0, 200),
    "corner": (0, 0, 0),
    "mask": (200, 200, 325),
}
RATE = 10_000.0  # in 0.064 mm3: 640 cells


def has_tissue(position: np.ndarray) -> np.ndarray:
    """A cube without its last fifth along x."""
    return ((position >= 0) & (position <= EDGE)).all(axis=1) & (position[:, 2] <= 320e3)


def cells(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, EDGE, (rng.poisson(RATE * 0.064), 3))
    return position[has_tissue(position)]


@pytest.mark.slow
def test_k_over_the_volume_would_be_too_large_and_whole_balls_at_faces_too_small() -> None:
    places = np.array([PLACES["inside"], PLACES["face"]]) * 1e3

    def everywhere(position: np.ndarray) -> np.ndarray:
        return np.ones(len(position), bool)

    found = [neighbour_density(places, cells(seed), everywhere, k=5, reach_nm=1e6) for seed in range(1500)]
    inside, at_face = np.mean([one.per_mm3 for one in found], axis=0) / RATE
    assert inside * 5 / 4 == pytest.approx(1.25, rel=0.04)
    assert at_face == pytest.approx(0.5, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("reach_nm", [400e3, 70e3])
@pytest.mark.parametrize("k", [5, 20])
def test_the_density_is_unbiased_inside_and_at_faces_edges_corners_and_masks(k: int, reach_nm: float) -> None:
    places = np.array(list(PLACES.values())) * 1e3
    runs = 4000 if k == 5 else 1500
    found = [neighbour_density(places, cells(seed), has_tissue, k=k, reach_nm=reach_nm) for seed in range(runs)]
    mean = np.mean([one.per_mm3 for one in found], axis=0)
    assert np.abs(mean / RATE - 1).max() < 0.03, dict(zip(PLACES, mean, strict=True))
    covered = np.mean([(one.low <= RATE) & (one.high >= RATE) for one in found], axis=0)
    assert covered.min() > 0.93
    assert covered.max() < 0.995


def test_the_volume_of_a_ball_is_that_of_its_tissue() -> None:
    cell = np.array([[200e3, 200e3, 0.0], [200e3, 200e3, 50e3]])
    whole, half = (np.array([[200e3, 200e3, x]]) for x in (100e3, 0.0))
    inside = neighbour_density(whole, cell, has_tissue, k=2, reach_nm=1e6)
    assert inside.per_mm3[0] == pytest.approx(1 / (4 / 3 * np.pi * 1e15 / 1e18), rel=2e-3)
    at_face = neighbour_density(half, cell, has_tissue, k=2, reach_nm=1e6)
    assert at_face.per_mm3[0] == pytest.approx(2 / (4 / 3 * np.pi * 0.125e15 / 1e18), rel=5e-3)


def test_with_few_cells_their_number_in_reach_counts() -> None:
    place = np.array([[200e3, 200e3, 100e3]])
    volume = 4 / 3 * np.pi * 1e-3 * 0.05**3 / 1e-3
    for count in (0, 1, 3):
        found = neighbour_density(place, np.repeat(place, count, axis=0) + 1e3, has_tissue, k=4, reach_nm=50e3)
        assert found.per_mm3[0] == pytest.approx(count / volume, rel=2e-3)
        assert found.low[0] <= found.per_mm3[0] < found.high[0]


def test_without_tissue_in_reach_the_density_is_unknown() -> None:
    found = neighbour_density(np.array([[9e9, 0, 0]]), np.empty((0, 3)), has_tissue, k=2, reach_nm=1e3)
    assert np.isnan([found.per_mm3[0], found.low[0], found.high[0]]).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("thickness_nm", [1e3, 50e3])
def test_the_thickness_of_a_single_section_does_not_matter(axis: int, thickness_nm: float) -> None:
    rng, middle = np.random.default_rng(4), 7e3
    rate, places = 5e3, np.insert(np.array([[200.0, 200], [0, 200], [0, 0]]) * 1e3, axis, middle, axis=1)

    def is_inside(position: np.ndarray) -> np.ndarray:
        return np.asarray(((position >= 0) & (position <= EDGE)).all(axis=1))

    found = []
    for _ in range(60):
        flat = rng.uniform(0, EDGE, (rng.poisson(rate * 0.16), 2))
        cells = np.insert(flat, axis, middle + rng.uniform(-0.5, 0.5, len(flat)) * thickness_nm, axis=1)
        section = Section(axis, middle, thickness_nm)
        found.append(neighbour_density(places, cells, is_inside, k=8, reach_nm=300e3, section=section).per_mm3)
    mean = np.mean(found, axis=0) * thickness_nm / 1e6
    np.testing.assert_allclose(mean, rate, rtol=0.15)
