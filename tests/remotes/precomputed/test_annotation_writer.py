"""Writing of annotations: all indices, every geometry, every type; the traps of existing tools."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remotes.precomputed.collections_of_annotations import BIG, EXTENT_NM, all_types, annotations_of, assert_equal
from remotes.precomputed.lines import segment_meets_box

import voxome
from voxome.contracts.points import PointsSpec
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.remotes.precomputed.annotation_cells import morton_cells
from voxome.remotes.precomputed.annotation_writer import AnnotationWriter
from voxome.remotes.precomputed.annotations import AnnotationIndices
from voxome.remotes.precomputed.folders import ShapeFolder
from voxome.storage.local import LocalPath
from voxome.storage.processes import host_name

SHAPES: tuple[AnnotationShape, ...] = ("point", "line", "box", "ellipsoid")
UNIT = (4, 2, 2)


def write(folder: Path, source: Any, **options: Any) -> voxome.Points:
    (points,) = voxome.create_annotations(f"precomputed://{folder}", source, **{"voxel_size_nm": UNIT, **options})
    return points


def info_of(folder: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((folder / "info").read_text())
    return info


def cells_of(folder: Path) -> Iterator[tuple[dict[str, Any], tuple[int, ...], list[int], Annotations]]:
    """Yield the entry of a level, a cell, the ids in it in their order, and its annotations."""
    indices = AnnotationIndices(ShapeFolder(LocalPath(str(folder)), info_of(folder), "test"))
    for entry, level in zip(info_of(folder)["spatial"], indices._levels, strict=True):
        codes = level.index.ids()
        for code, cell in zip(codes, morton_cells(codes, entry["grid_shape"]).tolist(), strict=True):
            data = level.index.read(int(code)) or b""
            rows = indices.codec.decode_lists([data])
            yield entry, tuple(cell), rows["id"].tolist(), indices.codec.decode(rows)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_annotations_are_found_by_id_by_relation_and_by_position(tmp_path: Path, shape: AnnotationShape) -> None:
    expected = annotations_of(shape, 500)
    points = write(tmp_path / "a", expected, limit=20)
    assert (points.shape, points.relations) == (shape, ("pre", "post"))
    made = points.within((0, 0, 0), (1, 1, 1)).provenance
    assert made is not None
    assert (made.service, made.parameters["limit"]) == ("annotations", 20)
    assert points.ids().tolist() == sorted(expected.ids.tolist())
    assert_equal(points.get(expected.ids.tolist()), expected)
    assert_equal(points[2**63 + 5], expected.select(np.array([2])))
    for label in (3, *BIG):
        rows = [row for row, labels in enumerate(expected.relations["post"]) if label in labels.tolist()]
        assert_equal(points.related("post", label), expected.select(np.array(rows)), relations=False)
    for start, stop in [
        ((0, 0, 0), (1e9, 1e9, 1e9)),
        ((500, 3000, 2000), (1500, 9000, 7000)),
        ((-9, -9, -9), (1, 1, 1)),
    ]:
        assert_equal(points.within(start, stop), expected.within(start, stop), relations=False)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_an_annotation_is_on_one_level_in_every_cell_that_it_meets(tmp_path: Path, shape: AnnotationShape) -> None:
    expected = annotations_of(shape, 400)
    write(tmp_path / "a", expected, limit=15)
    info = info_of(tmp_path / "a")
    level_of: dict[int, str] = {}
    cells: set[tuple[int, tuple[int, ...]]] = set()
    for entry, cell, ids, _ in cells_of(tmp_path / "a"):
        assert 0 < len(ids) <= entry["limit"] == 15
        for id in ids:
            assert level_of.setdefault(id, entry["key"]) == entry["key"]
            cells.add((id, cell))
    assert level_of.keys() == set(expected.ids.tolist())
    lower = np.array(info["lower_bound"])
    for entry in info["spatial"]:
        size, grid = np.array(entry["chunk_size"]), entry["grid_shape"]
        np.testing.assert_array_equal(size * grid, np.array(info["upper_bound"]) - lower)
        rows = [row for row, id in enumerate(expected.ids.tolist()) if level_of[id] == entry["key"]]
        for row, cell in itertools.product(rows[:25], itertools.product(*map(range, grid))):
            start = lower + np.array(cell) * size
            meets = meets_cell(expected.select(np.array([row])), start, start + size)
            assert ((int(expected.ids[row]), cell) in cells) == meets


def meets_cell(one: Annotations, start: np.ndarray, stop: np.ndarray) -> bool:
    """Whether an annotation meets a cell, in the order and the unit of the file."""
    if one.shape == "line":
        return segment_meets_box((one.positions_nm[0] / UNIT)[:, ::-1], start, stop)
    low, high = (one.bounds_nm[0] / UNIT)[:, ::-1]
    return bool((low < stop).all() and (high >= start).all())


def test_a_line_is_in_exactly_the_cells_that_it_crosses(tmp_path: Path) -> None:
    corners = np.array([[[0, 0, 0], [0, 0, 0]], [[40, 40, 40], [40, 40, 40]], [[5, 5, 5], [5, 25, 35]]]) * 1.0
    line = Annotations("line", [1, 2, 3], corners)
    write(tmp_path / "a", line, voxel_size_nm=(1, 1, 1), limit=1)
    found = {
        key: {cell for entry, cell, ids, _ in cells_of(tmp_path / "a") if entry["key"] == key and 3 in ids}
        for key in {entry["key"] for entry, _, _, _ in cells_of(tmp_path / "a")}
    }
    info = info_of(tmp_path / "a")
    (key,) = [key for key, cells in found.items() if cells]
    entry = next(one for one in info["spatial"] if one["key"] == key)
    size = np.array(entry["chunk_size"])
    expected = {
        cell
        for cell in itertools.product(*map(range, entry["grid_shape"]))
        if segment_meets_box(corners[2][:, ::-1], np.array(cell) * size, (np.array(cell) + 1) * size)
    }
    assert found[key] == expected
    points = voxome.open(str(tmp_path / "a"), expect=voxome.Points)
    assert points.within((0, 0, 0), (50, 50, 50)).ids.tolist() == [1, 2, 3]
    assert points.within((0, 14, 19), (50, 16, 21)).ids.tolist() == [3]


@pytest.mark.slow
def test_no_result_depends_on_how_the_writing_was_cut(tmp_path: Path) -> None:
    expected = annotations_of("line", 700, **all_types(700))
    shuffled = expected.select(np.random.default_rng(5).permutation(700))
    write(tmp_path / "whole", expected, limit=30)
    write(tmp_path / "cut", (shuffled.select(np.arange(at, min(at + 97, 700))) for at in range(0, 700, 97)), limit=30)
    names = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.shard")]
    assert names
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


@pytest.mark.slow
def test_a_level_has_the_same_share_of_every_cell(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    dense, sparse = (
        random.random((9000, 3)) * (1000, 1000, 500),
        random.random((1000, 3)) * (1000, 1000, 500) + (0, 0, 500),
    )
    found = Annotations("point", np.arange(1, 10_001), np.concatenate([dense, sparse])[:, None])
    write(tmp_path / "a", found, voxel_size_nm=(1, 1, 1), limit=200)
    for entry in info_of(tmp_path / "a")["spatial"][:3]:
        ids = [id for one, _, ids, _ in cells_of(tmp_path / "a") if one["key"] == entry["key"] for id in ids]
        share = np.mean(np.array(ids) > 9000)
        assert abs(share - 0.1) < 5 * np.sqrt(0.09 / len(ids))


@pytest.mark.slow
def test_cells_list_annotations_in_random_order(tmp_path: Path) -> None:
    found = Annotations("point", np.arange(1, 301), np.arange(300)[:, None, None] * np.ones((1, 1, 3)))
    write(tmp_path / "a", found)
    write(tmp_path / "b", found, seed=1)
    ((_, _, ids, _),) = cells_of(tmp_path / "a")
    ((_, _, others, _),) = cells_of(tmp_path / "b")
    assert sorted(ids) == sorted(others) == list(range(1, 301))
    assert ids != others
    assert abs(np.corrcoef(ids, np.arange(300))[0, 1]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 100])
def test_the_last_level_takes_all_that_are_at_one_place(tmp_path: Path, others: int) -> None:
    positions = np.concatenate([np.full((500, 1, 3), 7.0), np.random.default_rng(0).random((others, 1, 3)) * 60])
    found = Annotations("point", np.arange(1, 501 + others), positions)
    points = write(tmp_path / "a", found, limit=9)
    levels = info_of(tmp_path / "a")["spatial"]
    assert len(levels) <= 8
    assert all(level["limit"] == 9 for level in levels[:-1])
    assert all(len(ids) <= entry["limit"] for entry, _, ids, _ in cells_of(tmp_path / "a"))
    assert np.isin(np.arange(1, 501), points.within((6, 6, 6), (8, 8, 8)).ids).all()
    editor = voxome.open(points.uri, expect=voxome.Points, mode="r+")
    editor.delete([1])
    editor.fold()
    assert [level["limit"] for level in info_of(tmp_path / "a")["spatial"][:-1]] == [9] * (len(levels) - 1)


@pytest.mark.slow
def test_large_boxes_do_not_multiply(tmp_path: Path) -> None:
    corners = np.array([[0.0, 0, 0], [4000, 4000, 4000]]) + np.random.default_rng(0).random((500, 2, 3))
    points = write(tmp_path / "a", Annotations("box", np.arange(1, 501), corners), limit=10)
    entries = sum(len(ids) for _, _, ids, _ in cells_of(tmp_path / "a"))
    assert entries <= 500 * 5
    assert len(points.within((2000, 2000, 2000), (2001, 2001, 2001))) == 500


@pytest.mark.slow
def test_large_annotations_need_few_levels(tmp_path: Path) -> None:
    ends = np.random.default_rng(0).random((3000, 2, 3)) * 40_000
    lines = Annotations("line", np.arange(1, 3001), ends)
    points = write(tmp_path / "a", lines, limit=10)
    assert len(info_of(tmp_path / "a")["spatial"]) <= 20  # not 300, each with 10 in its cell
    assert all(len(ids) <= entry["limit"] for entry, _, ids, _ in cells_of(tmp_path / "a"))
    assert sum(len(ids) for _, _, ids, _ in cells_of(tmp_path / "a")) <= 3000 * 5
    start, stop = (5000, 5000, 5000), (9000, 20000, 9000)
    assert points.within(start, stop).ids.tolist() == lines.within(start, stop).ids.tolist()


@pytest.mark.slow
def test_properties_of_all_types_come_back_equal(tmp_path: Path) -> None:
    expected = annotations_of("point", 300, **all_types(300))
    points = write(tmp_path / "a", expected)
    assert_equal(points.get(expected.ids.tolist()), expected)
    assert_equal(points.within((0, 0, 0), (1e6, 1e6, 1e6)), expected, relations=False)
    rows = np.flatnonzero(np.arange(300) % 40 == 7)
    assert_equal(points.related("pre", 7), expected.select(rows), relations=False)
    listed = [one["type"] for one in info_of(tmp_path / "a")["properties"]]
    sizes = [{"rgb": 1, "rgba": 1}.get(kind) or np.dtype(kind).itemsize for kind in listed]
    assert sizes == sorted(sizes, reverse=True)
    assert not {"int64", "uint64", "float64", "bool", "str"} & set(listed)


def test_more_than_255_bytes_of_properties_come_back_equal(tmp_path: Path) -> None:
    wide = {f"p{number}": np.arange(20, dtype="float32") + number for number in range(70)}
    odd = {f"q{number}": np.arange(20, dtype="uint8") + number for number in range(3)}
    expected = Annotations("point", np.arange(20), np.zeros((20, 1, 3)), {**odd, **wide})
    assert_equal(write(tmp_path / "a", expected).get(range(20)), expected)


def test_names_that_neuroglancer_does_not_accept_come_back(tmp_path: Path) -> None:
    names = ("Score", "T-bar conf", "1st", "a b", "a_b", "größe")
    expected = Annotations(
        "point", [1], [[[1, 2, 3]]], {name: np.array([row], "uint8") for row, name in enumerate(names)}
    )
    points = write(tmp_path / "a", expected)
    assert_equal(points[1], expected)
    ids = [one["id"] for one in info_of(tmp_path / "a")["properties"]]
    assert len(set(ids)) == len(names)
    assert all(id[0].islower() and id.isascii() and id.replace("_", "a").isalnum() for id in ids)


@pytest.mark.parametrize(
    "values", [np.ones(1, complex), np.ones((1, 2)), np.ones((1, 3), "float32"), np.array(["2020"], "M8[D]")]
)
def test_properties_of_other_types_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(UnsupportedFormat, match="'odd' has the dtype"):
        write(tmp_path / "a", Annotations("point", [1], [[[1, 2, 3]]], {"odd": values}))
    assert not (tmp_path / "a").exists()


def test_dimensions_are_metres_and_come_back_equal(tmp_path: Path) -> None:
    size = (5.24, 3.7, 1e-3)
    one = Annotations("point", [1], [[[5.24 * 3, 3.7 * 5, 7e-3]]])
    points = write(tmp_path / "a", one, voxel_size_nm=size)
    assert info_of(tmp_path / "a")["dimensions"] == {"x": [1e-12, "m"], "y": [3.7e-9, "m"], "z": [5.24e-9, "m"]}
    assert points.source.voxel_size_nm == size  # type: ignore[attr-defined]


def test_positions_far_away_are_exact_in_voxels_and_refused_where_they_are_not(tmp_path: Path) -> None:
    size = np.array([40.0, 4.0, 4.0])
    voxels = np.array([[750_000, 7_500_000, 7_499_999]])
    far = Annotations("point", [1], ((voxels + 0.5) * size)[:, None])
    points = write(tmp_path / "a", far, voxel_size_nm=tuple(size))
    np.testing.assert_array_equal(points[1].positions_nm[0], (voxels + 0.5) * size)
    rest = np.array([[[1e6 + 0.3, 3e7 + 1.4, 3e7 + 1.1]]])
    near = write(tmp_path / "b", Annotations("point", [1], rest), voxel_size_nm=tuple(size))
    assert (np.abs(near[1].positions_nm - rest) < size / 2).all()
    with pytest.raises(UnsupportedFormat, match="voxel size"):
        write(tmp_path / "c", Annotations("point", [1], rest * 1000 + 0.3), voxel_size_nm=tuple(size))


def test_several_geometries_become_several_collections(tmp_path: Path) -> None:
    point, line = annotations_of("point", 30), annotations_of("line", 20)
    found = voxome.create_annotations(f"precomputed://{tmp_path}/a", iter([point, line, annotations_of("line", 0)]))
    assert [one.shape for one in found] == ["point", "line"]
    assert [one.uri for one in found] == [f"precomputed://{tmp_path}/a/{shape}" for shape in ("point", "line")]
    assert_equal(found[1].get(line.ids.tolist()), line)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Annotations("point", [1], [[[1, 1, 1]]], {"a": np.ones(1, "u1")}), "the id 1 occurs twice"),
        (Annotations("point", [2], [[[1, 1, 1]]], {"b": np.ones(1, "u1")}), "have the properties b"),
        (Annotations("point", [2], [[[1, 1, 1]]], {"a": np.ones(1, "u2")}), "dtype uint16"),
        (Annotations("point", [2], [[[1, 1, 1]]], {"a": np.ones(1, "u1")}, {"c": [[1]]}), "have the relations c"),
        (Annotations("point", [2], [[[np.nan, 1, 1]]], {"a": np.ones(1, "u1")}), "must be finite"),
    ],
)
def test_parts_that_do_not_fit_are_refused_and_nothing_is_left(
    tmp_path: Path, second: Annotations, message: str
) -> None:
    first = Annotations("point", [1], [[[1, 1, 1]]], {"a": np.ones(1, "u1")})
    with pytest.raises(InvalidInput, match=message):
        write(tmp_path / "a", iter([first, second]))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("ids", [[1.5], [-1], ["a"], np.array([2.0**53]), [2**64]])
def test_ids_are_whole_numbers_of_64_bits(ids: Any) -> None:
    with pytest.raises(InvalidInput, match="integers from 0 to 2"):
        Annotations("point", ids, [[[1, 1, 1]]])
    with pytest.raises(InvalidInput, match="integers from 0 to 2"):
        Annotations("point", [1], [[[1, 1, 1]]], relations={"pre": [ids]})


def test_an_empty_collection_is_one(tmp_path: Path) -> None:
    empty = annotations_of("line", 0, exact=np.empty(0), note=np.empty(0, str))
    points = write(tmp_path / "a", empty)
    assert_equal(points.get([]), empty)
    assert len(points.ids()) == len(points.within((0, 0, 0), (1, 1, 1))) == len(points.related("pre", 3)) == 0
    with pytest.raises(InvalidInput, match="there are no annotations"):
        write(tmp_path / "b", iter([]))


KILLED = """
import os, sys, voxome
from voxome.remotes.precomputed.annotation_writer import AnnotationWriter

