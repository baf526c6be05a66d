"""Records come back as they were kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.records import Event
from voxome.errors import UnknownName
from voxome.records.sql import SqlRecords


def test_events_come_back_in_order_after_reopening(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "a" / "run.sqlite")
    records.append([Event(1.5, "started", "one", {"n": 1}), Event(2.5, "ended", "one")])
    records.close()
    again = SqlRecords.in_file(tmp_path / "a" / "run.sqlite")
    found = [(row["kind"], row["details"]) for row in again.query("events", {"step": "one"})]
    again.close()
    assert found == [("started", {"n": 1}), ("ended", {})]


def test_the_ledger_knows_jobs_and_what_they_cost(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "run.sqlite")
    for job, peak in ((0, 5), (4, 9)):
        records.job_done("key", 0, job, 1.5, peak)
    records.job_done("key", 1, 0, 1.0, 7)
    assert records.jobs_done("key", 0) == {0, 4}
    assert records.jobs_done("other", 0) == set()
    assert records.usage("key") == (4.0, 9)
    assert records.usage("other") == (0.0, 0)
    records.job_done("other", 0, 1, 1.0, 7)
    records.forget("key")
    assert records.jobs_done("key", 0) == set()
    assert records.jobs_done("other", 0) == {1}
    records.close()


def test_an_unknown_table_is_named(tmp_path: Path) -> None:
    records = SqlRecords.in_file(tmp_path / "run.sqlite")
    with pytest.raises(UnknownName, match="events"):
        list(records.query("event", {}))
    records.close()
