"""Thinning: nothing is deleted altogether, nothing is opened, and lines reach the faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tools.common.vessel_lines import block_lines, thin_runs

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.vessels.runs import fill_voids, find_runs
from voxome.tools.common.vessels.seams import require_agreement

FULL = np.ones((3, 3, 3))
Shape = tuple[int, int, int]


def thinned(
    mask: np.ndarray,
    voxel_size_nm: tuple[float, float, float] = (650.0,) * 3,
    start: tuple[int, int, int] = (5, -3, 100),
    offset_nm: tuple[float, float, float] = (0.0,) * 3,
) -> np.ndarray:
    """The voxels of the centre lines, (n, 3)."""
    box = Box.of_shape(mask.shape, start)
    lines = thin_runs(find_runs(mask, box), Frame(box, box, voxel_size_nm, offset_nm))
    return np.stack([lines[axis] for axis in "zyx"], axis=1).astype(int) - box.start


def degrees(points: np.ndarray) -> list[int]:
    """How many voxels of the lines have 0, 1, 2, … neighbours."""
    apart = np.abs(points[:, None] - points).max(axis=2)
    return np.bincount((apart == 1).sum(axis=1)).tolist()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("width", range(1, 9))
def test_a_straight_column_of_any_width_is_one_line(width: int, shift: int, axis: int) -> None:
    mask = np.zeros((50, 18, 18), bool)
    mask[:, 4 + shift : 4 + shift + width, 5 : 5 + width] = True
    through = thinned(np.moveaxis(mask, 0, axis))
    assert degrees(through) == [0, 2, 48]
    assert np.ptp(through[:, axis]) == 49
    mask[:5] = mask[45:] = False
    inside = thinned(np.moveaxis(mask, 0, axis))
    assert degrees(inside)[1] == 2
    assert len(degrees(inside)) == 3
    assert 40 - width - 1 <= np.ptp(inside[:, axis]) + 1 <= 40


@pytest.mark.parametrize("radius", [1, 1.5, 2, 2.5, 3, 3.5, 5])
@pytest.mark.parametrize("centre", [8, 8.5])
def test_a_cylinder_is_one_line_in_its_middle(radius: float, centre: float) -> None:
    _, y, x = np.mgrid[:40, :17, :17]
    points = thinned(np.hypot(y - centre, x - centre) <= radius)
    assert degrees(points) == [0, 2, 38]
    assert np.abs(points[:, 1:] - centre).max() <= 1


def test_a_torus_is_one_closed_line() -> None:
    z, y, x = np.mgrid[:11, :50, :50]
    torus = (np.hypot(y - 25, x - 25) - 18) ** 2 + (z - 5) ** 2 <= 9
    assert degrees(thinned(torus)) == [0, 0, len(thinned(torus))]


@pytest.mark.parametrize("seed", range(4))
def test_random_masks_keep_their_objects_and_loops(seed: int) -> None:
    noise = np.random.default_rng(seed).random((24, 24, 24))
    mask = ndimage.gaussian_filter(noise, 1.5) > 0.5
    points = thinned(mask)  # compares objects and Euler number
    lines = np.zeros(mask.shape, bool)
    lines[tuple(points.T)] = True
    assert not (lines & ~mask).any()
    assert ndimage.label(lines, FULL)[1] == ndimage.label(mask, FULL)[1]
    assert lines.sum() < mask.sum() / 8


def test_a_void_in_a_cylinder_changes_nothing_once_it_is_filled() -> None:
    z, y, x = np.mgrid[:40, :25, :25]
    mask = (np.hypot(y - 12, x - 12) <= 9) & (z > 2)
    whole = thinned(mask)
    mask[20, 12, 12] = False
    assert len(thinned(mask)) > 5 * len(whole)
    box = Box.of_shape(mask.shape)
    voids = fill_voids(find_runs(mask, box), box)
    lines = thin_runs(voids.runs, Frame(box, box, (650.0,) * 3, (0.0,) * 3))
    assert np.stack([lines[axis] for axis in "zyx"], axis=1).tolist() == whole.tolist()


def test_coarse_sections_give_one_line_too() -> None:
    z, y, _ = np.mgrid[:20, :40, :40]
    points = thinned(np.hypot(3 * (z - 9.5), y - 20) <= 8, (3000.0, 1000.0, 1000.0))
    assert degrees(points) == [0, 2, 38]
    assert np.abs(points[:, 1] - 20).max() <= 1


def vessel_mask() -> np.ndarray:
    """Vessels of several widths that bend and meet."""
    z, y, x = np.mgrid[:60, :60, :60]
    bends = [
        (np.hypot(y - 20 - 6 * np.sin(z / 9), x - 25 - 5 * np.cos(z / 7)) <= 3.2),
        (np.hypot(z - 30 - 7 * np.sin(x / 8), y - 38 - 4 * np.cos(x / 11)) <= 4.1),
        (np.hypot(x - 25 - 5 * np.cos(34 / 7), z - 34 + 0.2 * (y - 20)) <= 2.3) & (y > 20) & (y < 44),
    ]
    return np.logical_or.reduce(bends)


@pytest.mark.parametrize("cut", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 3), (3, 3, 3)])
def test_a_crop_has_the_same_lines_away_from_its_faces(cut: tuple[int, int, int]) -> None:
    mask, margin, zero = vessel_mask(), 14, (0, 0, 0)
    crop = mask[cut[0] :, cut[1] :, cut[2] :]
    whole = thinned(mask, start=zero)
    of_part = thinned(crop, start=cut) + cut
    of_file = thinned(crop, start=zero, offset_nm=tuple(650.0 * n for n in cut)) + cut
    for found in (of_part, of_file):
        inside = [one[((one >= margin) & (one < 60 - margin)).all(axis=1)].tolist() for one in (whole, found)]
        assert inside[0] == inside[1]
        assert len(inside[0]) > 60


def noise_runs(edge: int, sigma: float, seed: int) -> tuple[Rows, Frame]:
    """Smooth noise: vessels of all widths that branch and run along faces."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((edge,) * 3), sigma)
    box = Box.of_shape((edge,) * 3, (5, -3, 101))
    return find_runs(noise > np.quantile(noise, 0.75), box), Frame(box, box, (1000.0,) * 3, (3000.0, 0.0, 1000.0))


