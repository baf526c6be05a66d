"""Branches, nodes, lengths and radii of vessels of known shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from tools.common.vessel_lines import thin_runs

from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.tools.common.vessels.network import Network, vessel_network
from voxome.tools.common.vessels.runs import fill_voids, find_runs

ONE_UM = (1000.0, 1000.0, 1000.0)
DIRECTIONS = [(0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 1, 2), (1, 2, 3), (0, 1, 5), (1, 4, 9)]


def network(
    mask: np.ndarray,
    voxel_size_nm: tuple[float, float, float] = ONE_UM,
    spur_ratio: float = 2.0,
    start: tuple[int, int, int] = (5, -3, 100),
    along_faces: bool = False,
) -> Network:
    box = Box.of_shape(mask.shape, start)
    frame = Frame(box, box, voxel_size_nm, (70.0, -30.0, 0.0))
    runs = fill_voids(find_runs(mask, box), box).runs
    return vessel_network(runs, thin_runs(runs, frame), frame, spur_ratio, along_faces=along_faces)


def tube(shape, first, last, radius, size=(1, 1, 1)) -> np.ndarray:
    """A cylinder with flat ends, in micrometres."""
    points = np.stack(np.mgrid[: shape[0], : shape[1], : shape[2]], axis=-1) * np.array(size, float)
    first, last = np.array(first, float), np.array(last, float)
    length = np.linalg.norm(last - first)
    axis = (last - first) / length
    along = (points - first) @ axis
    beside = np.linalg.norm(points - first - along[..., None] * axis, axis=-1)
    return (beside <= radius) & (along >= 0) & (along <= length)


def counts(net: Network) -> dict[str, int]:
    return {name: int(values[0]) for name, values in net.counts.items()}


@pytest.mark.slow
@pytest.mark.parametrize("radius", [2, 3, 5])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_tube_has_its_length_in_any_direction(direction: tuple[int, int, int], radius: float) -> None:
    first = np.array([9.3, 9.4, 9.6])
    last = first + 80 * np.array(direction) / math.hypot(*direction)
    net = network(tube(np.ceil(last + 10).astype(int), first, last, radius))
    assert counts(net) | {"pruned_voxels": 0} == {
        "branches": 1, "nodes": 2, "ends": 2, "ends_on_face": 0, "junctions": 0, "objects": 1, "loops": 0,
        "loops_in_junctions": 0, "pruned_voxels": 0, "voxels_along_faces": 0,
    }  # fmt: skip
    assert 0.98 <= net.branches["length_nm"][0] / 80_000 <= 1.02
    assert abs(net.branches["radius_nm"][0] / 1000 - radius) <= 0.25


@pytest.mark.parametrize("radius", [1.5, 2, 3, 4.5, 6, 8])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 1, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_cylinder_has_its_radius_also_at_a_face(radius: float, size: tuple[int, int, int], axis: int) -> None:
    shape = [math.ceil(24 / size[0]), 24, 24]
    shape[axis] = 40
    first, last = [11.6, 11.6, 11.6], [11.6, 11.6, 11.6]
    first[axis], last[axis] = -100, 500
    net = network(tube(shape, first, last, radius, size), tuple(1000.0 * n for n in size))
    assert counts(net)["branches"] == 1
    assert net.nodes["on_face"].all()
    assert net.branches["length_nm"][0] == pytest.approx(40_000 * size[axis], rel=0.01)
    assert abs(net.branches["radius_nm"][0] / 1000 - radius) <= 0.25
    assert np.abs(net.points["radius_nm"] / 1000 - radius).max() <= 0.25


@pytest.mark.parametrize("width", [3, 4])
def test_columns_of_3_and_4_voxels_have_radii_of_their_own(width: int) -> None:
    mask = np.zeros((40, 12, 12), bool)
    mask[:, 4 : 4 + width, 4 : 4 + width] = True
    assert network(mask).branches["radius_nm"][0] == pytest.approx(1000 * width / math.sqrt(math.pi), rel=0.01)


@pytest.mark.parametrize("thickness", [200.0, 1000.0, 50_000.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_radius_in_a_single_section_is_half_the_width(axis: int, thickness: float) -> None:
    y, x = np.mgrid[:40, :60]
    for flat, width, length in (
        (np.abs(y - 20) <= 3, 7, 60),
        (np.abs(x - y) <= 3, 7 / math.sqrt(2), 40 * math.sqrt(2)),
    ):
        size = [1000.0, 1000.0, 1000.0]
        size[axis] = thickness
        net = network(np.expand_dims(flat, axis), (size[0], size[1], size[2]))
        assert counts(net)["branches"] == 1
        assert net.branches["radius_nm"][0] / 1000 == pytest.approx(width / 2, rel=0.03)
        assert net.branches["length_nm"][0] / 1000 == pytest.approx(length, rel=0.03)
        place = 5 * thickness + 70 if axis == 0 else -3 * thickness - 30
        np.testing.assert_allclose(net.points["zyx"[axis] + "_nm"], place)


def test_a_torus_is_one_closed_branch() -> None:
    z, y, x = np.mgrid[:11, :50, :50]
    net = network((np.hypot(y - 25, x - 25) - 18) ** 2 + (z - 5) ** 2 <= 9)
    assert (counts(net)["branches"], counts(net)["nodes"], counts(net)["loops"]) == (1, 1, 1)
    assert net.branches["source"] == net.branches["target"] == 1
    assert net.branches["chord_nm"] == 0
    assert net.branches["length_nm"][0] == pytest.approx(2 * math.pi * 18_000, rel=0.05)
    assert net.branches["radius_nm"][0] == pytest.approx(3000, rel=0.05)


def test_a_square_ring_of_16_voxels_is_one_closed_branch() -> None:
    mask = np.zeros((3, 9, 9), bool)
    mask[1, 2:7, 2:7] = True
    mask[1, 3:6, 3:6] = False
    net = network(mask)
    assert counts(net)["branches"] == counts(net)["loops"] == 1


def test_loops_between_the_same_junctions_are_branches_of_their_own() -> None:
    z, y, x = np.mgrid[:11, :50, :80]
    ring = (np.hypot(y - 25, x - 40) - 16) ** 2 + (z - 5) ** 2 <= 6
    bar = (y - 25) ** 2 + (z - 5) ** 2 <= 6
    net = network(ring | bar)
    assert counts(net) | {"pruned_voxels": 0} == {
        "branches": 5, "nodes": 4, "ends": 2, "ends_on_face": 2, "junctions": 2, "objects": 1, "loops": 2,
        "loops_in_junctions": 0, "pruned_voxels": 0, "voxels_along_faces": 0,
    }  # fmt: skip
    assert sorted(net.nodes["degree"].tolist()) == [1, 1, 4, 4]


@pytest.mark.parametrize("turn", range(4))
def test_a_fork_has_one_junction_at_its_place_and_its_length_in_any_orientation(turn: int) -> None:
    trunk = tube((12, 60, 60), (6, 30, -9), (6, 30, 30), 3)
    arms = tube((12, 60, 60), (6, 30, 30), (6, 75, 52), 3) | tube((12, 60, 60), (6, 30, 30), (6, -15, 52), 3)
    net = network(np.ascontiguousarray(np.rot90(trunk | arms, turn, axes=(1, 2))), start=(0, 0, 0))
    assert (counts(net)["branches"], counts(net)["junctions"], counts(net)["ends_on_face"]) == (3, 1, 3)
    junction = np.flatnonzero(net.nodes["degree"] == 3)[0]
    expected = {0: (30, 30), 1: (29, 30), 2: (29, 29), 3: (30, 29)}[turn]
    found = [net.nodes[f"{axis}_nm"][junction] / 1000 for axis in "yx"]
    assert math.dist(found, expected) < 3.2
    arm = 30 / math.cos(math.atan2(22, 45))
    assert net.branches["length_nm"].sum() / 1000 == pytest.approx(30.5 + 2 * arm, rel=0.05)
    assert net.branches["length_nm"].sum() == pytest.approx(97_480, rel=1e-3)  # the same for every turn
    np.testing.assert_allclose(net.branches["radius_nm"], 3000, atol=300)


@pytest.mark.parametrize("seed", range(3))
def test_bumps_are_no_branches(seed: int) -> None:
    mask = np.pad(tube((50, 17, 17), (-9, 8, 8), (99, 8, 8), 4), ((0, 0), (3, 3), (3, 3)))
    surface = ndimage.binary_dilation(mask) & ~mask
    surface[:3] = surface[-3:] = False
    places = np.argwhere(surface)
    chosen = np.random.default_rng(seed).choice(len(places), 25, replace=False)
    mask[tuple(places[chosen].T)] = True
    net = network(mask)
    assert (counts(net)["branches"], counts(net)["ends_on_face"]) == (1, 2)
    assert net.branches["length_nm"][0] == pytest.approx(50_000, rel=0.02)


@pytest.mark.parametrize("length", [4, 9])
def test_a_side_branch_is_a_spur_by_its_length_in_radii(length: int) -> None:
    mask = tube((40, 40, 15), (-9, 10, 7), (99, 10, 7), 4) | tube((40, 40, 15), (20, 10, 7), (20, 14 + length, 7), 1)
    branches = {ratio: counts(network(mask, spur_ratio=ratio))["branches"] for ratio in (0, 2.5, 9)}
    assert branches == {0: 3, 2.5: 3 if length == 9 else 1, 9: 1}


def test_a_vessel_of_spurs_only_keeps_two_ends() -> None:
    z, y, x = np.mgrid[:21, :21, :21] - 10
    star = np.maximum(np.maximum(abs(z) + abs(y), abs(y) + abs(x)), abs(x) + abs(z)) <= 7
    net = network(star, spur_ratio=50)
    assert (counts(net)["branches"], counts(net)["nodes"]) == (1, 2)


def test_a_blob_has_no_junctions() -> None:
    z, y, x = np.mgrid[:15, :15, :15]
    net = network((z - 7) ** 2 + (y - 7) ** 2 + (x - 7) ** 2 <= 16)
    assert (counts(net)["junctions"], counts(net)["objects"]) == (0, 1)
    assert net.branches["length_nm"].sum() <= 9000


def test_a_single_voxel_is_a_node_without_branches() -> None:
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    net = network(mask)
    assert (counts(net)["branches"], counts(net)["nodes"], counts(net)["objects"]) == (0, 1, 1)
    assert len(net.points["branch_id"]) == 0


def test_no_vessels_give_empty_tables() -> None:
    net = network(np.zeros((9, 9, 9), bool))
    assert set(counts(net).values()) == {0}
    assert all(len(column) == 0 for table in (net.branches, net.nodes, net.points) for column in table.values())


@pytest.mark.slow
@pytest.mark.parametrize("spur_ratio", [0, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_pruning_keeps_objects_and_loops_of_random_masks(seed: int, spur_ratio: float) -> None:
    noise = np.random.default_rng(seed).random((28, 26, 30))
    net = network(ndimage.gaussian_filter(noise, 1.7) > 0.5, spur_ratio=spur_ratio, along_faces=True)
    assert counts(net)["loops"] > 5
    assert counts(net)["loops_in_junctions"] == 0
    assert net.points["length_nm"].sum() == pytest.approx(net.branches["length_nm"].sum())
    assert (net.branches["chord_nm"] <= net.branches["length_nm"] * (1 + 1e-9)).all()
    assert (net.branches["radius_nm"] > 0).all()
    assert (net.points["radius_nm"] > 0).all()


def test_the_position_is_that_of_the_volume() -> None:
    net = network(tube((12, 14, 40), (6, 7, -9), (6, 7, 99), 3))
    assert net.nodes["z_nm"] == pytest.approx([11_070, 11_070])
    assert net.nodes["y_nm"] == pytest.approx([3_970, 3_970])
    assert net.nodes["x_nm"] == pytest.approx([99_500, 139_500], abs=101)
