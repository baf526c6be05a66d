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
from voxome.errors import AlreadyExists, CorruptData, InvalidInput, NotFound, ReadOnly, UnknownName, UnsupportedFormat
from voxome.resources.table import write_table

SHAPES: tuple[AnnotationShape, ...] = ("point", "line", "box", "ellipsoid")


def read(uri: str) -> voxome.Points:
    return voxome.open(f"annotationfiles://{uri}", expect=voxome.Points)


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
        ("z_nm,y_nm,x_nm,id\n1,2,3,1.5\n", CorruptData, "column 'id' has a value that is no uint64"),
        ("z_nm,y_nm,x_nm,seg[]\n1,2,3,a b\n", CorruptData, "column 'seg' has a value"),
        ("z_nm,y_nm,x_nm\n1,2,x\n", InvalidInput, "column 'x_nm' is of type string"),
    ],
)
def test_a_csv_that_cannot_be_read_is_explained(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(error, match=message):
        read(f"{tmp_path}/a.csv").ids()


def test_wrong_requests_are_explained(tmp_path: Path) -> None:
    (points,) = voxome.create_annotations(tmp_path / "a.csv", annotations_of("point", 5))
    with pytest.raises(AlreadyExists):
        voxome.create_annotations(tmp_path / "a.csv", annotations_of("point", 5))
    with pytest.raises(NotFound, match="no annotation 12345"):
        points[12345]
    with pytest.raises(UnknownName, match="post"):
        points.related("pots", 1)
    with pytest.raises(ReadOnly, match="precomputed://"):
        voxome.open(f"annotationfiles://{tmp_path}/a.csv", mode="r+")
    with pytest.raises(UnsupportedFormat, match=r"\.csv or \.parquet"):
        read(f"{tmp_path}/a.txt")
    with pytest.raises(InvalidInput, match="no column boody"):
        read(f"{tmp_path}/a.csv?relations=boody")
    with pytest.raises(InvalidInput, match="expected three lengths"):
        read(f"{tmp_path}/a.csv?voxel_size=4")
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
