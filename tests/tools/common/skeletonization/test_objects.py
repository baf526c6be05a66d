"""Skeletons of objects whose centre lines are known, whole and in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools.common.skeletonization.blockwise import Shape, Size, labels_at, shape_of, skeletonize
from tools.common.skeletonization.tubes import draw_tube, length_nm

SIZES: list[Size] = [(16, 16, 16), (40, 16, 16), (5.24, 4.0, 3.7)]
BLOCKS = [32, 64]
LINE = [(10, 12, 14), (118, 90, 70)]
CURVE = [(20 + 108 * t, 60 + 15 * np.sin(9.4 * t), 60 + 15 * np.cos(6.3 * t)) for t in np.linspace(0, 1, 200)]
FORK = [[(10, 64, 64), (64, 64, 64), (118, 20, 30)], [(64, 64, 64), (110, 110, 100)]]


def tube(lines: list[Any], radius: float, size_nm: Size) -> tuple[np.ndarray, float]:
    """Return labels of 128³ cubes of the shortest edge of a voxel, and the cable to the surface at the ends in nm."""
    unit = min(size_nm)
    labels = np.zeros([int(np.ceil(128 * unit / size)) for size in size_nm], np.uint64)
    for line in lines:
        draw_tube(labels, np.multiply(line, unit), radius * unit, size_nm, label=7)
    ends = len(lines) + 1
    return labels, sum(length_nm(np.multiply(line, unit)) for line in lines) + ends * radius * unit


@pytest.mark.slow
@pytest.mark.parametrize("size_nm", SIZES)
@pytest.mark.parametrize("radius", [1.2, 2, 5])
@pytest.mark.parametrize("line", [LINE, CURVE, [(10, 40, 40), (118, 40, 40)]], ids=["oblique", "curved", "straight"])
def test_a_tube_has_the_length_of_its_centre_line(line: list[Any], radius: float, size_nm: Size) -> None:
    labels, truth = tube([line], radius, size_nm)
    for block in [1000, *BLOCKS]:
        found = skeletonize(labels, size_nm, block)[7]
        assert found.length_nm == pytest.approx(truth, rel=0.05)
        assert shape_of(found) == Shape(parts=1, branch_points=0, end_points=2, cycles=0)
        assert labels_at(found, labels, size_nm) == [7]


@pytest.mark.slow
@pytest.mark.parametrize("size_nm", SIZES[:2])
@pytest.mark.parametrize("radius", [1.2, 5, 8])
def test_a_fork_on_the_planes_between_blocks_is_one_branch_without_ticks(radius: float, size_nm: Size) -> None:
    labels, truth = tube(FORK, radius, size_nm)
    whole = skeletonize(labels, size_nm)[7]
    assert whole.length_nm == pytest.approx(truth, rel=0.05)
    for block in BLOCKS:
        found = skeletonize(labels, size_nm, block)[7]
        assert found.length_nm == pytest.approx(whole.length_nm, rel=0.02)
        assert shape_of(found) == shape_of(whole) == Shape(parts=1, branch_points=1, end_points=3, cycles=0)
        assert labels_at(found, labels, size_nm) == [7]


@pytest.mark.slow
def test_a_phantom_has_the_same_branches_in_isotropic_and_anisotropic_voxels() -> None:
    lengths = []
    for size_nm in [(16, 16, 16), (40, 16, 16)]:
        found = skeletonize(tube(FORK, 4, size_nm)[0], size_nm)[7]
        lengths.append(found.length_nm)
        assert shape_of(found).branch_points == 1
    assert lengths[0] == pytest.approx(lengths[1], rel=0.05)


def test_a_line_of_voxels_has_nodes_at_their_centres() -> None:
    labels = np.zeros((5, 5, 20), np.uint64)
    labels[2, 2, 3:17] = 2**63 + 5
    found = skeletonize(labels, (40, 16, 16))[2**63 + 5]
    assert sorted(found.nodes_nm.tolist()) == [[100.0, 40.0, 16 * (x + 0.5)] for x in range(3, 17)]
    assert set(found.radii_nm.tolist()) == {8.0}


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3)])
def test_an_object_of_one_voxel_is_one_node(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.uint64)
    middle = tuple(n // 2 for n in shape)
    labels[middle] = 9
    found = skeletonize(labels, (40, 16, 8))[9]
    assert found.nodes_nm.tolist() == [[(middle[0] + 0.5) * 40, (middle[1] + 0.5) * 16, (middle[2] + 0.5) * 8]]
    assert found.edges.shape == (0, 2)
    assert 0 < found.radii_nm[0] < np.inf


@pytest.mark.slow
@pytest.mark.parametrize("block", [16, 1000])
def test_a_volume_full_of_one_label_has_a_skeleton(block: int) -> None:
    found = skeletonize(np.full((40, 40, 40), 3, np.uint64), (16, 16, 16), block)[3]
    assert np.isfinite(found.nodes_nm).all()
    assert np.isfinite(found.radii_nm).all()
    assert shape_of(found).parts == 1


@pytest.mark.parametrize("block", [24, 1000])
def test_parts_of_a_label_are_its_26_connected_components(block: int) -> None:
    labels = np.zeros((50, 50, 50), np.uint64)
    labels[2:48, 5, 5] = 4
    labels[2:48, 40, 40] = 4
    for n in range(10, 35):
        labels[n, n, n] = 4  # touches at corners only, across the corners of blocks too
    found = skeletonize(labels, (10, 10, 10), block)[4]
    assert shape_of(found) == Shape(parts=3, branch_points=0, end_points=6, cycles=0)


def test_neighbouring_ids_beyond_doubles_stay_apart() -> None:
    ids = [2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2]
    labels = np.zeros((9, 9, 20), np.uint64)
    for row, id in enumerate(ids):
        labels[2 * row, 2 * row, 2:18] = id
    assert sorted(skeletonize(labels, (10, 10, 10), 8)) == ids


@pytest.fixture(scope="module")
def soma() -> np.ndarray:
    """Return a ball of radius 5 µm with three tubes, in voxels of 100 nm."""
    labels = np.zeros((160, 150, 140), np.uint64)
    centre = np.array((8000.0, 7000.0, 6500.0))
    draw_tube(labels, [centre, centre + 1], 5000, (100, 100, 100), label=7)
    for end in [(500, 7000, 6500), (15500, 9000, 7000), (9000, 14500, 2000)]:
        draw_tube(labels, [centre, end], 400, (100, 100, 100), label=7)
    return labels


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("block", [1000, 64])
def test_a_soma_is_the_root_which_three_branches_leave_straight(soma: np.ndarray, block: int) -> None:
    found = skeletonize(soma, (100, 100, 100), block)[7]
    root = int(np.flatnonzero(found.parents < 0)[0])
    from_centre = np.linalg.norm(found.nodes_nm - (8000, 7000, 6500), axis=1)
    assert from_centre[root] < 500
    assert found.radii_nm[root] == pytest.approx(5000, rel=0.1)
    assert (found.edges[:, 1] == root).sum() == 3
    assert (from_centre < 4500).sum() == 1, "no branch runs inside the ball"
    assert shape_of(found) == Shape(parts=1, branch_points=1, end_points=3, cycles=0)
