"""Annotations in tables: Parquet and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from remotes.precomputed.collections_of_annotations import BIG, all_types, annotations_of, assert_equal

import voxome
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidBox,
    InvalidInput,
    NotFound,
    ReadOnly,
    UnknownName,
    UnsupportedFormat,
)
from voxome.remotes.annotation_files import columns as columns_module
from voxome.resources.table import write_table

SHAPES: tuple[AnnotationShape, ...] = ("point", "line", "box", "ellipsoid")


def read(uri: str) -> voxome.Points:
    return voxome.open(f"annotationfiles://{uri}", expect=voxome.Points)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_tables_come_back_equal(tmp_path: Path, shape: AnnotationShape, suffix: str) -> None:
    expected = annotations_of(shape, 60, **all_types(60))
    (points,) = voxome.create_annotations(f"{tmp_path}/a.{suffix}", expected)
    assert (points.shape, set(points.relations)) == (shape, {"pre", "post"})
    assert points.ids().tolist() == sorted(expected.ids.tolist())
    found = points.get(expected.ids.tolist())
    assert_same_values(found, expected)
    start, stop = (500, 3000, 2000), (1500, 9000, 7000)
    assert points.within(start, stop).ids.tolist() == sorted(expected.within(start, stop).ids.tolist())
    assert points.related("pre", 7).ids.tolist() == sorted(expected.ids[np.arange(60) % 40 == 7].tolist())
    (stored,) = voxome.create_annotations(f"precomputed://{tmp_path}/p", points)
    assert_same_values(stored.get(expected.ids.tolist()), expected)


def assert_same_values(found: Annotations, expected: Annotations) -> None:
    """Compare annotations, but for types, which a CSV file does not have."""
    order = np.argsort(expected.ids)
    properties = {name: values[order] for name, values in expected.properties.items()}
    for name, values in found.properties.items():
        np.testing.assert_array_equal(values.astype(properties[name].dtype), properties[name], name)
    assert_equal(found.replace(properties=properties), expected)


def test_ids_of_a_csv_never_become_floats(tmp_path: Path) -> None:
    rows = "\n".join(f"{id},0,0,0,{id},{id}" for id in BIG)
    (tmp_path / "a.csv").write_text(f"id,z_nm,y_nm,x_nm,body,seg[]\n{rows}\n")
    found = read(f"{tmp_path}/a.csv?relations=body").get(BIG)
    assert found.ids.tolist() == list(BIG)
    assert [one.tolist() for one in found.relations["body"]] == [[id] for id in BIG]
    assert [one.tolist() for one in found.relations["seg"]] == [[id] for id in BIG]


@pytest.mark.parametrize("id", [7, 2**53 + 1, 2**60 + 1, 2**64 - 1])
def test_an_empty_cell_is_no_label_and_leaves_the_others_exact(tmp_path: Path, id: int) -> None:
    (tmp_path / "a.csv").write_text(f"id,z_nm,y_nm,x_nm,body\n1,0,0,0,{id}\n2,0,0,0,\n")
    found = read(f"{tmp_path}/a.csv?relations=body").get([1, 2])
    assert [one.tolist() for one in found.relations["body"]] == [[id], []]
    if id <= 2**53:
        np.testing.assert_array_equal(read(f"{tmp_path}/a.csv").get([1, 2]).properties["body"], [id, np.nan])
    else:
        with pytest.raises(InvalidInput, match=r"'body' of uint64 lacks 1 values.*\?relations=body"):
            read(f"{tmp_path}/a.csv").get([1, 2])


def test_ids_of_a_relation_that_are_inexact_floats_are_refused(tmp_path: Path) -> None:
    table = {"id": [1, 2], "z_nm": [0, 0], "y_nm": [0, 0], "x_nm": [0, 0]}
    pq.write_table(pa.table({**table, "body": [7.0, None]}), tmp_path / "a.parquet")
    found = read(f"{tmp_path}/a.parquet?relations=body").get([1, 2])
    assert [one.tolist() for one in found.relations["body"]] == [[7], []]
    for wrong, message in ((2.0**60, "not exact"), (1.5, "no ids"), (-1.0, "no ids")):
        pq.write_table(pa.table({**table, "body": [7.0, wrong]}), tmp_path / "a.parquet")
        with pytest.raises(InvalidInput, match=message):
            read(f"{tmp_path}/a.parquet?relations=body").get([1])


def test_values_of_a_csv_have_the_smallest_type_that_holds_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "z_nm,y_nm,x_nm,a,b,c,d,e,f\n1,2,3,255,-1,true,0.1,word,18446744073709551614\n1,2,3,0,7,False,,2,1\n"
    )
    found = read(f"{tmp_path}/a.csv").get([1, 2])
    kinds = {name: values.dtype.name.rstrip("0123456789") for name, values in found.properties.items()}
    assert {name: found.properties[name].dtype.name for name in "abcdf"} == {
        "a": "uint8",
        "b": "int8",
        "c": "bool",
        "d": "float64",
        "f": "uint64",
    }
    assert kinds["e"] == "str"
    assert np.isnan(found.properties["d"][1])
    assert found.properties["f"].tolist() == [2**64 - 2, 1]


def test_texts_with_leading_zeros_stay_texts(tmp_path: Path) -> None:
    rows = ("007,-0,-00,0.5,00.5,1e3", "5,3,0,0,1,nan")
    (tmp_path / "a.csv").write_text("z_nm,y_nm,x_nm,a,b,c,d,e,f\n" + "".join(f"1,2,3,{row}\n" for row in rows))
    found = read(f"{tmp_path}/a.csv").get([1, 2]).properties
    texts = {"a": ["007", "5"], "c": ["-00", "0"], "e": ["00.5", "1"]}
    assert {name: found[name].tolist() for name in texts} == texts
    assert all(found[name].dtype.kind in "iuf" for name in "bdf")


def test_a_value_among_numbers_that_is_none_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text("z_nm,y_nm,x_nm,score,type\n1,2,3,0.5,a\n1,2,3,x,b\n1,2,3,,7\n1,2,3,1,c\n")
    assert read(f"{tmp_path}/a.csv").get([1, 4]).properties["score"].tolist() == ["0.5", "1"]
    (message,) = {record.getMessage() for record in caplog.records}
    assert "the column 'score' is read as texts: row 2 has 'x' (no number)" in message


def test_positions_in_voxels_are_their_centres(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pre_z,pre_y,pre_x,post_z,post_y,post_x\n1,2,3,4,5,6\n")
    points = read(f"{tmp_path}/a.csv?voxel_size=40,8,4")
    assert points.shape == "line"
    np.testing.assert_array_equal(points[1].positions_nm, [[[60, 20, 14], [180, 44, 26]]])
    with pytest.raises(InvalidInput, match=r"positions count in voxels; add the voxel size in nm, as \?voxel_size="):
        read(f"{tmp_path}/a.csv")


def test_positions_of_a_run_count_from_the_centre_of_voxel_0(tmp_path: Path) -> None:
    rows = {
        "id": np.array([7], np.uint64),
        **{f"{axis}_nm": np.array([100.0]) for axis in "zyx"},
        "pre_id": np.array([9]),
    }
    columns = {"id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", "pre_id": "uint64"}
    write_table(tmp_path / "synapses.parquet", rows, columns)
    uri = f"{tmp_path}/synapses.parquet?relations=pre_id&voxel_size=40,8,4&offset=0,2,0"
    found = read(uri)[7]
    np.testing.assert_array_equal(found.positions_nm, [[[120, 102, 102]]])
    assert found.relations["pre_id"][0].tolist() == [9]
    with pytest.raises(InvalidInput, match="as in all tables of a run"):
        read(f"{tmp_path}/synapses.parquet")


def test_a_parquet_of_another_program_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            **{f"{axis}_nm": pa.array([1.0, 2.0]) for axis in "zyx"},
            "body": pa.array([5, None], pa.uint64()),
            "near": pa.array([[1, 2], None], pa.list_(pa.int64())),
            "note": pa.array(["a", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(f"{tmp_path}/a.parquet?relations=body").get([1, 2])
    assert [one.tolist() for one in found.relations["body"]] == [[5], []]
    assert [one.tolist() for one in found.relations["near"]] == [[1, 2], []]
    assert found.properties["note"].tolist() == ["a", None]
    (stored,) = voxome.create_annotations(f"precomputed://{tmp_path}/p", f"{tmp_path}/a.parquet?relations=body")
    assert stored.get([1, 2]).properties["note"].tolist() == ["a", None]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", CorruptData, "is empty"),
        ("a,b\n1,2\n", InvalidInput, "positions are expected in z_nm, y_nm, x_nm"),
        ("z_nm,y_nm,x_nm\n1,2\n", CorruptData, "no CSV table"),
        ("z_nm,y_nm,x_nm,id\n1,2,3,1\n1,2,3,1.5\n", CorruptData, "row 2 has '1.5' in the column 'id'.* no uint64"),
        ("z_nm,y_nm,x_nm,id\n1,2,3,\n", CorruptData, "row 1 has '' in the column 'id'"),
        ("z_nm,y_nm,x_nm,seg[]\n1,2,3,7\n1,2,3,a b\n", CorruptData, "row 2 has 'a b' in the column 'seg'"),
        ("z_nm,y_nm,x_nm,id\n1,2,3,7\n4,5,6,8\n4,5,6,7\n", InvalidInput, "rows 1 and 3 both have the id 7"),
        ("z_nm,y_nm,x_nm,id\n1,2,3,7\n4,nan,6,8\n", InvalidInput, r"row 2 \(id 8\) has nan in y_nm; positions must"),
        ("z_nm,y_nm,x_nm\n1,2,3\n4,,6\n", InvalidInput, r"row 2 \(id 2\) has nan in y_nm"),
        ("z_nm,y_nm,x_nm\n1,2,-inf\n", InvalidInput, r"row 1 \(id 1\) has -inf in x_nm"),
        ("z_nm,y_nm,x_nm\n1,2,x\n", InvalidInput, "column 'x_nm' is of type string"),
        ("z_nm,y_nm,x_nm,n\n1,2,3,-1\n1,2,3,18446744073709551615\n", CorruptData, "'n' has whole numbers from -1 to"),
        ("z_nm,y_nm,x_nm,n\n1,2,3,18446744073709551616\n", CorruptData, "no type of 64 bits"),
        ("z_nm,y_nm,x_nm,z_nm\n1,2,3,4\n", InvalidInput, "has several columns z_nm; rename or remove"),
        ("z_nm,y_nm,x_nm,seg,seg[]\n1,2,3,4,5\n", InvalidInput, "has several columns seg; rename or remove"),
    ],
)
def test_a_csv_that_cannot_be_read_is_explained(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(error, match=message):
        read(f"{tmp_path}/a.csv").ids()


@pytest.mark.parametrize("query", ["ids", "get", "within", "related", "batches", "copy"])
@pytest.mark.parametrize(
    ("row", "message"),
    [("7,9,9,9,5", "rows 1 and 3 both have the id 7"), ("9,nan,9,9,5", "row 3 .id 9. has nan in z_nm")],
)
def test_every_query_of_a_table_names_the_row_that_is_wrong(tmp_path: Path, query: str, row: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(f"id,z_nm,y_nm,x_nm,seg[]\n7,1,1,1,5\n8,2,2,2,5\n{row}\n")
    points = read(f"{tmp_path}/a.csv")
    queries: dict[str, Any] = {
        "ids": points.ids,
        "get": lambda: points.get([8]),
        "within": lambda: points.within((0, 0, 0), (3, 3, 3)),
        "related": lambda: points.related("seg", 5),
        "batches": lambda: list(points.batches()),
        "copy": lambda: voxome.create_annotations(tmp_path / "b.parquet", points),
    }
    with pytest.raises(InvalidInput, match=message):
        queries[query]()
    assert not (tmp_path / "b.parquet").exists()


def test_the_columns_of_the_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pre_z,pre_y,pre_x,post_z,post_y,post_x\n1,2,3,4,5,nan\n")
    with pytest.raises(InvalidInput, match=r"row 1 .id 1. has nan in post_x"):
        read(f"{tmp_path}/a.csv?voxel_size=40,8,4").ids()
    missing = {"z_nm": [0.0, None], "y_nm": [0.0, 0.0], "x_nm": [0.0, 0.0]}
    pq.write_table(pa.table(missing), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match="row 2 has no value of z_nm"):
        read(f"{tmp_path}/a.parquet").ids()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_that_occur_twice_and_positions_that_are_not_finite_are_not_written(tmp_path: Path, suffix: str) -> None:
    twice: Any = iter([annotations_of("point", 5), annotations_of("point", 5)])
    with pytest.raises(InvalidInput, match="occurs twice"):
        voxome.create_annotations(tmp_path / f"a.{suffix}", twice)
    wrong = Annotations("ellipsoid", [3, 4], [[[0, 0, 0], [1, 1, 1]], [[0, 0, 0], [1, -1, 1]]])
    with pytest.raises(InvalidInput, match="the annotation 4 has -1 in radius_y_nm; radii of ellipsoids must be at"):
        voxome.create_annotations(tmp_path / f"a.{suffix}", wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_empty_table_is_written_and_read(tmp_path: Path, shape: AnnotationShape, suffix: str) -> None:
    none = annotations_of(shape, 5).select(np.empty(0, np.int64))
    (points,) = voxome.create_annotations(f"{tmp_path}/a.{suffix}", none)
    assert (points.shape, set(points.relations), points.ids().tolist()) == (shape, {"pre", "post"}, [])
    (copy,) = voxome.create_annotations(f"precomputed://{tmp_path}/p", f"{tmp_path}/a.{suffix}")
    for one in (points, copy):
        assert len(one.within((0, 0, 0), (1e9, 1e9, 1e9))) == len(one.related("pre", 7)) == 0
        assert set(one.get([]).properties) == set(none.properties)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_a_csv_end_with_a_line_feed_a_carriage_return_or_both(tmp_path: Path, end: str) -> None:
    rows = ('id,z_nm,y_nm,x_nm,"a\nb"', "1,0,0,0,5", "2,0,0,0,6")
    (tmp_path / "a.csv").write_bytes("".join(row + end for row in rows).encode())
    points = read(f"{tmp_path}/a.csv")
    assert points.ids().tolist() == [1, 2]
    assert points.get([1, 2]).properties["a\nb"].tolist() == [5, 6]


def test_positions_that_are_infinite_in_nm_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("z,y,x\n0,0,0\n1e300,0,0\n")
    with pytest.raises(InvalidInput, match=r"row 2 .id 2. has inf in z"):
        read(f"{tmp_path}/a.csv?voxel_size=1e9,1,1").ids()


@pytest.mark.parametrize("text", ["id,z_nm,y_nm,x_nm,seg", "id,z_nm,y_nm,x_nm,seg\r\n", "id,z_nm,y_nm,x_nm,seg\n\n"])
def test_a_csv_with_its_header_alone_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    points = read(f"{tmp_path}/a.csv?relations=seg")
    assert (points.ids().tolist(), list(points.relations)) == ([], ["seg"])


def test_empty_tables_of_other_programs_are_read(tmp_path: Path) -> None:
    names = ("id", "z_nm", "y_nm", "x_nm", "seg", "note")
    for column in (pa.array([], pa.float64()), pa.array([], pa.null())):
        pq.write_table(pa.table(dict.fromkeys(names, column)), tmp_path / "a.parquet")
        points = read(f"{tmp_path}/a.parquet?relations=seg")
        assert (points.ids().tolist(), list(points.relations)) == ([], ["seg"])


def test_wrong_requests_are_explained(tmp_path: Path) -> None:
    (points,) = voxome.create_annotations(tmp_path / "a.csv", annotations_of("point", 5))
    with pytest.raises(AlreadyExists):
        voxome.create_annotations(tmp_path / "a.csv", annotations_of("point", 5))
    with pytest.raises(NotFound, match="no annotation 12345"):
        points[12345]
    with pytest.raises(InvalidBox, match="is reversed"):
        points.within((0, 9, 0), (10, 0, 10))
    with pytest.raises(UnknownName, match="post"):
        points.related("pots", 1)
    with pytest.raises(ReadOnly, match="precomputed://"):
        voxome.open(f"annotationfiles://{tmp_path}/a.csv", mode="r+")
    with pytest.raises(UnsupportedFormat, match=r"\.csv or \.parquet"):
        read(f"{tmp_path}/a.txt")
    with pytest.raises(InvalidInput, match="no column boody"):
        read(f"{tmp_path}/a.csv?relations=boody")
    for wrong in ("4", "nan,1,1", "-4,1,1", "0,1,1", "inf,1,1"):
        with pytest.raises(InvalidInput, match="expected three positive lengths"):
            read(f"{tmp_path}/a.csv?voxel_size={wrong}")
    for wrong in ("4", "nan,1,1", "-inf,1,1"):
        with pytest.raises(InvalidInput, match=r"offset is .*expected a position"):
            read(f"{tmp_path}/a.csv?offset={wrong}")
    with pytest.raises(NotFound):
        read(f"{tmp_path}/b.csv")
    mixed: Any = iter([annotations_of("point", 5), annotations_of("point", 5).replace(properties={})])
    with pytest.raises(InvalidInput, match="those before had"):
        voxome.create_annotations(tmp_path / "c.parquet", mixed)
    assert not (tmp_path / "c.parquet").exists()


def test_a_parquet_says_what_made_it(tmp_path: Path) -> None:
    for suffix, expected in (("parquet", ["annotations"]), ("csv", [])):
        (points,) = voxome.create_annotations(f"{tmp_path}/a.{suffix}", annotations_of("point", 3), seed=5)
        assert [one.service for one in voxome.provenance(points.uri)] == expected
    assert read(f"{tmp_path}/a.parquet").provenance.parameters["seed"] == 5  # type: ignore[union-attr]


def test_several_geometries_become_several_files(tmp_path: Path) -> None:
    found = voxome.create_annotations(
        tmp_path / "a.parquet", iter([annotations_of("point", 3), annotations_of("line", 2)])
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-line.parquet", "a-point.parquet"]
    assert [len(one.ids()) for one in found] == [3, 2]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_of_very_many_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    columns = {name: [1.0] for name in ("id", "z", "y", "x", "a")}
    if suffix == ".csv":
        file.write_text(",".join(columns) + "\n1,1,1,1,1\n")
    else:
        pq.write_table(pa.table(columns), file)
    monkeypatch.setattr(columns_module, "MOST_COLUMNS", 4)
    with pytest.raises(UnsupportedFormat, match=r"has 5 columns; at most 4 are read"):
        voxome.open(f"annotationfiles://{file}?voxel_size=8,8,8")
    assert [one.type for one in voxome.ls(file)] == ["points"]
