"""Splits, in the coarser levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.services.proofreading.session import Session

LEVELS = (0, 1, 2)
FACTOR = 2


def solid() -> NDArray[np.uint64]:
    """Return one supervoxel that fills the volume."""
    return np.ones((8, 10, 70), np.uint64)


def mixed() -> NDArray[np.uint64]:
    """Return a supervoxel (1) with many others in and around it, of which no coarser voxel is sure."""
    choose = np.random.default_rng(1)
    labels = np.full((12, 14, 70), 9, np.uint64)
    labels[2:11, 3:12, 5:65] = 1
    noise = (choose.random(labels.shape) < 0.4) & (labels == 1)
    labels[noise] = choose.integers(2, 9, noise.sum())
    labels[6, 7, 5:65] = 1
    return labels


def open_session(folder: Path, labels: NDArray[np.uint64], start: tuple[int, int, int] = (0, 0, 0)) -> Session:
    """Return a session on labels with a pyramid."""
    uri = write_pyramid(folder / "labels.zarr", labels, start)
    session = voxome.proofread(uri, folder / "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    return session


def write_pyramid(path: Path, labels: NDArray[np.uint64], start: tuple[int, ...]) -> str:
    spec = voxome.VolumeSpec.of(labels.shape, "uint64", kind="labels", start=start, voxel_size_nm=(10, 10, 10))
    voxome.create(f"zarr://{path}", spec)
    voxome.open(f"zarr://{path}", mode="r+")[...] = labels
    voxome.downsample(f"zarr://{path}", levels=3, factors=(FACTOR,) * 3)
    return f"zarr://{path}"


def levels_of(volume: voxome.Volume) -> list[NDArray[np.uint64]]:
    return [volume.level(number)[...] for number in LEVELS]


def assert_levels(volume: voxome.Volume, expected: list[NDArray[np.uint64]]) -> None:
    for one, other in zip(levels_of(volume), expected, strict=True):
        assert np.array_equal(one, other)


def assert_most_frequent_parts(session: Session) -> None:
    """Compare the coarser levels with the segments of the voxels that their supervoxel has in the finest one."""
    start, now = voxome.open(session.store.uri, expect=voxome.Volume), session.volume
    domain, fine, segments = start.domain, start[...], now[...]
    for number in LEVELS[1:]:
        scale, coarse, shown = (FACTOR**number,) * 3, start.level(number), now.level(number)[...]
        for cell in np.argwhere(shown > 0).tolist():
            at = voxome.Box.of_shape((1, 1, 1), np.add(cell, coarse.domain.start).tolist()).refine(scale) & domain
            inside = at.within(domain)
            parts = segments[inside][fine[inside] == coarse[...][tuple(cell)]]
            ids, counts = np.unique(parts, return_counts=True)
            assert shown[tuple(cell)] == ids[int(np.argmax(counts))]


@pytest.mark.slow
@pytest.mark.parametrize("start", [(0, 0, 0), (0, 0, 1), (3, 5, 7)])
def test_a_coarser_voxel_shows_the_most_frequent_part_of_its_supervoxel(
    tmp_path: Path, start: tuple[int, int, int]
) -> None:
    session = open_session(tmp_path, mixed(), start)
    session.split(1, [np.add((6, 7, 6), start)], [np.add((6, 7, 62), start)])
    assert_most_frequent_parts(session)


@pytest.mark.slow
@pytest.mark.parametrize("start", [(0, 0, 0), (0, 0, 1), (3, 5, 7)])
def test_coarse_levels_of_a_split_are_those_of_a_downsampling(tmp_path: Path, start: tuple[int, int, int]) -> None:
    session = open_session(tmp_path, solid(), start)
    session.split(1, [np.add((4, 5, 4), start)], [np.add((4, 5, 63), start)])
    again = write_pyramid(tmp_path / "again.zarr", session.volume[...], start)
    assert_levels(session.volume, levels_of(voxome.open(again, expect=voxome.Volume)))


@pytest.mark.slow
def test_a_split_changes_no_level_of_other_branches_and_versions(tmp_path: Path) -> None:
    session = open_session(tmp_path, mixed())
    other = session.create_branch("other")
    session.name_version("begin")
    before = levels_of(session.volume)
    session.split(1, [(6, 7, 6)], [(6, 7, 62)])
    after = levels_of(session.volume)
    assert all((one != then).any() for one, then in zip(after, before, strict=True))
    others = [f"{session.uri}&version=begin", f"{session.uri}&version=0", other.uri]
    for uri in others:
        assert_levels(voxome.open(uri, expect=voxome.Volume), before)
    session.undo()
    assert_levels(session.volume, before)
    session.redo()
    assert_levels(session.volume, after)
    other.split(1, [(6, 7, 6)], [(6, 7, 30)])
    assert_levels(session.volume, after)
    other.undo()
    assert_levels(other.volume, before)


@pytest.mark.slow
def test_a_supervoxel_is_divided_elsewhere_after_an_undo(tmp_path: Path) -> None:
    session = open_session(tmp_path, solid())
    session.split(1, [(4, 5, 4)], [(4, 5, 63)])
    session.undo()
    session.split(1, [(0, 5, 35)], [(7, 5, 35)])
    assert_most_frequent_parts(session)


def test_coarser_voxels_are_whole_at_the_edge_of_a_box(tmp_path: Path) -> None:
    session = open_session(tmp_path, solid())
    session.split(1, [(4, 5, 2)], [(4, 5, 15)], box="0:8,0:10,0:17")
    assert_most_frequent_parts(session)
    again = write_pyramid(tmp_path / "again.zarr", session.volume[...], (0, 0, 0))
    assert_levels(session.volume, levels_of(voxome.open(again, expect=voxome.Volume)))
