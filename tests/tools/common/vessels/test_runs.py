"""Objects and voids of runs against those of SciPy in the dense volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from voxome.geometry import Box
from voxome.tools.common.vessels.runs import fill_voids, find_runs, join_runs, label_objects, paint_runs

FULL = np.ones((3, 3, 3))


def random_mask(seed: int) -> tuple[np.ndarray, Box]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 22, 3).tolist())
    return ndimage.gaussian_filter(rng.random(shape), rng.random()) > 0.5, Box.of_shape(shape, (3, -5, 7))


@pytest.mark.parametrize("seed", range(8))
def test_runs_are_the_mask(seed: int) -> None:
    mask, box = random_mask(seed)
    runs = find_runs(mask, box)
    assert (paint_runs(runs, box) == mask).all()
    inner = Box((4, -4, 9), (5, -3, 11))
    assert (paint_runs(find_runs(np.ones((2, 2, 5), bool), Box((4, -4, 7), (6, -2, 12))), inner) == 1).all()


@pytest.mark.parametrize("seed", range(8))
def test_objects_and_voids_are_those_of_the_dense_volume(seed: int) -> None:
    mask, box = random_mask(seed)
    runs = find_runs(mask, box)
    objects = label_objects(runs)
    assert len(np.unique(objects)) == ndimage.label(mask, FULL)[1]
    check_voids(mask, box)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_holes_of_a_section_are_filled(seed: int, axis: int) -> None:
    shape = np.insert([15, 22], axis, 1).tolist()
    mask = np.random.default_rng(seed).random(shape) > 0.45
    assert check_voids(mask, Box.of_shape(shape, (3, -5, 7))) > 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gaps_along_a_line_are_no_voids(axis: int) -> None:
    mask = np.moveaxis(np.array([1, 0, 1, 1], bool).reshape(1, 1, 4), 2, axis)
    box = Box.of_shape(mask.shape)
    assert (paint_runs(fill_voids(find_runs(mask, box), box).runs, box) == mask).all()


def check_voids(mask: np.ndarray, box: Box) -> int:
    """Compare voids with those of SciPy, and return their number."""
    plane = mask.squeeze()
    filled = ndimage.binary_fill_holes(plane).reshape(mask.shape) if plane.ndim > 1 else mask
    voids = fill_voids(find_runs(mask, box), box)
    assert (paint_runs(voids.runs, box) == filled).all()
    assert (voids.voids, voids.voxels) == (ndimage.label(filled & ~mask)[1], (filled & ~mask).sum())
    return voids.voids


def test_runs_that_blocks_have_cut_are_joined() -> None:
    mask = np.ones((1, 2, 9), bool)
    mask[0, 1, 4] = False
    parts = [find_runs(mask[..., a:b], Box((0, 0, a), (1, 2, b))) for a, b in ((0, 3), (3, 5), (5, 9))]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((rows["start"], rows["y"], rows["z"]))
    joined = join_runs({name: values[order] for name, values in rows.items()})
    assert joined["start"].tolist() == [0, 0, 5]
    assert joined["stop"].tolist() == [9, 4, 9]


def test_a_void_that_a_face_cuts_is_not_filled() -> None:
    mask = np.ones((7, 7, 7), bool)
    mask[0:3, 3, 3] = False
    mask[5, 5, 5] = False
    voids = fill_voids(find_runs(mask, Box.of_shape(mask.shape)), Box.of_shape(mask.shape))
    assert (voids.voids, voids.voxels) == (1, 1)
    assert paint_runs(voids.runs, Box.of_shape(mask.shape)).sum() == 7**3 - 3
