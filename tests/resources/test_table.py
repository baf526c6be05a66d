"""Tables are read as written, and look-ups find the same rows as a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxome.errors import CorruptData, NotFound, UnsupportedFormat
from voxome.resources.table import TableFile, write_table

COLUMNS = {"id": "uint64", "score": "float64", "good": "bool"}


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(ids=st.lists(st.integers(0, 40), max_size=30), keys=st.lists(st.integers(0, 45), max_size=10))
def test_a_lookup_finds_the_same_rows_as_a_scan(tmp_path: Path, ids: list[int], keys: list[int]) -> None:
    column = np.array(sorted(ids), np.uint64)
    rows = {"id": column, "score": np.arange(len(ids)) / 3, "good": column % 2 == 0}
    write_table(tmp_path / "t.parquet", rows, COLUMNS, row_group=4)
    table = TableFile(tmp_path / "t.parquet")
    assert len(table) == len(ids)
    assert table.columns == tuple(COLUMNS)
    found = table.lookup("id", np.array(keys, np.uint64))
    keep = np.isin(column, np.array(keys, np.uint64))
    for name, values in rows.items():
        assert np.array_equal(found[name], values[keep])
        assert np.array_equal(table.read()[name], values)


def test_a_table_without_row_groups_is_read(tmp_path: Path) -> None:
    schema = pa.schema([("id", "int64"), ("score", "float64")])
    pq.ParquetWriter(tmp_path / "t.parquet", schema).close()
    table = TableFile(tmp_path / "t.parquet")
    assert [len(values) for values in table.read().values()] == [0, 0]
    assert list(table.read(["score"])) == ["score"]
    assert table.stacked(["id", "score"], "float64").shape == (0, 2)
    assert list(table.batches(4)) == []
    assert len(table.lookup("id", np.array([1]))["id"]) == 0
    assert table.columns_with_nulls == set()


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.parquet"):
        TableFile(tmp_path / "none.parquet")


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, {"id": np.arange(9), "score": np.zeros(9), "good": np.ones(9, bool)}, COLUMNS)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptData, match="not a readable Parquet"):
        TableFile(path)


@pytest.mark.parametrize("version", [b"0", b"2", b"x"])
def test_a_table_of_another_version_is_refused(tmp_path: Path, version: bytes) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [1]}).replace_schema_metadata({b"voxome_format_version": version}), path)
    with pytest.raises(UnsupportedFormat, match=r"t\.parquet is a table of version .; this voxome reads version 1"):
        TableFile(path)


def test_a_table_of_another_program_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "t.parquet")
    assert TableFile(tmp_path / "t.parquet").read()["id"].tolist() == [1]


def test_large_whole_numbers_stay_exact_beside_missing_ones(tmp_path: Path) -> None:
    first = 720_575_940_628_816_384
    ids = pa.array([first + 1, None, first + 2], pa.uint64())
    flags = pa.array([True, None, False])
    lengths = pa.array([1.5, None, 2.5])
    pq.write_table(pa.table({"id": ids, "flag": flags, "nm": lengths}), tmp_path / "a.parquet")
    table = TableFile(tmp_path / "a.parquet")
    assert table.columns_with_nulls == {"id", "flag"}
    rows = table.read()
    assert rows["id"].dtype == np.uint64
    assert rows["id"].tolist() == [first + 1, 0, first + 2]
    assert rows["flag"].tolist() == [True, False, False]
    assert np.array_equal(rows["nm"], [1.5, np.nan, 2.5], equal_nan=True)
    assert table.read(("id",), drop_nulls=True)["id"].tolist() == [first + 1, first + 2]
    assert table.stacked(("id",))[:, 0].tolist() == [first + 1, 0, first + 2]
    assert next(table.batches(10))["id"].dtype == np.uint64


def test_a_text_that_is_not_utf8_is_damage(tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")]
    )
    pq.write_table(pa.table({"id": pa.array([1], pa.uint64()), "name": texts}), tmp_path / "t.parquet")
    table = TableFile(tmp_path / "t.parquet")
    for read in (table.read, lambda: list(table.batches(10)), lambda: table.lookup("id", np.array([1], np.uint64))):
        with pytest.raises(CorruptData, match="is damaged, or cannot be read"):
            read()
