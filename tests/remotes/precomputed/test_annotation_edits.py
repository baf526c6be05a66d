"""Edits of precomputed annotations: seen by every reader at once, and folded into the indices."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from remotes.precomputed.collections_of_annotations import all_types, annotations_of, assert_equal

import voxome
from voxome.contracts.points import SupportsLimitedSearch
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput, NotFound, ReadOnly, StoreError, TooManyFound, UnknownName, UnsupportedFormat
from voxome.remotes.precomputed import annotation_source
from voxome.remotes.precomputed.annotation_edits import Edits, EditsFile
from voxome.remotes.precomputed.annotation_generations import remove_replaced
from voxome.remotes.precomputed.annotation_writer import AnnotationWriter
from voxome.remotes.precomputed.annotations import SpatialLevel

EVERYWHERE: Any = ((-1e6, -1e6, -1e6), (1e6, 1e6, 1e6))


def create(folder: Path, source: Annotations) -> voxome.Points:
    voxome.create_annotations(f"precomputed://{folder}", source, voxel_size_nm=(4, 2, 2), limit=20)
    return voxome.open(f"precomputed://{folder}", expect=voxome.Points, mode="r+")


def edited(shape: AnnotationShape) -> tuple[Annotations, Annotations, list[int], Annotations]:
    """Annotations; others to write, of which half are new; ids to delete; what is there afterwards."""
    before = annotations_of(shape, 200, **all_types(200))
    moved = before.select(np.arange(40, 60)).replace(positions_nm=before.positions_nm[100:120])
    new = before.select(np.arange(10)).replace(ids=np.arange(10**6, 10**6 + 10, dtype=np.uint64))
    gone = before.ids[50:80].tolist()
    kept = before.select(np.array([*range(40), *range(80, 200)]))
    written = Annotations.concatenate([moved, new])
    return before, written, gone, Annotations.concatenate([kept, moved.select(np.arange(10)), new])


def test_deleted_rows_have_colours_that_every_pyarrow_reads() -> None:
    annotations = annotations_of("point", 9, **all_types(9))
    edits = Edits(annotations.select(np.arange(0))).write(annotations).delete(annotations.ids[:2])
    data = edits.to_bytes()
    assert not any(pq.read_table(io.BytesIO(data)).column(name).null_count for name in ("colour", "shade"))
    found = Edits.from_bytes(data, "point", "edits.parquet")
    assert found.deleted == edits.deleted
    assert_equal(found.live, edits.live)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["point", "line"])
def test_edits_are_seen_at_once_and_folded(tmp_path: Path, shape: AnnotationShape) -> None:
    before, written, gone, after = edited(shape)
    editor = create(tmp_path / "a", before)
    reader = voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points)
    assert len(reader.ids()) == 200
    editor.write(written)
    editor.delete(gone)
    for _ in ("edits are beside", "edits are folded"):
        for points in (editor, reader, voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points)):
            assert points.ids().tolist() == sorted(after.ids.tolist())
            assert_equal(points.get(after.ids.tolist()), after)
            assert_equal(points.within(*EVERYWHERE), after, relations=False)
            start, stop = (1000, 2000, 2000), (3000, 9000, 9000)
            assert_equal(points.within(start, stop), after.within(start, stop), relations=False)
            rows = [row for row, labels in enumerate(after.relations["post"]) if 2**63 + 5 in labels.tolist()]
            assert_equal(points.related("post", 2**63 + 5), after.select(np.array(rows)), relations=False)
            assert_equal(Annotations.join(list(points.batches())), after)
            with pytest.raises(NotFound, match=f"no annotation {gone[0]}"):
                points[gone[0]]
        editor.fold()
    assert not list((tmp_path / "a").glob("edits*"))
    names = {path.name[:2] for path in (tmp_path / "a").iterdir()}
    assert names == {"2-", "in", "pr"}


@pytest.mark.slow
def test_edits_survive_several_folds(tmp_path: Path) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50))
    one = points[1]
    for number in range(4):
        points.write(one.replace(ids=[number + 1000]))
        points.fold()
        points.fold()
        points.delete([number + 1000])
        points.write(one.replace(ids=[number + 2000]))
    assert points.ids()[points.ids() >= 1000].tolist()[:4] == [2000, 2001, 2002, 2003]
    assert len(list((tmp_path / "a").glob("[0-9]*-*"))) == 1


def test_what_cannot_be_edited_is_refused(tmp_path: Path) -> None:
    points = create(tmp_path / "a", annotations_of("point", 20))
    one = points[1]
    for wrong, error in [
        (one.replace(properties={}), InvalidInput),
        (one.replace(relations={}), InvalidInput),
        (one.replace(properties={**one.properties, "kind": [1.5]}), InvalidInput),
        (one.replace(positions_nm=[[[np.inf, 0, 0]]]), InvalidInput),
        (annotations_of("line", 3), InvalidInput),
        (one.replace(positions_nm=[[[1e12 + 0.1, 0, 0]]]), UnsupportedFormat),
    ]:
        with pytest.raises(error):
            points.write(wrong)
    with pytest.raises(NotFound, match="no annotation 999"):
        points.delete([1, 999])
    with pytest.raises(InvalidInput, match="annotations is 3"):
        points.write(3)  # type: ignore[arg-type]
    assert_equal(points[1], one)
    reader = voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points)
    for edit in (lambda: reader.write(one), lambda: reader.delete([1]), reader.fold):
        with pytest.raises(ReadOnly, match=r"mode='r\+'"):
            edit()
    points.write(one)
    with pytest.raises(UnknownName, match="pre"):
        points.related("prr", 1)
    memory = voxome.Points(Fixed())
    with pytest.raises(UnsupportedFormat, match="cannot be edited"):
        memory.delete([1])


class Fixed:
    shape: AnnotationShape = "point"
    relations = ()

    def ids(self) -> Any:
        return np.empty(0, np.uint64)

    def get(self, ids: Any) -> Any:
        raise NotImplementedError

    within = related = get


ADD = """
import sys, voxome
points = voxome.open(sys.argv[1], expect=voxome.Points, mode="r+")
for id in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    points.write(points[1].replace(ids=[id]))
"""


@pytest.mark.slow
def test_no_edit_of_several_processes_is_lost(tmp_path: Path) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50))
    editors = [subprocess.Popen([sys.executable, "-c", ADD, points.uri, str(10_000 * number)]) for number in (1, 2, 3)]
    while any(one.poll() is None for one in editors):
        points.fold()
    assert [one.returncode for one in editors] == [0, 0, 0]
    points.fold()
    expected = {10_000 * number + row for number in (1, 2, 3) for row in range(20)}
    assert {id for id in points.ids().tolist() if 10_000 <= id < 40_000} == expected


def test_an_edit_that_is_made_while_others_are_folded_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    in_the_middle(monkeypatch, lambda: (other.write(other[1].replace(ids=[2000])), other.delete([1000])))
    points.fold()
    assert points.ids()[points.ids() >= 1000].tolist()[0] == 2000
    assert len(list((tmp_path / "a").glob("edits.2-*.parquet"))) == 1


def in_the_middle(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Let something happen while annotations are folded, before the edits are closed."""
    close = EditsFile.close

    def happen_and_close(file: EditsFile, fold: str) -> object:
        monkeypatch.setattr(EditsFile, "close", close)
        happen()
        return close(file, fold)

    monkeypatch.setattr(EditsFile, "close", happen_and_close)


