"""Cells of a phantom: their sizes, and that they touch but do not overlap, whatever the region."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.data.vascular.cells import MAX_DIAMETER_UM, MIN_DIAMETER_UM, Cells, cells_in
from voxome.data.vascular.ellipsoids import contact_scale
from voxome.data.vascular.network import draw_lattice, vessels_in

KEY = np.uint64(7)
LOW, HIGH = np.full(3, -20.0), np.full(3, 160.0)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cells() -> Cells:
    return cells_in(KEY, "dense", draw_lattice(KEY), LOW, HIGH)


def contacts(cells: Cells) -> NDArray[np.float64]:
    """Return the contact scales of all pairs of neighbours."""
    pairs = KDTree(cells.centres).query_pairs(2.0 * MAX_DIAMETER_UM)
    return np.array(
        [
            contact_scale(cells.covariances[i], cells.covariances[j], cells.centres[j] - cells.centres[i])
            for i, j in pairs
        ]
    )


def test_spheres_touch_where_their_radii_add_up() -> None:
    one, other = np.diag([9.0, 9.0, 9.0]), np.diag([25.0, 25.0, 25.0])
    assert contact_scale(one, other, np.array([0.0, 16.0, 0.0])) == pytest.approx(2.0, rel=2e-3)


def test_ellipsoids_touch_at_the_ends_of_their_axes() -> None:
    one, other = np.diag([16.0, 1.0, 1.0]), np.diag([1.0, 1.0, 4.0])
    assert contact_scale(one, other, np.array([5.0, 0.0, 0.0])) == pytest.approx(1.0, rel=2e-3)
    assert contact_scale(one, other, np.array([0.0, 0.0, 3.0])) == pytest.approx(1.0, rel=2e-3)


def test_cells_touch_but_do_not_overlap(cells: Cells) -> None:
    scales = contacts(cells)
    assert scales.min() >= 1.0
    assert (scales < 1.01).sum() > 0.1 * len(cells.keys)


def test_diameters_are_those_of_x_ray_volumes(cells: Cells) -> None:
    diameters = 2.0 * cells.radii
    assert diameters.min() >= MIN_DIAMETER_UM
    assert diameters.max() <= MAX_DIAMETER_UM
    assert diameters.mean() / 0.65 == pytest.approx(21.5, abs=0.5)
    volumes = np.sqrt(np.linalg.det(cells.covariances))
    np.testing.assert_allclose(volumes, cells.radii**3, rtol=1e-9)


def test_cells_are_outside_vessels(cells: Cells) -> None:
    lines = vessels_in(draw_lattice(KEY), LOW - 30.0, HIGH + 30.0).lines.reshape(-1, 4)
    for centre, reach in zip(cells.centres, cells.reaches, strict=True):
        assert (np.linalg.norm(lines[:, :3] - centre, axis=1) > lines[:, 3] + reach).all()


def test_cells_of_a_region_are_those_of_a_larger_one(cells: Cells) -> None:
    low, high = np.array([10.0, 0.0, 40.0]), np.array([60.0, 90.0, 100.0])
    part = cells_in(KEY, "dense", draw_lattice(KEY), low, high)
    assert len(part.keys) > 10
    for ours, theirs in zip(part, cells.inside(low, high), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_seeds_and_densities_differ(cells: Cells) -> None:
    volume = math.prod(HIGH - LOW) * 1e-9
    assert 8e4 < len(cells.keys) / volume < 13e4
    sparse = cells_in(KEY, "sparse", draw_lattice(KEY), LOW, np.full(3, 400.0))
    assert 500 < len(sparse.keys) / (0.42**3) < 4000
    other = cells_in(np.uint64(8), "dense", draw_lattice(np.uint64(8)), LOW, HIGH)
    assert not set(other.keys) & set(cells.keys)
