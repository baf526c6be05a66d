"""Runs that share a ledger do not see each other's jobs."""

from __future__ import annotations

from pathlib import Path

from voxome.records.scoped import ScopedLedger
from voxome.records.sql import SqlRecords


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