class Killed(BaseException):
    """The process ends."""


def kill_fold(points: voxome.Points, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold, and end as a killed process does between the edits and the metadata."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(AnnotationWriter, "_write_info", killed)
        patch.setattr(AnnotationWriter, "_remove", lambda *_: None)
        patch.setattr(EditsFile, "reopen", lambda file, fold: None)
        with pytest.raises(Killed):
            points.fold()


@pytest.mark.slow
def test_batches_go_on_while_others_edit_and_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, written, gone, after = edited("point")
    editor = create(tmp_path / "a", before)
    monkeypatch.setattr(annotation_source, "BATCH", 30)
    editor.write(written)
    reader = voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points)
    batches = reader.batches()
    found = [next(batches)]
    editor.delete(gone)
    editor.fold()
    found.append(next(batches))
    editor.write(after.select(np.array([after.ids.argmax()])).replace(positions_nm=before.positions_nm[:1]))
    editor.fold()
    found += batches
    ids = np.concatenate([part.ids for part in found])
    assert ids.tolist() == sorted({*found[0].ids.tolist(), *after.ids.tolist()})
    whole = Annotations.join(found)
    late = int(after.ids.max())
    assert whole.positions_nm[whole.ids == late].tolist() == before.positions_nm[:1].tolist()
    others = [int(id) for id in after.ids if id != late]
    assert_equal(
        whole.select(np.flatnonzero(np.isin(whole.ids, others))), after.select(np.flatnonzero(after.ids != late))
    )


