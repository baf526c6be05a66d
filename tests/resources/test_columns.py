"""Tables in memory: rows by id, and files in which ids stay exact."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.provenance import ATTRIBUTE, LOCAL, Provenance
from voxome.errors import AlreadyExists, InvalidInput, NotFound, ReadOnly, UnknownName
from voxome.resources.columns import Table
from voxome.resources.table import TableFile

BIG = [2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2]


@pytest.fixture
def table() -> Table:
    rows = {"id": np.array(BIG, np.uint64), "voxels": np.arange(4), "mean": np.array([0.1, np.nan, 1e300, -0.5])}
    return Table(rows, ("id",), Provenance.now("regions", LOCAL, "common.regions", "1"))


def test_a_pair_is_found_in_either_order() -> None:
    pairs = Table({"a": np.array([3], np.uint64), "b": np.array([5], np.uint64)}, ("a", "b"), pairs=True)
    assert pairs.row(5, 3) == pairs.row(3, 5) == {"a": 3, "b": 5}


def test_a_row_is_found_by_its_exact_id(table: Table) -> None:
    assert [table.row(one)["voxels"] for one in BIG] == [0, 1, 2, 3]
    assert table.row(BIG[1])["id"] == BIG[1]
    assert table.row(np.uint64(BIG[3]))["voxels"] == 3
    with pytest.raises(NotFound, match=f"no row with id {2**53 + 2}"):
        table.row(2**53 + 2)


@pytest.mark.parametrize("key", [(), (1, 2), (-1,), (1.5,), ("a",), (2**64,)])
def test_a_wrong_key_is_explained(table: Table, key: tuple[object, ...]) -> None:
    with pytest.raises(InvalidInput):
        table.row(*key)


def test_columns_are_arrays(table: Table) -> None:
    assert table.columns == ("id", "voxels", "mean")
    assert table["voxels"].tolist() == [0, 1, 2, 3]
    assert len(table) == 4
    with pytest.raises(UnknownName, match="did you mean 'voxels'"):
        table["voxel"]
    assert repr(table) == "<Table of 4 rows: id, voxels, mean>"


def test_a_parquet_file_keeps_all_bits_and_what_made_it(table: Table, tmp_path: Path) -> None:
    table.write(tmp_path / "t.parquet")
    stored = TableFile(tmp_path / "t.parquet")
    for name, values in stored.read().items():
        assert values.dtype == table[name].dtype
        np.testing.assert_array_equal(values, table[name])
    assert '"service": "regions"' in stored.metadata[ATTRIBUTE]


def test_a_table_file_says_what_made_it(table: Table, tmp_path: Path) -> None:
    table.write(tmp_path / "t.parquet")
    assert voxome.provenance(tmp_path / "t.parquet") == (table.provenance,)
    Table(table.rows, ("id",)).write(tmp_path / "bare.parquet")
    assert voxome.provenance(str(tmp_path / "bare.parquet")) == ()
    with pytest.raises(NotFound, match=r"none\.parquet"):
        voxome.provenance(tmp_path / "none.parquet")


def test_a_csv_file_keeps_all_bits(table: Table, tmp_path: Path) -> None:
    table.write(str(tmp_path / "t.csv"))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == BIG
    np.testing.assert_array_equal([float(row["mean"]) for row in rows], table["mean"])


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_existing_file_is_replaced_only_if_overwritten(table: Table, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_text("mine")
    with pytest.raises(AlreadyExists, match=rf"t\.{suffix} already exists.*overwrite=True"):
        table.write(path)
    assert path.read_text() == "mine"
    table.write(path, overwrite=True)
    assert len(path.read_bytes()) > 4
    (tmp_path / f"folder.{suffix}").mkdir()
    (tmp_path / f"folder.{suffix}/notes.txt").write_text("mine")
    with pytest.raises(AlreadyExists):
        table.write(tmp_path / f"folder.{suffix}")


def test_a_place_that_cannot_be_written_is_named(table: Table, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ReadOnly, match=r"t\.csv cannot be written: .*notes is a file, not a folder; choose another"):
        table.write(tmp_path / "notes/t.csv")


def test_another_suffix_is_refused(table: Table, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"neither \.parquet nor \.csv"):
        table.write(tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())
