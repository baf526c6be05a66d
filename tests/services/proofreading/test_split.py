"""Splits, in the graph of supervoxels and in the voxels."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from scipy import ndimage

import voxome
from voxome.errors import EditConflict, InvalidInput, UnknownName
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.split import SplitPlan, Way
from voxome.services.proofreading.tables import CHUNKS

CHAIN = np.repeat(np.arange(1, 7, dtype=np.uint64), 4).reshape(1, 1, 24)
"""Six supervoxels in a row."""
CENTRES = [[0, 0, 4 * at + 1] for at in range(6)]


def dumbbell() -> NDArray[np.uint64]:
    """Return two balls that are joined by a thin bridge (id 5), beside another object (id 9), in several chunks."""
    z, y, x = np.mgrid[:24, :24, :140]
    balls = [(z - 12) ** 2 + (y - 12) ** 2 + (x - at) ** 2 < 9**2 for at in (25, 120)]
    bridge = ((z - 12) ** 2 + (y - 12) ** 2 < 2**2) & (x > 25) & (x < 120)
    labels = np.where(balls[0] | balls[1] | bridge, 5, 0)
    labels[:2] = 9
    return labels.astype(np.uint64)


A, B = [[12, 12, 20], [14, 12, 30]], [[12, 12, 122]]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Session on the dumbbell, in a zarr with a pyramid."""
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.transfer(dumbbell(), uri, levels=3, chunk=(32, 32, 32), voxel_size_nm=(10, 10, 10))
    opened = voxome.proofread(uri, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(opened, Session)
    return opened


def chain(path: Path, affinities: list[float] | None = None, pairs: list[tuple[int, int]] | None = None) -> Session:
    """Return a session on one segment of six supervoxels in a row, with edges."""
    ends = np.array(pairs or [(at, at + 1) for at in range(1, 6)])
    edges = (ends[:, 0], ends[:, 1], np.array(affinities or [0.9, 0.8, 0.1, 0.8, 0.9]))
    session = voxome.proofread(CHAIN, path / "edits.sqlite", author="ann", edges=edges)
    assert isinstance(session, Session)
    session.merge([1, 2, 3, 4, 5, 6])
    return session


def test_the_smallest_cut_divides_the_graph(tmp_path: Path) -> None:
    session = chain(tmp_path)
    plan = session.preview_split(1, [CENTRES[0]], [CENTRES[5]])
    assert (plan.way, plan.kept.tolist(), plan.moved.tolist()) == ("graph", [1, 2, 3], [4, 5, 6])
    operation = session.split(1, [CENTRES[0]], [CENTRES[5]])
    assert operation.segments == [1, 7]
    assert session.supervoxels(1).tolist() == plan.kept.tolist()
    assert session.supervoxels(7).tolist() == plan.moved.tolist()
    assert operation.details["points_b"] == [CENTRES[5]]
    session.undo()
    assert session.supervoxels(1).tolist() == [1, 2, 3, 4, 5, 6]


def test_points_of_one_side_stay_together(tmp_path: Path) -> None:
    # A cut of 1-2 and 3-4 is the smallest, but would part the points 1 and 6 of side a, which the path 1-5-6 joins.
    pairs = [(1, 2), (2, 3), (3, 4), (4, 6), (1, 5), (5, 6)]
    session = chain(tmp_path, [0.5, 0.5, 0.5, 0.5, 0.1, 0.1], pairs)
    session.split(1, [CENTRES[0], CENTRES[5]], [CENTRES[2]])
    kept = set(session.supervoxels(1).tolist())
    assert {1, 5, 6} <= kept
    assert 3 not in kept


def test_a_split_that_would_part_the_points_of_a_side_is_refused(tmp_path: Path) -> None:
    session = chain(tmp_path)
    with pytest.raises(InvalidInput, match=r"cannot split segment 1: every cut .* parts the points of side a"):
        session.split(1, [CENTRES[0], CENTRES[5]], [CENTRES[2]])
    assert len(session.history()) == 1


def test_both_points_in_one_supervoxel_offer_a_split_of_its_voxels(tmp_path: Path) -> None:
    session = chain(tmp_path)
    with pytest.raises(InvalidInput, match="supervoxel 1 has points of both sides; divide its voxels"):
        session.split(1, [[0, 0, 0]], [[0, 0, 3]])
    assert len(session.history()) == 1
    operation = session.split(1, [[0, 0, 0]], [[0, 0, 3]], way="voxels")
    assert operation.details["divided"] == [1]
    assert len(np.unique(session.volume[...])) == 2


@pytest.mark.parametrize("way", ["graph", "voxels"])
@pytest.mark.parametrize("is_shared", [True, False])
def test_a_segment_that_changes_while_its_split_is_computed_is_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way, is_shared: bool
) -> None:
    session = chain(tmp_path)
    editor = session if is_shared else session.on("main")  # a thread of the same session, or another session
    preview = session.preview_split

    def preview_and_lose_time(*args: Any, **options: Any) -> SplitPlan:
        plan = preview(*args, **options)
        editor.cleave(1, [5])
        return plan

    monkeypatch.setattr(session, "preview_split", preview_and_lose_time)
    with pytest.raises(EditConflict, match=r"segment 1 has changed while its split was computed; nothing has changed"):
        session.split(1, [CENTRES[0]], [CENTRES[5]], way=way, version="main")
    assert [one.action for one in session.history()] == ["merge", "cleave"]
    assert [session.supervoxels(one).tolist() for one in (1, 7)] == [[1, 2, 3, 4, 6], [5]]
    monkeypatch.undo()
    session.refresh()
    session.split(1, [CENTRES[0]], [CENTRES[2]], way=way)