@pytest.mark.slow
@pytest.mark.parametrize("first", ["edit", "fold"])
def test_a_killed_fold_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    monkeypatch.setattr(annotation_source, "_PATIENCE_S", 0.2)
    points = create(tmp_path / "a", annotations_of("point", 50))
    points.write(points[1].replace(ids=[1000]))
    kill_fold(points, monkeypatch)
    if first == "edit":
        points.write(points[1].replace(ids=[1001]))
    points.fold()
    assert not list((tmp_path / "a").glob("edits*"))
    points.write(points[1].replace(ids=[1001]))
    points.fold()
    assert points.ids()[points.ids() >= 1000].tolist()[:2] == [1000, 1001]
    assert len(list((tmp_path / "a").glob("[0-9]*-*"))) == 1


@pytest.mark.slow
def test_edits_that_a_killed_fold_carried_over_do_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation_source, "_PATIENCE_S", 0.2)
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    in_the_middle(monkeypatch, lambda: other.write(other[1].replace(ids=[2000])))
    kill_fold(points, monkeypatch)
    points.delete([2000])
    points.fold()
    assert 2000 not in points.ids().tolist()


@pytest.mark.slow
def test_a_fold_that_was_taken_for_dead_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_source, "_PATIENCE_S", 0.2)
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    write = AnnotationWriter._write_info

    def late(writer: AnnotationWriter, *arguments: Any) -> None:
        other.write(other[1].replace(ids=[2000]))
        write(writer, *arguments)

    monkeypatch.setattr(AnnotationWriter, "_write_info", late)
    with pytest.raises(StoreError, match="another process"):
        points.fold()
    monkeypatch.setattr(AnnotationWriter, "_write_info", write)
    for _ in range(2):
        assert {1000, 2000} <= set(points.ids().tolist())
        points.fold()


@pytest.mark.slow
def test_two_edits_after_a_killed_fold_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_source, "_PATIENCE_S", 0.2)
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    kill_fold(points, monkeypatch)
    to_bytes = Edits.to_bytes

    def late(edits: Edits) -> bytes:
        monkeypatch.setattr(Edits, "to_bytes", to_bytes)
        other.write(other[1].replace(ids=[2000]))
        return to_bytes(edits)

    monkeypatch.setattr(Edits, "to_bytes", late)
    points.write(points[1].replace(ids=[3000]))
    assert {1000, 2000, 3000} <= set(points.ids().tolist())


@pytest.mark.slow
def test_the_end_of_a_fold_spares_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    remove, close = remove_replaced, EditsFile.close

    def late(*arguments: Any) -> None:
        def in_the_next_fold(file: EditsFile, fold: str) -> object:
            remove(*arguments)
            return close(file, fold)

        monkeypatch.setattr(annotation_source, "remove_replaced", remove)
        monkeypatch.setattr(EditsFile, "close", in_the_next_fold)
        other.write(other[1].replace(ids=[2000]))
        other.fold()

    monkeypatch.setattr(annotation_source, "remove_replaced", late)
    points.fold()
    assert {1, 1000, 2000} <= set(points.get(points.ids().tolist()).ids.tolist())


