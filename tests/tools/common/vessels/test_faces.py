"""Vessels leave through faces, edges and corners once, and are no spurs there."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.vessel_lines import thin_runs

from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.tools.common.vessels.network import Network, vessel_network
from voxome.tools.common.vessels.runs import find_runs


def network(mask: np.ndarray, spur_ratio: float = 2.0, *, along_faces: bool = False) -> Network:
    box = Box.of_shape(mask.shape, (5, -3, 100))
    frame = Frame(box, box, (1000.0,) * 3, (0.0,) * 3)
    runs = find_runs(mask, box)
    return vessel_network(runs, thin_runs(runs, frame), frame, spur_ratio, along_faces=along_faces)


def endless(
    shape: tuple[int, int, int], through: tuple[float, ...], axis: tuple[float, ...], radius: float
) -> np.ndarray:
    points = np.stack(np.mgrid[: shape[0], : shape[1], : shape[2]], axis=-1) - np.array(through, float)
    unit = np.array(axis, float) / np.linalg.norm(axis)
    return np.linalg.norm(points - (points @ unit)[..., None] * unit, axis=-1) <= radius


@pytest.mark.parametrize("axis", [(0, 1, 1), (1, 1, 1), (0, 1, 1.2), (1, 1.1, 0.9)])
def test_a_vessel_through_edges_or_corners_is_one_branch(axis: tuple[float, ...]) -> None:
    net = network(endless((40, 40, 40), (19.5, 19.5, 19.5), axis, 4))
    assert net.counts["branches"] == 1
    assert net.nodes["on_face"].all()


def test_a_short_branch_that_leaves_the_volume_is_no_spur() -> None:
    shape = (50, 24, 24)
    mask = endless(shape, (25, 5.5, 12), (1, 0, 0), 3)
    mask |= endless(shape, (25, 5.5, 12), (0, 1, 0), 2) & (np.mgrid[:50, :24, :24][1] <= 5)
    for spur_ratio in (0, 2, 9):
        net = network(mask, spur_ratio)
        assert net.counts["branches"] == 3
        assert net.counts["ends_on_face"] == 3


def test_a_vessel_cut_along_its_length_by_a_face_is_one_branch() -> None:
    mask = endless((60, 20, 20), (30, 1.5, 10), (1, 0, 0), 4)
    net = network(mask)
    assert net.counts["branches"] == 1
    assert net.branches["length_nm"][0] == pytest.approx(60_000, rel=0.02)


@pytest.mark.parametrize("middle", [-3.5, -2, -1, 0.5, 1, 2.5])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [1, -1])
def test_a_vessel_counts_if_its_middle_is_in_the_volume(middle: float, axis: int, side: int) -> None:
    mask = endless((60, 20, 20), (30, middle, 10), (1, 0, 0), 5)[:, ::side]
    mask = np.ascontiguousarray(np.moveaxis(mask, 1, axis))
    net = network(mask)
    assert net.branches["length_nm"].sum() == pytest.approx(0 if middle < -0.5 else 60_000, rel=0.03)
    assert (net.counts["voxels_along_faces"] > 50) == (middle < -0.5)
    assert network(mask, along_faces=True).branches["length_nm"][0] == pytest.approx(60_000, rel=0.03)


@pytest.mark.parametrize("sections", [1, 2, 3])
def test_thin_volumes_keep_the_vessels_in_their_sections(sections: int) -> None:
    mask = endless((sections, 20, 40), ((sections - 1) / 2, 10, 20), (0, 0, 1), 4)
    net = network(mask)
    assert net.counts["branches"] == 1
    assert net.branches["length_nm"][0] == pytest.approx(40_000, rel=0.02)


def test_a_thin_vessel_in_a_face_is_in_the_volume() -> None:
    mask = np.zeros((9, 9, 40), bool)
    mask[0, 4] = True
    assert network(mask).branches["length_nm"] == pytest.approx(40_000, rel=0.01)
