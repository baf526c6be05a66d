"""The search for spheres, compared with its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.balls import ball_reach, ball_runs
from voxome.tools.common.spherical.search import SphereParams, has_candidates, search

SCALE = (2000.0, 1000.0, 1000.0)
PARAMETERS = {"radii_um": (2.5, 4.0), "gap_um": 1.0, "z_stretch": 1.0, "threshold": 0.2, "stop": 0.6}


def crowd(shape: tuple[int, int, int], seed: int) -> NDArray[np.uint8]:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    values: NDArray[np.uint8] = np.rint(255 * np.clip(0.5 + noise / noise.std() / 2, 0, 1)).astype(np.uint8)
    return values


def find_by_definition(volume: NDArray[np.uint8], params: SphereParams) -> list[tuple[float, ...]]:
    """Look at all balls of what is left, select the best, remove it."""
    left = np.where(volume > round(255 * params.threshold), volume, 0).astype(np.int64)
    grid, found = np.stack(np.indices(volume.shape), axis=-1), list[tuple[float, ...]]()
    while True:
        best: tuple[float, ...] = (0.0,)
        for z, y, x in np.ndindex(volume.shape):
            distance = np.linalg.norm((grid - (z, y, x)) * params.scale_nm, axis=-1)
            for radius in params.radii_nm:
                inside = distance <= radius
                total, count = int(left[inside].sum()), int(inside.sum())
                if total >= params.stop * 255 * count:
                    best = max(best, (total / np.sqrt(count), -z, -y, -x, radius, total, count))
        if len(best) == 1:
            return found
        _, z, y, x, radius, total, count = best
        found.append((-z, -y, -x, radius, total, count))
        left[np.linalg.norm((grid - np.array([-z, -y, -x])) * params.scale_nm, axis=-1) <= radius + params.gap_nm] = 0


@pytest.mark.slow
def test_spheres_are_those_of_the_definition() -> None:
    volume, params = crowd((8, 13, 15), 3), SphereParams.of(PARAMETERS, SCALE)
    box = Box.of_shape(volume.shape, (-3, 5, 7))
    rows = search(volume, box, box, params).rows
    expected = find_by_definition(volume, params)
    found = np.stack([rows[name] for name in ("z", "y", "x", "radius_nm", "total", "voxels")], axis=-1)
    found[:, :3] -= box.start
    assert len(expected) > 5
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_part_has_no_sphere_that_the_whole_has_not(seed: int) -> None:
    volume, params = crowd((40, 60, 60), seed), SphereParams.of(PARAMETERS, SCALE)
    box = Box.of_shape(volume.shape)
    whole = search(volume, box, box, params)
    assert len(whole.undecided) == 0
    part = Box((0, 10, 12), (33, 60, 55))
    seen = search(volume[part.within(box)], part, box, params)
    names = ("z", "y", "x", "radius_nm", "total", "voxels")
    known = set(zip(*(whole.rows[name].tolist() for name in names), strict=True))
    found = list(zip(*(seen.rows[name].tolist() for name in names), strict=True))
    assert len(found) > 3
    assert set(found) <= known
    again = search(volume, box, box, params, known=seen.rows)
    rest = set(zip(*(again.rows[name].tolist() for name in names), strict=True))
    assert rest == known - set(found)


def test_the_search_leaves_the_probabilities_as_they_are() -> None:
    volume, box = crowd((8, 13, 15), 3), Box.of_shape((8, 13, 15))
    before = volume.copy()
    search(volume, box, box, SphereParams.of(PARAMETERS, SCALE))
    np.testing.assert_array_equal(volume, before)


def test_balls_are_measured_in_nm() -> None:
    runs = ball_runs(4.0, (2.0, 1.0, 1.0))
    z, y, x = np.mgrid[-2:3, -4:5, -4:5]
    assert (2 * runs[:, 2] + 1).sum() == ((2 * z) ** 2 + y**2 + x**2 <= 16).sum()
    assert ball_reach(4.0, (2.0, 1.0, 1.0)) == (2, 4, 4)


def test_a_radius_below_a_voxel_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least the shortest side"):
        SphereParams.of({**PARAMETERS, "radii_um": (0.5, 4.0)}, SCALE)


def test_nothing_is_left_where_all_spheres_are_known() -> None:
    volume, params = crowd((20, 30, 30), 1), SphereParams.of(PARAMETERS, SCALE)
    box, centres = Box.of_shape(volume.shape), Box((0, 8, 5), (12, 20, 30))
    around = volume[(centres.grow(params.reach) & box).within(box)]
    found = search(volume, box, box, params).rows
    inside = np.array([point in centres for point in zip(*(found[name].tolist() for name in "zyx"), strict=True)])
    assert 0 < inside.sum() < len(inside)
    fewer = {name: values[~inside] for name, values in found.items()}
    assert has_candidates(around, centres, box, params, fewer)
    assert not has_candidates(around, centres, box, params, found)
