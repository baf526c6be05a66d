"""Areas of cross-sections of cylinders."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.skeletonization.blockwise import skeletonize

from voxome.tools.common.skeletonization.cross_sections import section_areas, tangents

Size = tuple[float, float, float]


def cylinder(axis: tuple[float, ...], radii: tuple[float, float], size_nm: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return a cylinder of 1600 nm through the middle of a volume of 2000 nm, an ellipse across, and its axis."""
    shape = [round(2000 / size) for size in size_nm]
    place = (np.stack(np.indices(shape), axis=-1) + 0.5) * size_nm - 1000
    along = np.array(axis) / np.linalg.norm(axis)
    first = np.cross(along, (0.3, 0.5, -0.8))
    first /= np.linalg.norm(first)
    across = place @ first / radii[0], place @ np.cross(along, first) / radii[1]
    return (across[0] ** 2 + across[1] ** 2 <= 1) & (np.abs(place @ along) < 800), along


@pytest.mark.slow
@pytest.mark.parametrize("size_nm", [(16.0, 16.0, 16.0), (40.0, 16.0, 16.0)])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, 1), (1, 2, 3), (1, 1, 0)])
@pytest.mark.parametrize("radii", [(200, 200), (150, 300)])
def test_a_section_has_the_area_of_the_ellipse(
    axis: tuple[float, ...], radii: tuple[float, float], size_nm: Size
) -> None:
    mask, along = cylinder(axis, radii, size_nm)
    positions = 1000 + np.arange(-300, 301, 53)[:, None] * along
    reach = np.full((len(positions), 3), 60)
    normals = np.tile(along, (len(positions), 1))
    areas = section_areas(mask, positions, normals, reach, np.array(size_nm))
    assert areas.mean() == pytest.approx(np.pi * radii[0] * radii[1], rel=0.02)
    assert np.abs(areas / areas.mean() - 1).max() < 0.05
    padded = section_areas(np.pad(mask, 5), positions + 5 * np.array(size_nm), normals, reach, np.array(size_nm))
    assert np.allclose(padded, areas)


@pytest.mark.slow
def test_a_section_that_leaves_what_is_seen_is_nan() -> None:
    mask, along = cylinder((1, 0, 0), (200, 200), (16.0, 16.0, 16.0))
    middle, size = np.full((1, 3), 1000.0), np.full(3, 16.0)
    assert np.isnan(section_areas(mask, middle, along[None], np.full((1, 3), 10), size)).all()
    assert np.isnan(section_areas(mask[:, 55:], middle - (0, 880, 0), along[None], np.full((1, 3), 60), size)).all()


@pytest.mark.slow
def test_tangents_follow_a_tube() -> None:
    mask, along = cylinder((1, 2, 3), (150, 150), (40.0, 16.0, 16.0))
    found = skeletonize(mask.astype(np.uint64), (40.0, 16.0, 16.0))[1]
    middle = np.abs((found.nodes_nm - 1000) @ along) < 500
    assert (np.abs(tangents(found, (40.0, 16.0, 16.0))[middle] @ along) > 0.98).all()
