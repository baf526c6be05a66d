"""Record stores in SQL databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.records import RecordStore
from voxome.errors import StoreError, UnknownName
from voxome.records.choice import records_opener
from voxome.records.sql import SqlRecords
from voxome.records.sqlite import open_sqlite
from voxome.testing import RecordStoreContract


class TestSqlite(RecordStoreContract):
    def open_records(self, folder: Path, name: str) -> RecordStore:
        return open_sqlite(folder, name)


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match=r"run\.sqlite: file is not a database; free space .* remove that file"):
        open_sqlite(tmp_path, "run")


def test_a_database_damaged_while_open_is_named(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "run.sqlite")
    records.job_done("a", 0, 0, 1.0, 1)
    records.close()
    for path in tmp_path.iterdir():
        path.write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match="not a database"):
        records.jobs_done("a", 0)
    records.close()


def test_records_are_opened_by_name_and_closed(tmp_path: Path) -> None:
    with records_opener(None)(tmp_path, "run") as records:
        records.job_done("a", 0, 0, 1.0, 1)
    with records_opener("sqlite")(tmp_path, "run") as again:
        assert again.jobs_done("a", 0) == {0}
    with records_opener(again)(tmp_path, "elsewhere") as same:
        assert same is again


def test_an_unknown_record_store_or_option_is_named() -> None:
    with pytest.raises(UnknownName, match=r"Unknown record store 'sqlit'; did you mean 'sqlite'"):
        records_opener("sqlit")
    with pytest.raises(UnknownName, match=r"Unknown option 'url' of the record store 'sqlite'"):
        records_opener("sqlite?url=x")
