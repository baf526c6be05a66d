"""Tables that foreign programs write for a block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.blocks.command.labels import give_labels
from voxome.blocks.command.tables import read_rows
from voxome.contracts.command_tool import Positions, TableOutput
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box

DOMAIN = Box.of_shape((100, 100, 100))
BLOCK = BlockContext(
    Box.parse("10:20,20:40,30:60"),
    Box.parse("8:22,18:42,28:62"),
    Frame(DOMAIN, DOMAIN, (40.0, 4.0, 8.0), (1.0, 2.0, 3.0)),
)
VOXELS = TableOutput(format="csv", positions=Positions(columns=("x", "y", "z")))


def read_csv(tmp_path: Path, text: str, table: TableOutput = VOXELS) -> Rows:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return read_rows("cells", table, path, BLOCK, {})


def test_positions_are_those_of_the_volume_and_belong_to_one_block(tmp_path: Path) -> None:
    rows = read_csv(tmp_path, "x,y,z\n2,2,2\n1.4,2,2\n1.5,2,2\n31.4,21,11\n31.5,2,2\n-0.5,-0.5,-0.5\n")
    assert rows["x"].tolist() == [30, 29.5, 59.4]
    assert rows["y"].tolist() == [20, 20, 39]
    assert rows["z"].tolist() == [10, 10, 19]


def test_positions_in_nm_count_from_the_offset_of_the_volume(tmp_path: Path) -> None:
    table = TableOutput(format="csv", positions=Positions(columns=("a", "b", "c"), axes="zyx", unit="nm"))
    rows = read_csv(tmp_path, "a,b,c\n80,8,16\n", table)
    assert {name: values.tolist() for name, values in rows.items()} == {"a": [401.0], "b": [82.0], "c": [243.0]}


@pytest.mark.parametrize("text", ["x,y,z\n34,2,2\n", "x,y,z\n-1,2,2\n", "x,y,z\n2,2,30\n", "x,y,z\nnan,2,2\n"])
def test_a_position_outside_the_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="mend unit, axes or columns of positions"):
        read_csv(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header"),
        ("x,y\n1,2\n", "has the columns x, y; the hint says x, y, z"),
        ("x,y,z,score\n1,2,3,4\n", "has the columns x, y, z, score"),
        ("x,y,z\n1,,3\n", "has rows without a value"),
        ("x,y,z\n1,two,3\n", "expected numbers"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_csv(tmp_path, text)


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert {name: len(values) for name, values in read_csv(tmp_path, "z,y,x\n").items()} == {"x": 0, "y": 0, "z": 0}


def test_values_that_the_dtype_cannot_hold_are_refused(tmp_path: Path) -> None:
    table = TableOutput(format="csv", columns={"n": "int64"})
    assert read_csv(tmp_path, "n\n3.0\n", table)["n"].tolist() == [3]
    with pytest.raises(InvalidInput, match=r"has 3\.5, which int64 cannot hold"):
        read_csv(tmp_path, "n\n3.5\n", table)
    with pytest.raises(InvalidInput, match="has -1, which uint64 cannot hold"):
        read_csv(tmp_path, "n\n1\n-1\n", TableOutput(format="csv", columns={"n": "uint64"}))


@pytest.mark.parametrize("rows", [np.empty((0, 3)), np.empty(0), np.array([[2.0, 2.0, 2.0]])])
def test_arrays_have_columns_in_the_order_of_the_hint(tmp_path: Path, rows: np.ndarray) -> None:
    np.save(tmp_path / "rows.npy", rows)
    table = TableOutput(format="npy", positions=Positions(columns=("x", "y", "z")))
    found = read_rows("cells", table, tmp_path / "rows.npy", BLOCK, {})
    assert found["x"].tolist() == ([30.0] if rows.size else [])


def test_labels_in_columns_get_their_ids_back(tmp_path: Path) -> None:
    _, given = give_labels(np.array([[[0, 2**60]]], np.uint64), np.dtype("float64"), "image")
    (tmp_path / "rows.csv").write_text("label,size\n1,5\n")
    table = TableOutput(format="csv", columns={"label": "uint64", "size": "int64"}, ids={"label": "image"})
    rows = read_rows("sizes", table, tmp_path / "rows.csv", BLOCK, {"image": given})
    assert rows["label"].tolist() == [2**60]


def test_ids_in_columns_are_exact_or_refused(tmp_path: Path) -> None:
    table = TableOutput(format="csv", columns={"n": "uint64"})
    assert read_csv(tmp_path, "n\n18446744073709551615\n9007199254740993\n", table)["n"].tolist() == [
        2**64 - 1,
        2**53 + 1,
    ]
    np.save(tmp_path / "rows.npy", np.array([[2.0**53]]))
    with pytest.raises(
        InvalidInput, match="as float64, which cannot tell whole numbers from 9007199254740992 on apart"
    ):
        read_rows("cells", TableOutput(format="npy", columns={"n": "int64"}), tmp_path / "rows.npy", BLOCK, {})


@pytest.mark.parametrize(("dtype", "id"), [("int32", 2**40), ("int64", 2**63), ("float64", 2**53 + 1)])
def test_ids_that_their_column_cannot_hold_are_refused(tmp_path: Path, dtype: str, id: int) -> None:
    _, given = give_labels(np.array([[[0, id]]], np.uint64), np.dtype("uint8"), "image")
    (tmp_path / "rows.csv").write_text("label\n1\n")
    table = TableOutput(format="csv", columns={"label": dtype}, ids={"label": "image"})
    with pytest.raises(InvalidInput, match=f"{dtype} cannot hold"):
        read_rows("sizes", table, tmp_path / "rows.csv", BLOCK, {"image": given})