@pytest.mark.slow
def test_a_fold_keeps_what_others_added_to_the_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50, kind=np.zeros(50, np.uint8)))
    info = json.loads((tmp_path / "a/info").read_text())
    labels = {"enum_values": [0, 1], "enum_labels": ["axon", "dendrite"], "description": "type of end"}
    info["properties"][0] |= labels
    (tmp_path / "a/info").write_text(json.dumps({**info, "description": "by the lab"}))
    points.delete([1])
    in_the_middle(monkeypatch, lambda: points.set_relation_versions({"pre": {"uri": "x", "version": "7"}}))
    points.fold()
    folded = json.loads((tmp_path / "a/info").read_text())
    assert folded["description"] == "by the lab"
    assert labels.items() <= folded["properties"][0].items()
    assert points.relation_versions["pre"]["version"] == "7"


@pytest.mark.slow
def test_two_folds_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = create(tmp_path / "a", annotations_of("point", 50))
    other = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    points.write(points[1].replace(ids=[1000]))
    in_the_middle(monkeypatch, other.fold)
    with pytest.raises(StoreError, match="another process"):
        points.fold()
    assert 1000 in points.ids().tolist()
    assert_equal(points.get(points.ids().tolist()), Annotations.join(list(other.batches())))


def test_a_collection_that_others_wrote_can_be_edited(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(shared / "formats/precomputed_cloudvolume/test_precomputed_annotation", tmp_path / "a")
    points = voxome.open(str(tmp_path / "a"), expect=voxome.Points, mode="r+")
    count = len(points.ids())
    points.delete([3867588737])
    assert len(points.ids()) == count - 1
    points.fold()
    assert len(points.ids()) == len(points.within(*EVERYWHERE)) == count - 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["point", "line"])
def test_searches_with_a_limit_find_the_same_or_refuse(tmp_path: Path, shape: AnnotationShape) -> None:
    before, written, gone, _ = edited(shape)
    points = create(tmp_path / "a", before)
    for is_edited in (False, True):
        if is_edited:
            points.write(written)
            points.delete(gone)
        source = points.source
        assert isinstance(source, SupportsLimitedSearch)
        for box in (EVERYWHERE, ((1000, 2000, 2000), (3000, 9000, 9000)), ((-9, -9, -9), (-8, -8, -8))):
            expected = points.within(*box)
            for most in (len(expected), 200):
                assert_equal(source.within_limit(*box, most), expected, relations=False)
            for most in (len(expected) - 1, len(expected) // 2):
                if 0 <= most < len(expected):
                    with pytest.raises(TooManyFound):
                        source.within_limit(*box, most)
        found = points.related("post", 2**63 + 5)
        assert_equal(source.related_limit("post", 2**63 + 5, len(found)), found, relations=False)
        assert not len(source.related_limit("post", 12345, 0))
        with pytest.raises(TooManyFound):
            source.related_limit("post", 2**63 + 5, len(found) - 1)


def test_a_box_with_too_many_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, read = create(tmp_path / "a", annotations_of("point", 2000, **all_types(2000))), list[int]()
    real = SpatialLevel._read

    def count(level: SpatialLevel, cells: np.ndarray) -> list[bytes | None]:
        read.append(len(cells))
        return real(level, cells)

    monkeypatch.setattr(SpatialLevel, "_read", count)
    points.within(*EVERYWHERE)
    everything = sum(read)
    read.clear()
    source = points.source
    assert isinstance(source, SupportsLimitedSearch)
    with pytest.raises(TooManyFound):
        source.within_limit(*EVERYWHERE, 30)
    assert sum(read) < everything / 2
