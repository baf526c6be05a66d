"""Contract suite for record stores; subclass `RecordStoreContract` to test one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxome.contracts.records import Event, RecordStore
from voxome.errors import UnknownName
from voxome.records.scoped import ledger_of


class RecordStoreContract(ABC):
    """Tests of a record store."""

    @abstractmethod
    def open_records(self, folder: Path, name: str) -> RecordStore:
        """Return the records `name` of `folder`; they are kept between calls."""

    @pytest.fixture
    def records(self, tmp_path: Path) -> Iterator[RecordStore]:
        """Empty record store.

        Yields
        ------
        RecordStore
        """
        records = self.open_records(tmp_path, "run")
        yield records
        records.close()

    def test_events_come_back_in_order_after_reopening(self, tmp_path: Path) -> None:
        records = self.open_records(tmp_path / "new folder", "run")
        records.append([Event(1.5, "started", "one", {"n": 1, "text": "脳"}), Event(2.5, "ended", "one")])
        records.append([])
        records.append([Event(3.5, "started", "two")])
        records.close()
        again = self.open_records(tmp_path / "new folder", "run")
        rows = list(again.query("events", {"step": "one"}))
        again.close()
        assert [(row["time_s"], row["kind"], row["details"]) for row in rows] == [
            (1.5, "started", {"n": 1, "text": "脳"}),
            (2.5, "ended", {}),
        ]

    def test_runs_that_share_it_see_their_own_jobs_and_others_move_with_their_folder(self, tmp_path: Path) -> None:
        records = self.open_records(tmp_path / "run", "run")
        ledger_of(records, "first").job_done("a", 0, 3, 1.0, 5)
        shared = records.shared
        if shared:
            assert ledger_of(records, "second").jobs_done("a", 0) == set()
            assert ledger_of(records, "first").jobs_done("a", 0) == {3}
        records.close()
        if not shared:
            (tmp_path / "run").rename(tmp_path / "moved")
            moved = self.open_records(tmp_path / "moved", "run")
            assert moved.jobs_done("a", 0) == {3}
            moved.close()

    def test_the_ledger_knows_jobs_by_step_and_phase(self, records: RecordStore) -> None:
        for key, phase, job in (("a", 0, 0), ("a", 0, 4), ("a", -1, 0), ("b", 0, 1)):
            records.job_done(key, phase, job, 1.5, 1 << 40)
        assert records.jobs_done("a", 0) == {0, 4}
        assert records.jobs_done("a", -1) == {0}
        assert records.jobs_done("a", 1) == set()
        assert [row["job"] for row in records.query("jobs", {"step_key": "b"})] == [1]

    def test_usage_adds_seconds_and_takes_the_largest_peak(self, records: RecordStore) -> None:
        records.job_done("a", 0, 0, 1.5, 5)
        records.job_done("a", 0, 4, 1.5, 1 << 40)
        records.job_done("a", 1, 0, 1.0, 7)
        assert records.usage("a") == (4.0, 1 << 40)
        assert records.usage("b") == (0.0, 0)

    def test_a_job_recorded_again_replaces_the_first_record(self, records: RecordStore) -> None:
        records.job_done("a", 0, 0, 1.0, 5)
        records.job_done("a", 0, 0, 2.0, 3)
        assert records.jobs_done("a", 0) == {0}
        assert records.usage("a") == (2.0, 3)

    def test_a_forgotten_step_has_no_jobs(self, records: RecordStore) -> None:
        records.job_done("a", 0, 0, 1.0, 5)
        records.job_done("b", 0, 1, 1.0, 7)
        records.forget("a")
        records.forget("never seen")
        assert records.jobs_done("a", 0) == set()
        assert records.jobs_done("b", 0) == {1}

    def test_the_ledger_survives_reopening(self, tmp_path: Path) -> None:
        records = self.open_records(tmp_path, "run")
        records.job_done("a", 0, 3, 1.0, 5)
        records.close()
        records.close()
        again = self.open_records(tmp_path, "run")
        assert again.jobs_done("a", 0) == {3}
        again.close()

    def test_records_of_another_name_are_apart(self, records: RecordStore, tmp_path: Path) -> None:
        records.job_done("a", 0, 3, 1.0, 5)
        other = self.open_records(tmp_path, "other")
        assert other.jobs_done("a", 0) == set()
        other.close()

    def test_unknown_tables_and_columns_are_named(self, records: RecordStore) -> None:
        with pytest.raises(UnknownName, match="events"):
            list(records.query("event", {}))
        with pytest.raises(UnknownName, match="step_key"):
            list(records.query("jobs", {"stepkey": "a"}))
