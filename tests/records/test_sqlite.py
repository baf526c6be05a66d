"""Records in a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from voxome.contracts.records import Event, RecordStore
from voxome.errors import StoreError, UnsupportedFormat
from voxome.records.sql import SqlRecords
from voxome.records.sqlite import SqliteRecords, open_sqlite
from voxome.testing import RecordStoreContract


class TestSqlite(RecordStoreContract):
    def open_records(self, folder: Path, name: str) -> RecordStore:
        return open_sqlite(folder, name)


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match=r"run\.sqlite: file is not a database; free space .* remove that file"):
        open_sqlite(tmp_path, "run")


@pytest.mark.parametrize("first", [SqliteRecords, SqlRecords.in_file])
def test_both_ways_read_and_write_the_same_file(first: type[SqliteRecords], tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    records = first(path)
    records.job_done("a", 0, 3, 1.5, 1 << 40)
    records.append([Event(1.5, "started", "one", {"text": "脳"})])
    records.close()
    for one in (SqlRecords.in_file(path), SqliteRecords(path)):
        one.job_done("a", 0, 3, 2.5, 7)
        assert (one.jobs_done("a", 0), one.usage("a")) == ({3}, (2.5, 7))
        assert [dict(row) for row in one.query("events", {"step": "one"})] == [
            {"id": 1, "time_s": 1.5, "kind": "started", "step": "one", "details": {"text": "脳"}}
        ]
        one.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE voxome_formats SET version = 2", "ledger of version 2"),
        ("DELETE FROM voxome_formats", "ledger without a version"),
        ("DROP TABLE voxome_formats", "ledger without a version"),
    ],
)
def test_a_ledger_of_another_version_or_without_one_is_refused(statement: str, message: str, tmp_path: Path) -> None:
    open_sqlite(tmp_path, "run").close()
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as connection, connection:
        connection.execute(statement)
    with pytest.raises(UnsupportedFormat, match=message):
        open_sqlite(tmp_path, "run")


def test_a_write_that_fails_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    records = open_sqlite(tmp_path, "run")
    with pytest.raises(TypeError):
        records.append([Event(1.0, "one"), Event(2.0, "two", "", {"n": object()})])
    with pytest.raises(StoreError, match="NOT NULL"):
        records.append([Event(1.0, "one"), Event(2.0, None)])  # type: ignore[arg-type]
    records.append([Event(3.0, "three")])
    assert [row["kind"] for row in records.query("events", {})] == ["three"]
    records.close()
