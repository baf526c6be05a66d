"""A ledger of another version, or without one, is refused; a new one gets the version."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from voxome.errors import UnsupportedFormat
from voxome.records.sql import SqlRecords


def execute(path: Path, statement: str) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    records = SqlRecords.in_file(tmp_path / "run.sqlite")
    records.job_done("key", 0, 3, 1.0, 1)
    records.close()
    return tmp_path / "run.sqlite"


def test_a_ledger_can_be_reopened(ledger: Path) -> None:
    records = SqlRecords.in_file(ledger)
    assert records.jobs_done("key", 0) == {3}
    records.close()


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_refused(ledger: Path, version: int) -> None:
    execute(ledger, f"UPDATE voxome_formats SET version = {version}")
    with pytest.raises(UnsupportedFormat, match=rf"run\.sqlite is a ledger of version {version}; .* reads version 1"):
        SqlRecords.in_file(ledger)


@pytest.mark.parametrize("statement", ["DELETE FROM voxome_formats", "DROP TABLE voxome_formats"])
def test_a_ledger_without_a_version_is_refused(ledger: Path, statement: str) -> None:
    execute(ledger, statement)
    with pytest.raises(UnsupportedFormat, match=r"run\.sqlite is a ledger without a version"):
        SqlRecords.in_file(ledger)


def test_tables_of_other_programs_are_ignored(tmp_path: Path) -> None:
    execute(tmp_path / "shared.sqlite", "CREATE TABLE theirs (id INTEGER)")
    records = SqlRecords.in_file(tmp_path / "shared.sqlite")
    records.job_done("key", 0, 3, 1.0, 1)
    assert records.jobs_done("key", 0) == {3}
    records.close()
