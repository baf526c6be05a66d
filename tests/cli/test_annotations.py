"""``voxome annotations``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from cli.schemas import SCHEMAS

import voxome

ROWS = """id,pre_z,pre_y,pre_x,post_z,post_y,post_x,score,body[]
9007199254740993,1,2,3,1,2,30,0.5,9223372036854775813 7
5,10,20,30,11,21,31,0.25,7
6,40,50,60,41,51,61,0.75,
"""


@pytest.fixture
def stored(command: Any, tmp_path: Path) -> Any:
    (tmp_path / "synapses.csv").write_text(ROWS)
    options = ("--voxel-size", "40,4,4", "--dtype", "score=float32")
    result = command("annotations", "synapses.csv?voxel_size=40,4,4", "--out", "precomputed://synapses", *options)
    assert result.status == 0, result.err
    assert "annotations of shape line" in result.err
    return command


def ids(result: Any) -> list[str]:
    assert result.status == 0, result.err
    return [one["id"] for one in result.json["annotations"]]


@pytest.mark.slow
def test_synapses_of_a_table_are_found_by_box_id_and_segment(stored: Any) -> None:
    result = stored("annotations", "precomputed://synapses", "--id", "9007199254740993", "--json")
    (one,) = result.json["annotations"]
    jsonschema.validate(result.json, SCHEMAS["annotations"])
    assert one == {
        "id": "9007199254740993",
        "positions_nm": [[60, 10, 14], [60, 10, 122]],
        "properties": {"score": 0.5},
        "relations": {"body": ["9223372036854775813", "7"]},
    }
    assert ids(stored("annotations", "precomputed://synapses", "--segment", "7", "--json")) == ["5", "9007199254740993"]
    assert ids(stored("annotations", "precomputed://synapses", "--box", "0:400,:,60:61", "--json")) == [
        "9007199254740993"
    ]
    both = ("--box", "400:500,:,:", "--segment", "7", "--relation", "body", "--json")
    assert ids(stored("annotations", "precomputed://synapses", *both)) == ["5"]


@pytest.mark.slow
def test_what_is_found_is_printed_or_written(stored: Any, tmp_path: Path) -> None:
    result = stored("annotations", "precomputed://synapses", "--box", ":,:,0:200")
    assert result.out.splitlines()[0].split("\t")[:2] == ["id", "start_z_nm"]
    assert len(result.out.splitlines()) == 3
    assert stored("annotations", "precomputed://synapses", "--segment", "7", "--out", "some.csv").status == 0
    assert (tmp_path / "some.csv").read_text().splitlines()[0].endswith('"body[]"')
    result = stored("annotations", "some.csv", "--out", "some.parquet", "--json")
    jsonschema.validate(result.json, SCHEMAS["annotations --out"])
    again = stored("annotations", "some.csv", "--id", "9007199254740993", "--json")
    assert again.json["annotations"][0]["relations"] == {"body": ["9223372036854775813", "7"]}


def test_a_query_without_results_prints_the_columns_alone(stored: Any) -> None:
    result = stored("annotations", "precomputed://synapses", "--box", ":,:,900000:")
    assert result.status == 0
    assert len(result.out.splitlines()) == 1


@pytest.mark.slow
def test_annotations_are_edited(stored: Any, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(ROWS.splitlines()[0] + "\n77,1,1,1,1,1,1,0.5,8\n")
    voxome.create_annotations("new.parquet", "new.csv?voxel_size=40,4,4", dtypes={"score": "float32"})
    result = stored(
        "annotations", "precomputed://synapses", "--write", "new.parquet", "--delete", "5", "--fold", "--json"
    )
    assert result.json == {"uri": "precomputed://synapses", "edits": 2}
    jsonschema.validate(result.json, SCHEMAS["annotations"])
    points = voxome.open("precomputed://synapses", expect=voxome.Points)
    assert points.ids().tolist() == [6, 77, 9007199254740993]
    np.testing.assert_array_equal(points[77].positions_nm, [[[60, 6, 6], [60, 6, 6]]])


@pytest.mark.slow
def test_without_a_query_the_collection_is_described(stored: Any) -> None:
    result = stored("annotations", "precomputed://synapses", "--json")
    jsonschema.validate(result.json, SCHEMAS["annotations SOURCE"])
    assert (result.json["count"], result.json["geometry"]) == (3, "line")
    assert (result.json["properties"], result.json["relations"]) == ({"score": "float32"}, ["body"])
    table = stored("annotations", "synapses.csv?voxel_size=40,4,4", "--json")
    assert (table.json["count"], table.json["properties"]) == (3, {"score": "float64"})
    assert table.json["bounds_nm"] == [[60, 10, 14], [1660, 206, 246]]
    low, high = np.array(result.json["bounds_nm"])
    assert (low <= [60, 10, 14]).all()
    assert (high >= [1660, 206, 246]).all()
    text = stored("annotations", "precomputed://synapses").out
    assert "count\t3\n" in text
    assert "properties\tscore float32\n" in text
    assert stored("info", "precomputed://synapses").out == text


@pytest.mark.slow
def test_a_description_counts_edits(stored: Any) -> None:
    points = voxome.open("precomputed://synapses", expect=voxome.Points, mode="r+")
    points.write(points[5].replace(ids=np.array([77], np.uint64), positions_nm=[[[9e4, 0, 0], [9e4, 1, 1]]]))
    points.write(points[6])
    points.delete([5])
    summary = points.summarise()
    assert summary.count == len(points.ids()) == 3
    assert summary.bounds_nm is not None
    assert summary.bounds_nm[1][0] == 9e4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--box", "1:2"), 2, "expected three rising ranges in nm"),
        (("--box", "9:2,:,:"), 2, "expected three rising ranges in nm"),
        (("--dtype", "score=real"), 2, "Unknown dtype 'real'"),
        (("--dtype", "score"), 2, "expected PROPERTY=DTYPE"),
        (("--fold", "--out", "x.csv"), 1, "in a command of its own"),
        (("--id", "12"), 1, "has no annotation 12"),
        (("--relation", "body"), 1, "give --segment ID, too"),
        (("--id", "5", "--dtype", "score=float32"), 1, "--dtype concerns annotations that are written; give --out"),
        (("--limit", "5"), 1, "--limit concerns annotations that are written; give --out"),
        (("--fold", "--labels", "synapses.csv"), 1, "--labels concerns annotations that are written; give --out"),
        (("--segment", "7", "--relation", "bdy"), 1, "did you mean 'body'"),
        (("--out", "zarr://x"), 1, "cannot hold annotations"),
        (("--out", "x.xlsx"), 1, "x.xlsx cannot hold annotations"),
        (("--out", "precomputed://synapses"), 1, "already exists"),
        (("--out", "precomputed://x", "--dtype", "scor=float32"), 1, "did you mean 'score'"),
    ],
)
def test_wrong_arguments_are_explained(stored: Any, arguments: tuple[str, ...], status: int, message: str) -> None:
    result = stored("annotations", "precomputed://synapses", *arguments)
    assert (result.status, message in result.err) == (status, True), result.err