@pytest.mark.parametrize("block", [(24, 24, 24), (17, 48, 31), (48, 5, 48)])
def test_lines_are_those_of_one_block_whatever_the_blocks(block: tuple[int, int, int]) -> None:
    runs, frame = noise_runs(48, 2, 3)
    whole, blocks = block_lines(runs, frame), block_lines(runs, frame, block, 14.0)
    require_agreement(blocks["seams"])
    assert len(blocks["seams"]["z"]) > 1
    assert len(whole["seams"]["z"]) == 0
    assert len(whole["lines"]["z"]) > 100
    assert whole["lines"]["leaves"].any()
    for name, values in whole["lines"].items():
        np.testing.assert_array_equal(blocks["lines"][name], values)


@pytest.mark.parametrize("block", [(1, 16, 16), (16, 2, 2)])
def test_faces_between_thin_blocks_are_compared_one_by_one(block: tuple[int, int, int]) -> None:
    runs, frame = noise_runs(16, 1.5, 3)
    whole, blocks = block_lines(runs, frame), block_lines(runs, frame, block)
    require_agreement(blocks["seams"])
    assert len(blocks["seams"]["z"]) > 10
    np.testing.assert_array_equal(blocks["lines"]["distance_nm"], whole["lines"]["distance_nm"])


@pytest.mark.slow
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(10, 22)] * 3),
    block=st.tuples(*[st.integers(1, 9)] * 3),
    size=st.tuples(*[st.sampled_from((333.3, 1000.0, 2500.0))] * 3),
    reach_um=st.floats(1, 8),
)
@settings(max_examples=30)
def test_blocks_that_agree_have_the_lines_of_the_whole(
    seed: int, shape: Shape, block: Shape, size: tuple[float, float, float], reach_um: float
) -> None:
    z, y, x = (max(n, -(-edge // 2)) for n, edge in zip(block, shape, strict=True))
    block = z, y, x
    random = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(random.random(shape), random.uniform(0.7, 2))
    box = Box.of_shape(shape, (5, -3, 101))
    runs = find_runs(noise > np.quantile(noise, random.uniform(0.5, 0.8)), box)
    frame = Frame(box, box, size, (0.0,) * 3)
    whole = block_lines(runs, frame, reach_um=1000.0)["lines"]
    require_agreement(block_lines(runs, frame, block, 1000.0)["seams"])
    try:
        found = block_lines(runs, frame, block, reach_um)
        require_agreement(found["seams"])
    except InvalidInput:
        return
    for name, values in whole.items():
        np.testing.assert_array_equal(found["lines"][name], values)


def test_a_mask_without_background_has_no_radius() -> None:
    box = Box.of_shape((9, 9, 9))
    frame = Frame(box, box, (1000.0,) * 3, (0.0,) * 3)
    with pytest.raises(InvalidInput, match="no background"):
        thin_runs(find_runs(np.ones(box.shape, bool), box), frame)


def test_blocks_that_see_too_little_are_refused_before_lines_differ() -> None:
    runs, frame = noise_runs(48, 2, 3)
    whole = block_lines(runs, frame)["lines"]
    wrong = block_lines(runs, frame, (16, 16, 16), 5.5)
    assert any(not np.array_equal(wrong["lines"][axis], whole[axis]) for axis in "zyx")
    with pytest.raises(InvalidInput, match=r"larger reach_um, or larger blocks"):
        require_agreement(wrong["seams"])
    with pytest.raises(InvalidInput, match=r"wider than what is read around the block.*larger reach_um"):
        block_lines(runs, frame, (16, 16, 16), 2.0)