AnnotationWriter._write_info = lambda *_: os._exit(9)
voxome.create_annotations(sys.argv[1], voxome.Annotations("point", [1, 2], [[[1, 1, 1]], [[2, 2, 2]]]))
"""


@pytest.mark.slow
def test_what_is_there_is_kept_and_what_a_killed_writer_left_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))  # for what killed processes leave
    write(tmp_path / "a", annotations_of("point", 3))
    with pytest.raises(AlreadyExists):
        write(tmp_path / "a", annotations_of("point", 3))
    for name in ("b", "c"):
        assert subprocess.run([sys.executable, "-c", KILLED, f"precomputed://{tmp_path}/{name}"]).returncode == 9
        assert (tmp_path / name / "by_id").is_dir()
    (tmp_path / "c/notes.txt").write_text("mine")
    assert len(write(tmp_path / "b", annotations_of("point", 3)).ids()) == 3
    with pytest.raises(AlreadyExists, match=r"notes\.txt"):
        write(tmp_path / "c", annotations_of("point", 3))
    assert (tmp_path / "c/notes.txt").exists()


def test_a_folder_that_others_use_is_never_emptied(tmp_path: Path) -> None:
    for name in ("unfinished", "by_id"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("mine")
        with pytest.raises(AlreadyExists):
            write(tmp_path / name, annotations_of("point", 3))
        assert (tmp_path / name / name).read_text() == "mine"


@pytest.mark.parametrize("claim", [{"process": None}, {"process": "x"}, {"process": 1e400}, {"names": 3}, {}])
def test_a_damaged_claim_of_a_writer_is_an_error(tmp_path: Path, claim: dict[str, Any]) -> None:
    (tmp_path / ".voxome-writer.json").write_text(json.dumps(claim))
    with pytest.raises(AlreadyExists, match="being written by process 0 of an unknown host"):
        write(tmp_path, annotations_of("point", 3))


def test_names_in_a_claim_are_no_regular_expressions(tmp_path: Path) -> None:
    claim = {"host": host_name(), "process": 1 << 30, "started": "1", "names": ["(", "(a+)+$"]}
    (tmp_path / ".voxome-writer.json").write_text(json.dumps(claim))
    (tmp_path / f"{'a' * 99}b").touch()
    with pytest.raises(AlreadyExists, match="aab in it"):
        write(tmp_path, annotations_of("point", 3))


def test_a_second_writer_leaves_the_first_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = AnnotationWriter._write_info
    second = AnnotationWriter(LocalPath(str(tmp_path / "a")), "second", PointsSpec())
    second.write(annotations_of("point", 7))

    def late(writer: AnnotationWriter, *arguments: Any) -> None:
        monkeypatch.setattr(AnnotationWriter, "_write_info", finish)
        with pytest.raises(AlreadyExists, match="being written by process"):
            write(tmp_path / "a", annotations_of("point", 7))
        with second, pytest.raises(AlreadyExists, match="being written by process"):
            second.finish(None)
        finish(writer, *arguments)

    monkeypatch.setattr(AnnotationWriter, "_write_info", late)
    expected = annotations_of("point", 3)
    assert_equal(write(tmp_path / "a", expected).get(expected.ids.tolist()), expected)
    assert not list((tmp_path / "a").glob(".*"))


def test_collections_of_several_geometries_are_all_written_or_none(tmp_path: Path) -> None:
    lines = annotations_of("line", 3)
    parts = [annotations_of("point", 3), lines.replace(ids=[3, 3, 4])]
    with pytest.raises(InvalidInput, match="occurs twice") as caught:
        voxome.create_annotations(f"precomputed://{tmp_path}/a", iter(parts))
    assert "a/point was removed" in caught.value.__notes__[0]
    assert len(voxome.create_annotations(f"precomputed://{tmp_path}/a", iter([parts[0], lines]))) == 2


def test_of_two_writers_that_begin_at_once_the_last_to_finish_leaves_the_other_alone(tmp_path: Path) -> None:
    expected = annotations_of("point", 3)

    def parts() -> Iterator[Annotations]:
        yield annotations_of("point", 7)
        write(tmp_path / "a", expected)

    with pytest.raises(AlreadyExists):
        write(tmp_path / "a", parts())
    points = voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points)
    assert_equal(points.get(expected.ids.tolist()), expected)


@pytest.mark.slow
def test_many_annotations_are_written_in_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voxome.remotes.precomputed import annotation_index_writer, annotation_levels, annotation_writer

    monkeypatch.setattr(annotation_writer, "_RUN", 1000)
    monkeypatch.setattr(annotation_index_writer, "_IDS_PER_SHARD", 20)
    monkeypatch.setattr(annotation_index_writer, "_SHARD_BYTES", 4000)
    monkeypatch.setattr(annotation_levels, "_BUFFER", 1000)
    expected = annotations_of("line", 10_000, exact=np.arange(10_000) / 3)
    points = write(tmp_path / "a", expected, limit=50)
    assert len(list((tmp_path / "a/by_id").iterdir())) > 256
    assert len(list((tmp_path / "a/spatial3").iterdir())) > 1
    assert_equal(points.get(expected.ids.tolist()), expected)
    start, stop = EXTENT_NM * 0.2, EXTENT_NM * 0.6
    assert_equal(points.within(tuple(start), tuple(stop)), expected.within(tuple(start), tuple(stop)), relations=False)
    rows = np.flatnonzero(np.arange(10_000) % 40 == 7)
    assert_equal(points.related("pre", 7), expected.select(rows), relations=False)
