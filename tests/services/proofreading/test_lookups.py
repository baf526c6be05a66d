"""What is looked up, suggested and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from services.proofreading.conftest import LABELS

import voxome
from voxome.errors import EditConflict, InvalidInput, NotFound, UnknownName
from voxome.geometry import Box
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.voxels import StoredVoxels

Open = Callable[..., Session]


@pytest.mark.slow
def test_the_changes_between_versions_are_a_table(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2, 3])
    session.cleave(1, [2])
    session.merge([4, 5])
    table = session.changes(0)
    assert {name: column.tolist() for name, column in table.items()} == {
        "supervoxel": [2, 3, 5],
        "before": [2, 3, 5],
        "after": [33, 1, 4],
    }
    assert session.changes(1, 2)["supervoxel"].tolist() == [2]
    assert session.changes(2, 1)["after"].tolist() == [1]
    session.undo(3)
    assert session.changes(2)["supervoxel"].tolist() == []
    other = session.create_branch("other", 1)
    other.merge([6, 7])
    assert session.changes("main", "other")["supervoxel"].tolist() == [2, 7]


@pytest.mark.slow
def test_annotations_follow_their_voxels(open_session: Open) -> None:
    session = open_session()
    points = np.argwhere(np.ones(LABELS.shape, bool))[::7]
    for edit in (
        lambda: session.merge([1, 2, 3]),
        lambda: session.cleave(1, [2]),
        lambda: session.split(5, [[1, 0, 0]], [[1, 1, 7]]),
        lambda: session.undo(1 + 1),
    ):
        edit()
        segments = session.segments_at(points)
        volume = session.volume[...]
        assert np.array_equal(segments, volume[tuple(points.T)])
        counts = dict(zip(*np.unique(segments, return_counts=True), strict=True))
        assert sum(counts.values()) == len(points)
        assert all(counts[one] == (volume[tuple(points.T)] == one).sum() for one in counts)
    assert np.array_equal(session.segments_at(points, 0), LABELS[tuple(points.T)])
    with pytest.raises(InvalidInput, match="not a voxel"):
        session.segments_at([[0, 0, 8]])


def test_points_that_are_close_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(1, 4 * 70 * 140 + 1, dtype=np.uint64).reshape(4, 70, 140)
    session = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    reads: list[Box] = []
    read = StoredVoxels.read

    def recording(voxels: StoredVoxels, box: Box, connection: sa.Connection) -> NDArray[np.uint64]:
        reads.append(box)
        return read(voxels, box, connection)

    monkeypatch.setattr(StoredVoxels, "read", recording)
    points = np.random.default_rng(0).permutation(np.argwhere(labels % 11 == 0))
    assert np.array_equal(session.segments_at(points), labels[tuple(points.T)])
    assert len(reads) == 6


def test_names_of_both_are_kept_on_merge_and_follow_their_supervoxels(open_session: Open) -> None:
    session = open_session()
    session.name(1, "Mi1")
    session.name(5, "Tm3")
    session.merge([1, 5, 6])
    assert session.names(1) == ["Mi1", "Tm3"]
    new = session.split(1, [[0, 0, 0]], [[1, 0, 0]]).segments[1]
    assert (session.names(1), session.names(new)) == (["Mi1"], ["Tm3"])
    new = session.cleave(new, [6]).segments[1]
    assert session.names(new) == []
    assert session.names(5, 2) == ["Tm3"]
    session.undo(1)
    assert session.names(1) == []
    with pytest.raises(InvalidInput, match="expected a text"):
        session.name(1, " ")


@pytest.mark.slow
def test_suggestions_are_taken_by_score_and_decided_once(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    ann.suggestions.add("merge", ids=np.array([1, 2]), score=0.5)
    ann.suggestions.add("cleave", id=1, supervoxels=[2], score=0.2)
    ann.suggestions.add("merge", ids=[3, 4], score=0.9)
    first, second = ann.suggestions.next(), bob.suggestions.next()
    assert (first.arguments, second.arguments) == ({"ids": [3, 4]}, {"ids": [1, 2]})
    with pytest.raises(EditConflict, match="another session looks at suggestion 3"):
        bob.suggestions.accept(3)
    assert ann.suggestions.accept(3).segments == [3]
    bob.suggestions.reject(1)
    with pytest.raises(EditConflict, match="suggestion 1 was rejected by bob"):
        ann.suggestions.accept(1)
    with pytest.raises(InvalidInput, match="does not contain"):
        ann.suggestions.accept(2)
    assert [(one.number, one.status, one.operation, one.decided_by) for one in ann.suggestions.list(None)] == [
        (3, "accepted", 1, "ann"),
        (1, "rejected", None, "bob"),
        (2, "open", None, None),
    ]
    assert [one.number for one in ann.suggestions.list()] == [2]
    with pytest.raises(UnknownName, match="Unknown action 'merg'"):
        ann.suggestions.add("merg", ids=[1, 2])
    with pytest.raises(NotFound, match="no suggestion 9"):
        ann.suggestions.accept(9)


def test_a_suggestion_has_the_arguments_of_its_edit(open_session: Open) -> None:
    session = open_session()
    for message, action, arguments in [
        ("Unknown argument 'bogus'", "merge", {"ids": [1, 2], "bogus": 3}),
        ("needs ids", "merge", {}),
        ("needs points_b", "split", {"id": 1, "points_a": [[0, 0, 0]]}),
        ("rows of whole numbers", "split", {"id": 1, "points_a": [[0, 0]], "points_b": [[0, 0, 1]]}),
        ("Unknown way 'voxel'", "split", {"id": 1, "points_a": [[0, 0, 0]], "points_b": [[0, 0, 1]], "way": "voxel"}),
        ("expected ids", "cleave", {"id": 1.5, "supervoxels": [1]}),
        ("version is", "merge", {"ids": [1, 2], "version": True}),
    ]:
        with pytest.raises(InvalidInput, match=message):
            session.suggestions.add(action, **arguments)
    assert session.suggestions.list(None) == []
    points = {"points_a": np.array([[0, 0, 0]]), "points_b": ((0, 1, 7),)}
    box = voxome.Box((0, 0, 0), (4, 8, 8))
    number = session.suggestions.add("split", id=np.uint64(1), **points, way="voxels", box=box)
    assert session.suggestions.list()[0].arguments["points_a"] == [[0, 0, 0]]
    assert session.suggestions.accept(number).action == "split"


def test_a_suggestion_that_nobody_decides_comes_back(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.suggestions.add("merge", ids=[1, 2])
    assert ann.suggestions.next(seconds=0).number == 1
    assert bob.suggestions.next().number == 1
    assert ann.suggestions.next() is None


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mode", "stride", "max"])
def test_levels_that_were_downsampled_are_updated_as_if_downsampled_again(tmp_path: Path, method: str) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (32, 34, 37)).astype(np.uint64)
    spec = voxome.VolumeSpec.of(labels.shape, "uint64", kind="labels", start=(3, 1, 2), chunk=(16, 16, 16))
    voxome.create(f"zarr://{tmp_path}/labels.zarr", spec)[...] = labels
    session = voxome.proofread(tmp_path / "labels.zarr", tmp_path / "edits.sqlite", author="ann")
    out, again = f"zarr://{tmp_path}/out.zarr", f"zarr://{tmp_path}/again.zarr"
    session.export(out, chunk=(16, 16, 16))
    options = {"method": method, "levels": 3, "no_data": 0}
    voxome.downsample(out, **options)
    session.merge([1, 2])
    assert session.export(out, since=0) == 18
    session.export(again)
    voxome.downsample(again, **options)
    for level in range(3):
        assert np.array_equal(voxome.open(out, level=level)[...], voxome.open(again, level=level)[...])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["zarr", "n5", "precomputed"])
def test_changed_chunks_are_exported_like_the_whole(tmp_path: Path, target: str) -> None:
    labels = np.zeros((70, 80, 140), np.uint32)
    cells = np.indices(labels.shape) // 10
    labels[...] = (cells[0] * 8 + cells[1]) * 14 + cells[2] + 1
    voxome.transfer(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=(10, 10, 10))
    session = voxome.proofread(tmp_path / "labels.zarr", tmp_path / "edits.sqlite", author="ann")
    options = {"levels": 3, "chunk": (32, 32, 32)}
    assert session.export(f"{target}://{tmp_path}/out", **options) > 0
    session.name_version("first")
    session.merge([1, 2])
    session.cleave(1, [1])
    session.split(9, [[1, 1, 81]], [[1, 1, 88]])
    assert session.export(f"{target}://{tmp_path}/out", since="first") == 2
    assert session.export(f"{target}://{tmp_path}/out", since="first") == 0
    made = voxome.provenance(f"{target}://{tmp_path}/out")[-1]
    assert (made.service, made.parameters["since"]) == ("proofread", "first")
    session.export(f"{target}://{tmp_path}/whole", **options)
    for level in range(3):
        updated, whole = (voxome.open(f"{target}://{tmp_path}/{name}", level=level)[...] for name in ("out", "whole"))
        assert np.array_equal(updated, whole)
    session.export(f"{target}://{tmp_path}/start", version=0)
    assert np.array_equal(voxome.open(f"{target}://{tmp_path}/start")[...], labels)
    with pytest.raises(InvalidInput, match="levels: options are of a new volume"):
        session.export(f"{target}://{tmp_path}/out", since=0, levels=2)
    voxome.transfer(labels[:20], f"{target}://{tmp_path}/other", voxel_size_nm=(10, 10, 10))
    with pytest.raises(InvalidInput, match="the segments have 0:70"):
        session.export(f"{target}://{tmp_path}/other", since=0)