def test_supervoxels_that_no_edge_joins_stay_and_a_lone_one_gets_an_id(tmp_path: Path) -> None:
    session = chain(tmp_path, [0.5, 0.5], [(1, 2), (2, 3)])
    session.split(1, [CENTRES[0]], [CENTRES[2]])
    lone = session.split(1, [CENTRES[0]], [CENTRES[5]])
    assert session.supervoxels(lone.segments[1]).tolist() == [6]
    assert session.segment_of([1, 4, 5]).tolist() == [1, 1, 1]
    assert sorted(session.mapping()["supervoxel"].tolist()) == [1, 2, 3, 4, 5, 6]


def test_points_elsewhere_are_refused(tmp_path: Path) -> None:
    session = chain(tmp_path)
    session.cleave(1, [6])
    cases = {
        r"\(0, 0, 21\) is in segment 7, not in segment 1": [CENTRES[5]],
        "not a voxel of 0:1,0:1,0:24": [[0, 0, 24]],
        "rows of whole numbers": [[0.5, 0, 0]],
        "one or more": np.empty((0, 3), int),
        r"point \(0, 0, 1\) is on both sides": [CENTRES[0]],
    }
    for message, points in cases.items():
        with pytest.raises(InvalidInput, match=message):
            session.split(1, [CENTRES[0]], points)
    with pytest.raises(UnknownName, match="Unknown way 'voxel'"):
        session.split(1, [CENTRES[0]], [CENTRES[1]], way="voxel")
    assert len(session.history()) == 2


@pytest.mark.slow
def test_the_voxels_are_divided_where_the_object_is_thin(session: Session) -> None:
    labels = dumbbell()
    before = session.volume[...]
    operation = session.split(5, A, B)
    after = session.volume[...]
    kept, new = operation.segments
    assert {after[tuple(point)] for point in A} == {kept}
    assert {after[tuple(point)] for point in B} == {new}
    assert np.array_equal(after != 0, labels != 0)
    assert np.array_equal(after == 9, labels == 9)
    for segment in (kept, new):
        assert ndimage.label(after == segment)[1] == 1
    border = np.argwhere((after[:, :, :-1] == kept) & (after[:, :, 1:] == new))[:, 2]
    assert 60 < border.min() <= border.max() < 85
    session.undo()
    assert np.array_equal(session.volume[...], before)
    session.redo()
    assert np.array_equal(session.volume[...], after)


@pytest.mark.slow
def test_only_divided_supervoxels_get_new_ids_and_only_changed_chunks_are_written(tmp_path: Path) -> None:
    labels = dumbbell()
    labels[(labels == 5) & (np.arange(140) >= 118)] = 6
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.transfer(labels, uri, voxel_size_nm=(10, 10, 10))
    session = voxome.proofread(uri, tmp_path / "edits.sqlite", author="ann")
    session.merge([5, 6])
    operation = session.split(5, A, B)
    rest, part = session.mapping()["supervoxel"][-2:].tolist()
    assert session.mapping()["supervoxel"].tolist() == [6, 9, rest, part]
    assert session.segment_of([5, 6, rest, part]).tolist() == [0, operation.segments[1], *operation.segments]
    with sa.create_engine(session.store.database.url).connect() as connection:
        written = connection.execute(sa.select(CHUNKS.c.chunk)).scalars().all()
    after = session.volume[...]
    changed = np.argwhere((labels == 5) & (after == operation.segments[1]))
    assert sorted(written) == chunk_numbers(changed, labels.shape)
    assert len(written) < 5
    supervoxels = {int(one): int((after == one).sum()) for one in np.unique(after)}
    assert sum(supervoxels.values()) == labels.size


