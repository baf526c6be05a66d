"""Sparse masks in tiles, their distances and their topology, against the dense volume."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from voxome.geometry import Box
from voxome.tools.common.vessels.distance import distances
from voxome.tools.common.vessels.runs import find_runs
from voxome.tools.common.vessels.tiles import Tiles
from voxome.tools.common.vessels.topology import count_objects, euler_number

FULL = np.ones((3, 3, 3))
SIZE = (3.0, 1.0, 1.5)


def random_mask(seed: int) -> tuple[np.ndarray, Box]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 22, 3).tolist())
    return ndimage.gaussian_filter(rng.random(shape), rng.random()) > 0.5, Box.of_shape(shape, (3, -5, 7))


def dense_euler_number(mask: np.ndarray) -> int:
    """Vertices - edges + faces - voxels."""
    total = 0
    for thick in itertools.product((False, True), repeat=3):
        cells = np.pad(mask, 1)
        for axis in np.flatnonzero(thick):
            low, high = np.delete(cells, -1, axis), np.delete(cells, 0, axis)
            cells = low | high
        total += (-1) ** (3 - sum(thick)) * int(cells.sum())
    return total


@pytest.mark.parametrize("seed", range(8))
def test_tiles_of_runs_and_of_points_are_the_mask(seed: int) -> None:
    mask, box = random_mask(seed)
    points = np.argwhere(mask) + box.start
    for tiles in (Tiles.of_runs(find_runs(mask, box), box), Tiles.of_points(points, box)):
        found = tiles.points(tiles.found())
        assert found[np.lexsort(found.T[::-1])].tolist() == points.tolist()
        assert (tiles.slots(found) == tiles.found()).all()
        around = np.argwhere(np.ones(np.array(box.shape) + 2, bool)) - 1 + box.start
        assert (tiles.contains(around) == np.pad(mask, 1).ravel()).all()


@pytest.mark.parametrize("seed", range(8))
def test_objects_and_euler_number_are_those_of_the_dense_volume(seed: int) -> None:
    mask, box = random_mask(seed)
    tiles = Tiles.of_runs(find_runs(mask, box), box)
    assert count_objects(tiles) == ndimage.label(mask, FULL)[1]
    assert euler_number(tiles) == dense_euler_number(mask)


@pytest.mark.parametrize("seed", range(8))
def test_distances_are_those_of_scipy_where_vessels_go_on_beyond_the_faces(seed: int) -> None:
    mask, box = random_mask(seed)
    tiles = Tiles.of_runs(find_runs(mask, box), box)
    inner = (slice(25, -25),) * 3
    expected = ndimage.distance_transform_edt(np.pad(mask, 25, mode="edge"), sampling=SIZE)[inner]
    found = tiles.found()
    at = tuple((tiles.points(found) - box.start).T)
    np.testing.assert_allclose(distances(tiles, SIZE)[found], expected[at], rtol=1e-6)


def test_a_mask_without_background_is_infinitely_far_from_it() -> None:
    box = Box.of_shape((9, 9, 9))
    tiles = Tiles.of_runs(find_runs(np.ones(box.shape, bool), box), box)
    assert np.isinf(distances(tiles, SIZE)[tiles.found()]).all()
