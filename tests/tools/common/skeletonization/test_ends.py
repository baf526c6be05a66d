"""Ends of the skeletons of cylinders."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.skeletonization.blockwise import Size, labels_at, skeletonize

from voxome.tools.common.skeletonization.cross_sections import doubtful, section_areas, tangents

RADIUS_NM, LENGTH_NM = 200.0, 800.0


def cylinder(axis: tuple[float, ...], size_nm: Size) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Return a cylinder with flat ends in the middle of a volume, and its direction."""
    along = np.array(axis) / np.linalg.norm(axis)
    size = np.array(size_nm)
    extent = np.abs(along) * LENGTH_NM + 2 * RADIUS_NM * np.sqrt(1 - along**2) + 6 * size
    shape = np.ceil(extent / size).astype(int)
    place = (np.stack(np.indices(shape), axis=-1) + 0.5) * size - shape * size / 2
    inside = (np.abs(place @ along) <= LENGTH_NM / 2) & ((place**2).sum(axis=-1) - (place @ along) ** 2 <= RADIUS_NM**2)
    return inside.astype(np.uint64), along


@pytest.mark.parametrize("size_nm", [(20.0, 20.0, 20.0), (40.0, 10.0, 10.0)])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, 1), (1, 2, 3)])
def test_the_ends_of_a_thick_cylinder_run_along_its_axis(axis: tuple[float, ...], size_nm: Size) -> None:
    labels, along = cylinder(axis, size_nm)
    found = skeletonize(labels, size_nm)[1]
    assert found.length_nm == pytest.approx(LENGTH_NM, rel=0.05)
    assert labels_at(found, labels, size_nm) == [1]
    away = found.nodes_nm - np.array(labels.shape) * size_nm / 2
    assert np.linalg.norm(away - (away @ along)[:, None] * along, axis=1).max() < 60


@pytest.mark.parametrize("size_nm", [(20.0, 20.0, 20.0), (40.0, 10.0, 10.0)])
def test_sections_near_an_end_are_those_of_the_cylinder_or_unknown(size_nm: Size) -> None:
    labels, _ = cylinder((1, 2, 3), size_nm)
    found = skeletonize(labels, size_nm)[1]
    directions = tangents(found, size_nm)
    wrong = doubtful(found, directions, size_nm)
    directions[wrong] = np.nan
    reach = np.full((len(directions), 3), 90)
    padded = found.nodes_nm + 5 * np.array(size_nm)
    areas = section_areas(np.pad(labels > 0, 5), padded, directions, reach, np.array(size_nm))
    assert (np.isnan(areas) == wrong).all()
    assert 0 < wrong.mean() < 0.25
    assert np.abs(areas[~wrong] / (np.pi * RADIUS_NM**2) - 1).max() < 0.1


def test_no_node_leaves_what_was_traced() -> None:
    labels, _ = cylinder((1, 2, 3), (20.0, 20.0, 20.0))
    for cut in (slice(8, None), slice(None, -12)):
        part = np.ascontiguousarray(labels[:, :, cut])
        nodes = skeletonize(part, (20.0, 20.0, 20.0))[1].nodes_nm
        assert ((nodes >= 0) & (nodes < np.array(part.shape) * 20)).all()
