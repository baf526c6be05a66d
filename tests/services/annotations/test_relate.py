"""Relations of annotations follow the segments of a volume, and say of which version they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
import voxome.services.annotations.relate as relate
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.services.annotations.find import find_annotations
from voxome.services.annotations.relate import SegmentFinder

SIZE = (40.0, 8.0, 4.0)
SHAPE = (12, 70, 150)
BIG = 2**63 + 5


@pytest.fixture
def labels() -> np.ndarray:
    """Slabs of 10 sections along x, and background in the first sections of z."""
    found = np.broadcast_to(np.arange(SHAPE[2], dtype=np.uint64) // np.uint64(10) + np.uint64(BIG), SHAPE).copy()
    found[:2] = 0
    return found


def annotations_of(shape: Any, count: int) -> Annotations:
    random = np.random.default_rng(0)
    voxels = random.integers((0, 0, 0), (14, 75, 160), (count, 2, 3))
    positions = (voxels + random.random((count, 2, 3))) * SIZE
    if shape == "point":
        positions = positions[:, :1]
    return Annotations(shape, np.arange(1, count + 1), positions)


def label_at(labels: np.ndarray, position: np.ndarray) -> list[int]:
    voxel = tuple(np.floor(position / SIZE).astype(int))
    if not all(at < n for at, n in zip(voxel, labels.shape, strict=True)) or labels[voxel] == 0:
        return []
    return [int(labels[voxel])]


def check(points: voxome.Points, labels: np.ndarray) -> None:
    """For each segment, the query by segment gives the annotations whose voxel is in it; none is lost."""
    ends = {"point": ("segment",), "line": ("pre_segment", "post_segment")}[points.shape]
    found = points.get(points.ids().tolist())
    total = 0
    for end, name in enumerate(ends):
        expected = [label_at(labels, one) for one in found.positions_nm[:, end]]
        assert [one.tolist() for one in found.relations[name]] == expected
        for label in np.unique(labels)[1:].tolist():
            ids = points.related(name, label).ids.tolist()
            assert ids == [id for id, one in zip(found.ids.tolist(), expected, strict=True) if one == [label]]
            total += len(ids)
    assert total > len(found) / 2


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["point", "line"])
def test_annotations_are_related_to_the_segments_at_their_positions(
    tmp_path: Path, labels: np.ndarray, shape: str
) -> None:
    volume = voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    uri = f"precomputed://{tmp_path}/a"
    (points,) = voxome.create_annotations(uri, annotations_of(shape, 300), labels=volume)
    check(points, labels)
    before = points.relation_versions
    assert {one["uri"] for one in before.values()} == {volume.uri}
    labels[:, :, 15:40] = BIG + 1000
    labels[:, 30:] += np.uint64(7)
    volume = voxome.open(f"{tmp_path}/labels.zarr", mode="r+")
    volume[...] = labels
    editor = voxome.open(uri, mode="r+", expect=voxome.Points)
    changed = voxome.relate_annotations(editor, volume)
    assert 0 < changed < 300
    for _ in ("beside", "folded"):
        check(points, labels)
        assert points.relation_versions.keys() == before.keys()
        editor.fold()
    assert {one["version"] for one in points.relation_versions.values()} != {one["version"] for one in before.values()}
    assert voxome.relate_annotations(editor, volume) == 0


@pytest.mark.slow
def test_relations_follow_merges_splits_and_undo(tmp_path: Path, labels: np.ndarray) -> None:
    small = labels - np.uint64(BIG - 1) * (labels > 0)
    voxome.put(small, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    session = voxome.proofread(f"zarr://{tmp_path}/labels.zarr", tmp_path / "edits.sqlite", author="ada")
    uri = f"precomputed://{tmp_path}/a"
    (points,) = voxome.create_annotations(uri, annotations_of("point", 300), labels=session.volume)
    check(points, small)
    editor = voxome.open(uri, mode="r+", expect=voxome.Points)
    versions = [points.relation_versions["segment"]["version"]]
    edits: list[Callable[[], object]] = [
        lambda: session.merge([2, 3, 4]),
        lambda: session.cleave(2, [3]),
        lambda: session.split(6, [(4, 5, 52)], [(4, 60, 58)]),
        session.undo,
        session.undo,
        session.undo,
    ]
    for edit in edits:
        edit()
        voxome.relate_annotations(editor, session.volume)
        check(points, session.volume[...])
        versions.append(points.relation_versions["segment"]["version"])
    assert len(set(versions)) == len(versions) > 1


@pytest.mark.slow
def test_relations_are_those_of_a_version_of_a_proofreading_store(tmp_path: Path) -> None:
    labels = np.repeat(np.array([11, 12, 13], np.uint64), 5) * np.ones((8, 16, 1), np.uint64)
    voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    session = voxome.proofread(f"zarr://{tmp_path}/labels.zarr", tmp_path / "edits.sqlite", author="ada")
    store = f"proofread://{tmp_path}/edits.sqlite"
    at = (np.array([[[2, 5, 2]], [[2, 5, 7]], [[2, 5, 12]]]) + 0.5) * SIZE
    (points,) = voxome.create_annotations(
        f"precomputed://{tmp_path}/a", voxome.Annotations("point", [1, 2, 3], at), labels=store
    )
    editor = voxome.open(points.uri, mode="r+", expect=voxome.Points)

    def related() -> list[list[int]]:
        return [points.related("segment", one).ids.tolist() for one in (11, 12, 13)]

    assert related() == [[1], [2], [3]]
    session.merge([11, 12])
    session.name_version("first-pass")
    assert voxome.relate_annotations(editor, store) == 1
    assert related() == [[1, 2], [], [3]]
    session.undo()
    assert voxome.relate_annotations(editor, store) == 1
    assert related() == [[1], [2], [3]]
    assert voxome.relate_annotations(editor, f"{store}?version=first-pass") == 1
    assert related() == [[1, 2], [], [3]]
    assert points.relation_versions["segment"]["uri"] == f"{store}?version=first-pass"
    assert points.related("segment", 11).ids.tolist() == points.get([1, 2]).ids.tolist()


@pytest.mark.slow
def test_relations_are_of_one_version_if_labels_are_edited_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.repeat(np.array([11, 12, 13], np.uint64), 5) * np.ones((8, 16, 1), np.uint64)
    voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    session = voxome.proofread(f"zarr://{tmp_path}/labels.zarr", tmp_path / "edits.sqlite", author="ada")
    at = (np.array([[[2, 5, 2]], [[2, 5, 7]], [[2, 5, 12]]]) + 0.5) * SIZE
    store = f"proofread://{tmp_path}/edits.sqlite"
    (points,) = voxome.create_annotations(
        f"precomputed://{tmp_path}/a", voxome.Annotations("point", [1, 2, 3], at), labels=store
    )
    session.merge([12, 13])
    monkeypatch.setattr(relate, "_BATCH", 1)
    find = relate.SegmentFinder.relate
    calls: list[int] = []

    def edit_between(finder: relate.SegmentFinder, annotations: voxome.Annotations) -> voxome.Annotations:
        found = find(finder, annotations)
        if not calls:
            session.merge([11, 12])
        calls.append(1)
        return found

    monkeypatch.setattr(relate.SegmentFinder, "relate", edit_between)
    editor = voxome.open(points.uri, mode="r+", expect=voxome.Points)
    voxome.relate_annotations(editor, store)
    assert len(calls) >= 3
    assert [points.related("segment", one).ids.tolist() for one in (11, 12, 13)] == [[1], [2, 3], []]
    assert points.relation_versions["segment"]["version"].startswith("1")
    assert voxome.relate_annotations(editor, store) == 2


@pytest.mark.slow
@pytest.mark.parametrize("then", ["edits are beside", "fold"])
def test_edits_that_others_make_meanwhile_are_kept(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    uri, before = f"precomputed://{tmp_path}/a", annotations_of("point", 300)
    volume = voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    voxome.create_annotations(uri, before.replace(relations={"segment": np.ones((300, 1), np.uint64)}))
    editor, other = (voxome.open(uri, mode="r+", expect=voxome.Points) for _ in range(2))
    place = np.array([[[5.5 * 40, 5.5 * 8, 145.5 * 4]]])
    find = SegmentFinder.relate

    def relate(finder: SegmentFinder, annotations: Annotations) -> Annotations:
        monkeypatch.setattr(SegmentFinder, "relate", find)
        related = finder.relate(annotations)
        other.write(other[2].replace(positions_nm=place))
        other.delete([3])
        if then == "fold":
            other.fold()
        return related

    monkeypatch.setattr(SegmentFinder, "relate", relate)
    voxome.relate_annotations(editor, volume)
    assert 3 not in editor.ids().tolist()
    np.testing.assert_allclose(editor[2].positions_nm, place)
    check(editor, labels)


@pytest.mark.slow
def test_many_changed_relations_are_folded(tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relate, "_BATCH", 40)
    monkeypatch.setattr(relate, "_MOST_EDITS", 100)
    uri = f"precomputed://{tmp_path}/a"
    volume = voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=SIZE, kind="labels")
    source = annotations_of("point", 300).replace(relations={"segment": np.ones((300, 1), np.uint64)})
    voxome.create_annotations(uri, source)
    editor = voxome.open(uri, mode="r+", expect=voxome.Points)
    assert voxome.relate_annotations(editor, volume) == 300
    assert len(list((tmp_path / "a").glob("[0-9]*-*"))) == 1
    check(editor, labels)


@pytest.mark.parametrize("ids", [[], np.array([], int), (), np.array([1, 2]), [1, 2]])
def test_ids_are_a_condition_also_if_there_are_none(tmp_path: Path, ids: Any) -> None:
    source = annotations_of("point", 3).replace(relations={"segment": np.ones((3, 1), np.uint64)})
    (points,) = voxome.create_annotations(f"precomputed://{tmp_path}/a", source)
    assert find_annotations(points, ids=ids, segment=1).ids.tolist() == list(ids)


def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    one = annotations_of("point", 3)
    uri = f"precomputed://{tmp_path}/a"
    floats = voxome.put(labels.astype("float32"), f"zarr://{tmp_path}/floats.zarr", voxel_size_nm=SIZE)
    with pytest.raises(InvalidInput, match="has the dtype float32"):
        voxome.create_annotations(uri, one, labels=floats)
    with pytest.raises(InvalidInput, match="voxel size"):
        voxome.create_annotations(uri, one, labels=labels)
    (points,) = voxome.create_annotations(uri, one)
    with pytest.raises(UnsupportedFormat, match="has no relation segment"):
        voxome.relate_annotations(points, labels)