def chunk_numbers(voxels: NDArray[np.intp], shape: tuple[int, ...]) -> list[int]:
    """Return the numbers of the chunks of 32³ voxels that some voxels are in."""
    counts = [-(-extent // 32) for extent in shape]
    return np.unique(np.ravel_multi_index(tuple((voxels // 32).T), counts)).tolist()


@pytest.mark.slow
def test_what_a_large_split_has_written_is_read_without_copies_of_every_voxel(tmp_path: Path) -> None:
    session = voxome.proofread(np.ones((64, 64, 64), np.uint64), tmp_path / "edits.sqlite", author="ann")
    session.split(1, [[32, 32, 3]], [[32, 32, 60]])
    volume = session.volume
    assert np.unique(volume[...]).tolist() == [1, 2]
    tracemalloc.start()
    try:
        voxels = volume[...]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * voxels.nbytes


@pytest.mark.slow
def test_splits_on_two_branches_do_not_mix(session: Session) -> None:
    other = session.create_branch("other")
    session.split(5, A, B)
    main = session.volume[...]
    assert np.array_equal(other.volume[...], dumbbell())
    other.split(5, [[6, 12, 25]], [[18, 12, 25]])
    assert np.array_equal(session.volume[...], main)
    sides = other.volume[...]
    assert len(np.unique(sides)) == 4
    assert sides[6, 12, 25] != sides[18, 12, 25]
    other.undo()
    assert np.array_equal(other.volume[...], dumbbell())
    again = voxome.proofread(f"proofread://{session.store.database.address}", author="bob")
    assert np.array_equal(again.volume[...], main)
    session.undo()
    other.redo()
    assert np.array_equal(session.volume[...], dumbbell())
    assert np.array_equal(voxome.open(other.uri)[...], sides)


@pytest.mark.slow
def test_a_divided_segment_can_be_edited_and_divided_again(session: Session) -> None:
    kept, new = session.split(5, A, B).segments
    with pytest.raises(EditConflict):
        voxome.proofread(session.uri, author="bob").merge([9, new], version=0)
    session.merge([kept, new])
    assert np.array_equal(session.volume[...] == kept, dumbbell() == 5)
    session.undo()
    third = session.split(new, [[12, 12, 112]], [[12, 12, 128]]).segments[1]
    after = session.volume[...]
    assert len(np.unique(after)) == 5
    assert after[12, 12, 128] == third
    with pytest.raises(EditConflict, match="depends on it"):
        session.undo(1)
    for number in (4, 1):
        session.undo(number)
    assert np.array_equal(session.volume[...], dumbbell())


@pytest.mark.slow
def test_a_version_before_a_split_is_read_as_it_was(session: Session) -> None:
    reader = voxome.open(f"{session.uri}&version=0")
    session.split(5, A, B)
    assert np.array_equal(reader[...], dumbbell())
    assert np.array_equal(voxome.open(f"{session.uri}&version=0")[...], dumbbell())


@pytest.mark.slow
def test_a_box_limits_what_is_divided(session: Session) -> None:
    operation = session.split(5, [[12, 12, 60]], [[12, 12, 80]], box="6:18,6:18,50:90")
    after = session.volume[...]
    kept, new = operation.segments
    assert after[12, 12, 80] == new
    assert (after[:, :, 90:] != new).all()
    with pytest.raises(InvalidInput, match="outside box"):
        session.split(kept, [[12, 12, 20]], [[12, 12, 60]], box="6:18,6:18,50:90")


def test_edges_follow_divided_supervoxels(tmp_path: Path) -> None:
    session = chain(tmp_path)
    session.split(1, [[0, 0, 9]], [[0, 0, 11]], way="voxels")  # divides supervoxel 3; 4, 5, 6 are behind the cut
    first, second = session.history()[-1].segments
    assert {4, 5, 6} < set(session.supervoxels(second).tolist())
    session.merge([first, second])
    session.split(first, [CENTRES[0]], [CENTRES[5]])
    assert session.segment_of([2, 4]).tolist() == [first, session.history()[-1].segments[1]]
    session.undo(4)
    session.undo(3)
    session.undo(2)
    assert np.array_equal(session.volume[...], np.ones_like(CHAIN))
