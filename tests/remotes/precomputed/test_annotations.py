"""Annotations of precomputed collections: by id, by related label and by position, in files and in shards."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.layers import BIG_IDS, SHARDING, write_info, write_shards
from remotes.precomputed.lines import segment_meets_box

import voxome
from voxome.errors import CorruptData, NotFound, UnknownName, UnsupportedFormat
from voxome.remotes.precomputed import annotations
from voxome.remotes.precomputed.annotation_cells import morton_cell, morton_code
from voxome.testing.volume_case import any_example

GRID = (2, 3, 1)
DIMENSIONS = {"x": [4e-9, "m"], "y": [8, "nm"], "z": [0.04, "um"]}
NM = np.array([4, 8, 40])
PROPERTIES = [
    {"id": "colour", "type": "rgb"},
    {"id": "score", "type": "float32"},
    {"id": "kind", "type": "uint8"},
    {"id": "count", "type": "int16"},
]


def record(vectors: np.ndarray, row: int) -> bytes:
    """One annotation, its properties in falling size, padded from 10 to 12 bytes."""
    return vectors.astype("<f4").tobytes() + struct.pack("<fh3BB2x", row / 2, -row, 1, 2, row, row + 7)


class Collection:
    """Five annotations of one geometry, in the units of `DIMENSIONS`, x first."""

    ids = (*BIG_IDS, 77)

    def __init__(self, kind: str) -> None:
        self.kind = kind
        vectors = 1 if kind == "point" else 2
        first = np.array([[1, 1, 1], [9, 1, 1], [11, 14, 2], [19, 29, 9], [0, 0, 0]], float)
        second = np.array([[2, 2, 2], [1, 5, 3], [2, 2, 2], [1, 1, 1], [3, 3, 3]], float)
        self.vectors = np.stack([first, second], axis=1)[:, :vectors]

    def records(self, rows: list[int]) -> bytes:
        head = struct.pack("<Q", len(rows)) + b"".join(record(self.vectors[row], row) for row in rows)
        return head + np.array([self.ids[row] for row in rows], "<u8").tobytes()

    def low_and_high(self) -> tuple[np.ndarray, np.ndarray]:
        at = self.vectors
        if self.kind == "ELLIPSOID":
            return at[:, 0] - at[:, 1], at[:, 0] + at[:, 1]
        return at.min(axis=1), at.max(axis=1)

    def cells(self, rows: range, grid: tuple[int, ...], size: np.ndarray) -> dict[tuple[int, ...], list[int]]:
        low, high = self.low_and_high()
        found = {}
        for cell in itertools.product(*map(range, grid)):
            start = np.array(cell) * size
            meets = ((low <= start + size) & (high >= start)).all(axis=1)
            found[cell] = [row for row in rows if meets[row]]
        return {cell: rows for cell, rows in found.items() if rows}

    def write(self, folder: Path, sharded: bool) -> None:
        levels = [("spatial0", (1, 1, 1), range(2)), ("spatial1", GRID, range(2, 5))]
        sharding = {"sharding": SHARDING} if sharded else {}
        info: dict[str, Any] = {
            "@type": "neuroglancer_annotations_v1",
            "dimensions": DIMENSIONS,
            "lower_bound": [0, 0, 0],
            "upper_bound": [20, 30, 10],
            "annotation_type": self.kind,
            "properties": PROPERTIES,
            "relationships": [{"id": "pre", "key": "related/pre", **sharding}, {"id": "post", "key": "post"}],
            "by_id": {"key": "by_id", **sharding},
            "spatial": [
                {
                    "key": key,
                    "grid_shape": grid,
                    "chunk_size": [20 / grid[0], 30 / grid[1], 10 / grid[2]],
                    "limit": 10,
                    **sharding,
                }
                for key, grid, _ in levels
            ],
        }
        write_info(folder, info)
        relations = struct.pack("<IQQI", 2, 2**63 + 1, 4, 0)
        by_id = {id: record(self.vectors[row], row) + relations for row, id in enumerate(self.ids)}
        self._store(folder / "by_id", by_id, sharded)
        self._store(folder / "related/pre", {2**63 + 1: self.records([4, 0, 2])}, sharded)
        for key, grid, rows in levels:
            found = self.cells(rows, grid, np.array([20, 30, 10]) / grid)
            if sharded:
                self._store(
                    folder / key, {morton_code(cell, grid): self.records(at) for cell, at in found.items()}, True
                )
            else:
                self._store(
                    folder / key, {"_".join(map(str, cell)): self.records(at) for cell, at in found.items()}, False
                )

    def _store(self, folder: Path, values: dict[Any, bytes], sharded: bool) -> None:
        if sharded:
            return write_shards(folder, SHARDING, values)
        folder.mkdir(parents=True)
        for name, value in values.items():
            (folder / str(name)).write_bytes(value)
        return None


KINDS = {"point": "point", "LINE": "line", "axis_aligned_bounding_box": "box", "ELLIPSOID": "ellipsoid"}


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_annotations_are_found_by_id_and_by_relation(tmp_path: Path, kind: str, sharded: bool) -> None:
    collection = Collection(kind)
    collection.write(tmp_path, sharded)
    points = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Points)
    assert (points.shape, points.relations) == (KINDS[kind], ("pre", "post"))
    assert points.ids().tolist() == sorted(collection.ids)
    found = points.get([77, 2**64 - 2])
    assert found.ids.tolist() == [77, 2**64 - 2]
    assert_allclose(found.positions_nm, (collection.vectors[[4, 3]] * NM)[..., ::-1], rtol=1e-6)
    assert found.properties["score"].tolist() == [2, 1.5]
    assert found.properties["count"].tolist() == [-4, -3]
    assert found.properties["kind"].tolist() == [11, 10]
    assert found.properties["colour"].tolist() == [[1, 2, 4], [1, 2, 3]]
    assert [labels.tolist() for labels in found.relations["pre"]] == [[2**63 + 1, 4]] * 2
    assert [labels.tolist() for labels in found.relations["post"]] == [[], []]
    assert points.related("pre", 2**63 + 1).ids.tolist() == [5, 77, 2**63 + 5]
    assert len(points.related("pre", 4)) == len(points.related("post", 4)) == 0
    assert len(points.get([])) == 0
    with pytest.raises(NotFound, match="no annotation 6"):
        points[6]
    with pytest.raises(UnknownName, match="pre"):
        points.related("prr", 4)


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_box_finds_the_annotations_that_meet_it(
    tmp_path: Path, kind: str, sharded: bool, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "_LISTED", 0 if listed else 100)
    collection = Collection(kind)
    collection.write(tmp_path, sharded)
    points = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Points)
    low, high = collection.low_and_high()
    corner = st.tuples(st.integers(-3, 22), st.integers(-3, 32), st.integers(-3, 12))

    @any_example
    @example(start=(0, 0, -1), size=(1, 1, 1))  # meets ellipsoids that extend beyond the grid
    @given(start=corner, size=st.tuples(*[st.integers(1, 25)] * 3))
    def check(start: tuple[int, ...], size: tuple[int, ...]) -> None:
        stop = np.array(start) + size
        meets = ((low < stop) & (high >= start)).all(axis=1)
        if kind == "LINE":
            meets = np.array([segment_meets_box(line, start, stop) for line in collection.vectors])
        found = points.within((np.array(start) * NM)[::-1], (stop * NM)[::-1])
        assert found.ids.tolist() == sorted(id for id, met in zip(collection.ids, meets, strict=True) if met)

    check()
    assert len(points.within((0, 0, 0), (1e9, 1e9, 1e9))) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotation_type": "polyline"}, "type polyline"),
        ({"dimensions": {"x": [1, "nm"], "y": [1, "nm"]}}, "x, y and z in units of length were expected"),
        ({"dimensions": {**DIMENSIONS, "t": [1, "s"]}}, "x, y and z in units of length were expected"),
        ({"dimensions": {**DIMENSIONS, "z": [1, ""]}}, "x, y and z in units of length were expected"),
        ({"properties": [{"id": "a", "type": "text"}]}, "does not follow the format"),
        ({"properties": [{"id": "a", "type": "|O"}]}, r"has the type '\|O'; expected uint32"),
        (
            {"properties": [{"id": "a", "type": "uint8"}], "voxome": {"properties": {"a": {"dtype": "O"}}}},
            "has the dtype 'O'; expected bool",
        ),
        ({"by_id": {"key": "../other"}}, "a path inside this folder was expected"),
        ({"spatial": [{"key": "a", "chunk_size": [0, 1, 1], "grid_shape": [1, 1, 1]}]}, "does not follow the format"),
    ],
)
def test_metadata_that_do_not_follow_the_format_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    info = {"@type": "neuroglancer_annotations_v1", "annotation_type": "point", "dimensions": DIMENSIONS, **changes}
    write_info(tmp_path, info)
    with pytest.raises((UnsupportedFormat, CorruptData), match=message):
        voxome.open(f"precomputed://{tmp_path}")


def test_a_collection_may_lack_indices(tmp_path: Path) -> None:
    write_info(tmp_path, {"@type": "neuroglancer_annotations_v1", "annotation_type": "point", "dimensions": DIMENSIONS})
    points = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Points)
    with pytest.raises(UnsupportedFormat, match="no spatial index"):
        points.within((0, 0, 0), (1, 1, 1))
    with pytest.raises(UnsupportedFormat, match="no index of ids"):
        points.ids()


@pytest.mark.parametrize("cut", [slice(0, -1), slice(0, 20), slice(0, 3)])
def test_broken_annotations_are_corrupt(tmp_path: Path, cut: slice) -> None:
    Collection("LINE").write(tmp_path, False)
    for name in ("by_id/5", f"related/pre/{2**63 + 1}", "spatial0/0_0_0"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[cut])
    points = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Points)
    with pytest.raises(CorruptData, match="cannot decode annotation 5"):
        points[5]
    with pytest.raises(CorruptData, match="cannot decode the annotations of"):
        points.related("pre", 2**63 + 1)
    with pytest.raises(CorruptData, match="cannot decode a cell"):
        points.within((0, 0, 0), (1, 1, 1))


def test_morton_codes_are_those_of_the_format() -> None:
    assert morton_code((1, 1, 1), (2, 2, 2)) == 7
    assert morton_code((3, 0, 1), (4, 1, 2)) == 0b111
    assert morton_code((2, 0, 1), (4, 1, 2)) == 0b110
    grid = (5, 1, 3)
    cells = list(itertools.product(*map(range, grid)))
    codes = [morton_code(cell, grid) for cell in cells]
    assert len(set(codes)) == len(cells)
    assert [morton_cell(code, grid) for code in codes] == cells


def test_a_collection_of_the_field(shared: Path) -> None:
    path = shared / "formats/precomputed_cloudvolume/test_precomputed_annotation"
    points = voxome.open(str(path), expect=voxome.Points)
    one = points[3867588737]
    assert_array_equal(one.positions_nm, [[[96921, 1318752, 1937760]]])
    assert one.properties["class_label"].tolist() == [1]
    related = points.related("skeleton_id", 243895108)
    assert related.ids.tolist() == sorted(related.ids.tolist())
    assert len(related) == 4
