"""Runs that share a ledger do not see each other's jobs."""

from __future__ import annotations

from pathlib import Path

from voxome.records.scoped import ScopedLedger, ledger_of
from voxome.records.sql import SqlRecords
from voxome.records.sqlite import open_sqlite


def test_jobs_of_another_run_do_not_count_as_done(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "shared.sqlite")
    one, other = ScopedLedger(records, "one"), ScopedLedger(records, "other")
    one.job_done("key", 0, 3, 2.0, 7)
    assert (one.jobs_done("key", 0), one.usage("key")) == ({3}, (2.0, 7))
    assert (other.jobs_done("key", 0), other.usage("key")) == (set(), (0.0, 0))
    other.forget("key")
    assert one.jobs_done("key", 0) == {3}
    one.forget("key")
    assert one.jobs_done("key", 0) == set()
    records.close()


def test_records_in_the_folder_of_a_run_move_with_it(tmp_path: Path) -> None:
    records = open_sqlite(tmp_path, "run")
    ledger_of(records, "at the old path").job_done("key", 0, 3, 2.0, 7)
    assert ledger_of(records, "at the new path").jobs_done("key", 0) == {3}
    records.close()


def test_a_copied_run_does_not_see_the_jobs_of_the_original_in_shared_records(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "shared.sqlite")
    ledger_of(records, "original").job_done("key", 0, 3, 2.0, 7)
    assert ledger_of(records, "copy").jobs_done("key", 0) == set()
    records.close()
