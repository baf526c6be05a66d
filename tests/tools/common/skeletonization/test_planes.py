"""Skeletons do not depend on where an object lies relative to the planes between cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from tools.common.skeletonization.blockwise import Shape, Size, labels_at, shape_of, skeletonize_at
from tools.common.skeletonization.tubes import draw_tube, length_nm

pytestmark = pytest.mark.slow

Place = tuple[int, int, int]
TUBE = Shape(parts=1, branch_points=0, end_points=2, cycles=0)
FORK = Shape(parts=1, branch_points=1, end_points=3, cycles=0)
ISOTROPIC, FLAT = (16.0, 16.0, 16.0), (40.0, 16.0, 16.0)


def draw(lines_nm: Iterable[ArrayLike], radius_nm: float, size_nm: Size) -> NDArray[np.uint64]:
    """Return labels of tubes with a margin of two voxels."""
    ends = np.concatenate([np.asarray(line, float) for line in lines_nm])
    low = np.floor((ends.min(axis=0) - radius_nm) / size_nm) - 2
    high = np.ceil((ends.max(axis=0) + radius_nm) / size_nm) + 2
    labels = np.zeros((high - low).astype(int), np.uint64)
    for line in lines_nm:
        draw_tube(labels, np.asarray(line, float) - low * size_nm, radius_nm, size_nm, label=7)
    return labels


def check(labels: NDArray[np.uint64], places: Iterable[Place], size_nm: Size, shape: Shape, truth_nm: float) -> None:
    """Compare the skeletons of an object at places with that of one piece, and with its centre line.

    Ends are on voxels, so that the cable of such small objects may differ by a voxel at both.
    """
    whole = skeletonize_at(labels, (0, 0, 0), size_nm, cell=False)
    assert shape_of(whole) == shape
    assert whole.length_nm == pytest.approx(truth_nm, rel=0.05)
    for place in places:
        found = skeletonize_at(labels, place, size_nm)
        assert shape_of(found) == shape, place
        assert found.length_nm == pytest.approx(whole.length_nm, rel=0.02, abs=2 * max(size_nm)), place
        assert found.length_nm == pytest.approx(truth_nm, rel=0.05), place
        steps = np.abs(found.nodes_nm[found.edges[:, 0]] - found.nodes_nm[found.edges[:, 1]])
        assert (steps <= 2 * np.array(size_nm)).all(), place
        inside = np.array(place) * size_nm
        moved = type(found)(found.nodes_nm - inside, found.edges, found.radii_nm)
        assert labels_at(moved, labels, size_nm) == [7], place


@pytest.mark.parametrize("size_nm", [ISOTROPIC, FLAT])
@pytest.mark.parametrize("radius_nm", [48, 96, 160, 192, 224])
def test_a_tube_along_a_plane_is_traced_once(radius_nm: float, size_nm: Size) -> None:
    line = np.multiply([(20, 20, 14), (20, 20, 95)], 16)
    labels = draw([line], radius_nm, size_nm)
    check(labels, [(0, y, 0) for y in range(98, 129, 2)], size_nm, TUBE, length_nm(line) + 2 * radius_nm)


@pytest.mark.parametrize("rise", [2, 4, 8, 16])
def test_a_tube_that_crosses_a_plane_slowly_is_traced_once(rise: int) -> None:
    line = np.multiply([(20, 20, 14), (20, 20 + rise, 95)], 16)
    check(draw([line], 192, ISOTROPIC), [(0, y, 0) for y in range(86, 125, 3)], ISOTROPIC, TUBE, length_nm(line) + 384)


def test_a_tube_along_the_edge_of_four_cells_is_traced_once() -> None:
    line = np.multiply([(20, 20, 14), (20, 20, 95)], 16)
    places = [(z, y, 60) for z in range(102, 123, 5) for y in range(104, 121, 4)]
    check(draw([line], 192, ISOTROPIC), places, ISOTROPIC, TUBE, length_nm(line) + 384)


@pytest.mark.parametrize("radius_nm", [64, 96, 128])
def test_a_fork_has_one_branch_wherever_planes_are(radius_nm: float) -> None:
    lines = [np.multiply(one, 16) for one in ([(20, 30, 0), (20, 30, 80), (20, 0, 170)], [(20, 30, 80), (20, 65, 165)])]
    places = [(z, y, x) for z in (0, 115) for y in (0, 90, 100, 105) for x in (0, 32, 48, 64, 90)]
    truth = sum(map(length_nm, lines)) + 3 * radius_nm
    check(draw(lines, radius_nm, ISOTROPIC), places, ISOTROPIC, FORK, truth)


@st.composite
def tubes(draw_from: st.DrawFn) -> tuple[NDArray[np.float64], float, Size, Place]:
    """Return a line in a random direction, the radius around it, the voxel size and a place."""
    size_nm = draw_from(st.sampled_from([ISOTROPIC, FLAT, (5.24, 4.0, 3.7)]))
    unit = min(size_nm)
    direction = np.array([draw_from(st.integers(-10, 10)) for _ in range(2)] + [10.0])
    line = np.stack([np.zeros(3), direction / np.linalg.norm(direction) * unit * draw_from(st.integers(90, 130))])
    radius = draw_from(st.integers(3, 14)) * unit
    place = tuple(draw_from(st.integers(0, 127)) for _ in range(3))
    return line, radius, size_nm, (place[0], place[1], place[2])


@given(tubes())
def test_any_tube_anywhere_has_the_length_of_its_centre_line(
    tube: tuple[NDArray[np.float64], float, Size, Place],
) -> None:
    line, radius, size_nm, place = tube
    check(draw([line], radius, size_nm), [place], size_nm, TUBE, length_nm(line) + 2 * radius)


@pytest.fixture(scope="module")
def soma() -> NDArray[np.uint64]:
    """Return a ball of radius 2.4 µm with three neurites along the axes, in voxels of 80 nm; its centre is at 32."""
    labels = np.zeros((112, 112, 112), np.uint64)
    centre = np.full(3, 32.5 * 80)
    draw_tube(labels, [centre, centre + 1], 2400, (80, 80, 80), label=7)
    for end in 75 * 80 * np.eye(3):
        draw_tube(labels, [centre, centre + end], 400, (80, 80, 80), label=7)
    return labels


def test_a_soma_with_neurites_along_planes_has_three_branches_anywhere(soma: NDArray[np.uint64]) -> None:
    places = [(28, 28, 28), (96, 96, 96), (88, 100, 94), (94, 28, 28), (92, 92, 28), (58, 68, 78)]
    truth = 3 * (75 * 80 + 400)
    whole = skeletonize_at(soma, (0, 0, 0), (80, 80, 80), cell=False)
    for place in places:
        found = skeletonize_at(soma, place, (80, 80, 80))
        assert shape_of(found) == FORK
        assert found.length_nm == pytest.approx(whole.length_nm, rel=0.02)
        assert found.length_nm == pytest.approx(truth, rel=0.08), "it begins in the middle as found, not in the centre"


@pytest.mark.parametrize("gap", [1, 2])
def test_arms_of_a_hairpin_are_not_joined_across_the_voxels_between_them(gap: int) -> None:
    labels = np.zeros((16, 30, 140), np.uint64)
    for start in (4, 11 + gap):
        labels[4:10, start : start + 7, 4:130] = 7
    labels[4:10, 4 : 18 + gap, 124:130] = 7
    whole = skeletonize_at(labels, (0, 0, 0), ISOTROPIC, cell=False)
    for place in [(0, 112, 30), (0, 114, 30), (0, 117, 64), (0, 118, 30), (121, 116, 30)]:
        found = skeletonize_at(labels, place, ISOTROPIC)
        assert shape_of(found) == TUBE
        assert found.length_nm == pytest.approx(whole.length_nm, rel=0.03)
