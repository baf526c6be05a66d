"""Contract suite for engines; subclass `EngineContract` to test one."""

from __future__ import annotations

import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voxome.contracts.engine import Engine, Job, JobStatus, Resources

TIMEOUT_S = 60.0
"""Time within which the jobs of a test must end."""
_LONG_S = 600.0
_MUCH = 600_000_000
"""More than a worker may keep, in bytes."""


class EngineContract(ABC):
    """Tests of an engine with jobs of the task ``probe``.

    Attributes
    ----------
    has_processes : bool
        Whether workers are other processes than the runner, on a machine that shares its disk.
    stops_running_jobs : bool
        Whether `cancel` stops a running job.
    workers : int
        Number of workers of the engines under test; at least 2, unless the engine always has one.
    """

    has_processes = True
    stops_running_jobs = True
    workers = 2

    @abstractmethod
    def open_engine(self, workers: int, log: Path) -> Engine:
        """Return the engine under test."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        """Engine with `workers` workers.

        Yields
        ------
        Engine
        """
        engine = self.open_engine(self.workers, tmp_path / "logs" / "workers.log")
        yield engine
        engine.close()

    def test_it_has_a_name_and_slots(self, engine: Engine) -> None:
        assert engine.name
        assert engine.slots >= 1

    def test_every_job_ends_once_with_its_own_result(self, engine: Engine) -> None:
        texts = {f"key/0/{number}": f"job {number}" for number in range(12)}
        engine.submit([probe(name, "checksum", text=text) for name, text in texts.items()])
        statuses = collect(engine, len(texts))
        assert {name: status.state for name, status in statuses.items()} == dict.fromkeys(texts, "done")
        assert {name: count(status, "crc32") for name, status in statuses.items()} == {
            name: zlib.crc32(text.encode()) for name, text in texts.items()
        }

    def test_results_have_time_and_memory(self, engine: Engine) -> None:
        engine.submit([probe("one", "checksum", text="")])
        result = collect(engine, 1)["one"].result
        assert result is not None
        assert result.seconds > 0
        assert result.peak_bytes > 1 << 20

    def test_a_failure_has_its_message_and_may_be_retried(self, engine: Engine) -> None:
        engine.submit([probe("one", "fail", message="the disk is füll"), probe("two", "checksum", text="")])
        statuses = collect(engine, 2)
        assert (statuses["one"].state, statuses["one"].retryable, statuses["one"].result) == ("failed", True, None)
        assert "the disk is füll" in statuses["one"].error
        assert statuses["two"].state == "done"

    def test_wrong_input_is_not_retryable(self, engine: Engine) -> None:
        engine.submit([probe("one", "reject", message="no such level"), Job("two", "no such task")])
        statuses = collect(engine, 2)
        assert (statuses["one"].state, statuses["one"].error) == ("failed", "no such level")
        assert statuses["one"].error_type == "InvalidInput"
        assert not statuses["one"].retryable
        assert "no such task" in statuses["two"].error
        assert not statuses["two"].retryable

    def test_a_job_that_failed_can_be_submitted_again(self, engine: Engine) -> None:
        for _ in range(2):
            engine.submit([probe("again", "fail", message="once more")])
            assert collect(engine, 1)["again"].state == "failed"
        engine.submit([probe("again", "checksum", text="x")])
        assert collect(engine, 1)["again"].state == "done"

    def test_a_job_whose_worker_is_killed_is_lost_and_the_others_end(self, engine: Engine) -> None:
        if not self.has_processes:
            pytest.skip("jobs run in this process")
        engine.submit([probe("dies", "die"), *(probe(str(n), "checksum", text="") for n in range(4))])
        statuses = collect(engine, 5)
        assert (statuses["dies"].state, statuses["dies"].retryable) == ("lost", True)
        assert statuses["dies"].error
        assert [statuses[str(n)].state for n in range(4)] == ["done"] * 4

    def test_large_and_foreign_texts_arrive_unchanged(self, engine: Engine) -> None:
        text = "αβγ 脳 \U0001f9e0 \n\t\"'\\ " * 50_000
        assert len(text.encode()) > 1 << 20
        engine.submit([probe("κλειδί/0/1", "checksum", text=text)])
        status = collect(engine, 1)["κλειδί/0/1"]
        assert (count(status, "bytes"), count(status, "crc32")) == (len(text.encode()), zlib.crc32(text.encode()))

    def test_as_many_jobs_run_at_once_as_there_are_slots(self, engine: Engine, tmp_path: Path) -> None:
        seconds = _LONG_S if engine.slots > 1 else 0.0
        jobs = [self._sleeper(tmp_path, str(number), seconds) for number in range(engine.slots)]
        engine.submit(jobs)
        if engine.slots > 1:
            wait_until(lambda: all((tmp_path / job.id / "started").exists() for job in jobs), engine)
        engine.submit([self._sleeper(tmp_path, "extra", 0.0)])
        for job in jobs:
            (tmp_path / job.id / "release").touch()
        assert set(collect(engine, len(jobs) + 1)) == {*(job.id for job in jobs), "extra"}

    def test_waiting_ends_with_its_timeout(self, engine: Engine, tmp_path: Path) -> None:
        assert list(engine.wait(0.0)) == []
        if engine.slots > 1:
            engine.submit([self._sleeper(tmp_path, "long", _LONG_S)])
            wait_until((tmp_path / "long" / "started").exists, engine)
            began = time.monotonic()
            assert list(engine.wait(0.1)) == []
            assert time.monotonic() - began < TIMEOUT_S
            (tmp_path / "long" / "release").touch()
            assert set(collect(engine, 1)) == {"long"}

    def test_waiting_jobs_that_are_cancelled_do_not_run(self, engine: Engine, tmp_path: Path) -> None:
        jobs = [self._sleeper(tmp_path, str(number), 0.3) for number in range(3 * engine.slots)]
        engine.submit(jobs)
        cancelled = [job.id for job in jobs[engine.slots :]]
        engine.cancel(cancelled)
        engine.submit([probe("next", "checksum", text="")])
        assert set(collect(engine, engine.slots + 1)) == {*(job.id for job in jobs[: engine.slots]), "next"}
        assert not any((tmp_path / name / "started").exists() for name in cancelled)

    def test_running_jobs_that_are_cancelled_are_stopped(self, engine: Engine, tmp_path: Path) -> None:
        if not self.stops_running_jobs:
            pytest.skip("the engine cannot stop a running job")
        jobs = [self._sleeper(tmp_path, str(number), _LONG_S) for number in range(engine.slots)]
        engine.submit(jobs)
        wait_until(lambda: all((tmp_path / job.id / "started").exists() for job in jobs), engine)
        engine.cancel([job.id for job in jobs])
        engine.submit([probe("next", "checksum", text="")])
        assert set(collect(engine, 1)) == {"next"}

    def test_jobs_are_unknown_to_it_after_they_have_ended(self, engine: Engine) -> None:
        engine.submit([probe("one", "checksum", text="")])
        collect(engine, 1)
        engine.cancel(["one", "never submitted"])
        assert list(engine.wait(0.0)) == []

    def test_memory_that_a_job_keeps_is_free_for_the_next_one(self, engine: Engine) -> None:
        if not self.has_processes:
            pytest.skip("jobs run in this process")
        engine.submit([probe("large", "keep", Resources(unbounded_memory=True), bytes=_MUCH)])
        large = collect(engine, 1)["large"].result
        engine.submit([probe("next", "checksum", text="")])
        next_one = collect(engine, 1)["next"].result
        assert large is not None
        assert next_one is not None
        assert large.peak_bytes > _MUCH
        assert next_one.peak_bytes < _MUCH

    def test_a_job_does_not_see_what_others_changed(self, engine: Engine, tmp_path: Path) -> None:
        if not self.has_processes:
            pytest.skip("jobs run in this process")
        (tmp_path / "changed").mkdir()
        for job in (
            probe("move", "move", folder=str(tmp_path / "changed")),
            probe("next", "environment", path=str(tmp_path / "next.json")),
        ):
            engine.submit([job])
            assert collect(engine, 1)[job.id].state == "done"
        assert str(tmp_path / "changed") not in (tmp_path / "next.json").read_text(encoding="utf-8")

    def test_the_settings_of_a_job_reach_its_worker(self, engine: Engine) -> None:
        if not self.has_processes:
            pytest.skip("jobs run in this process")
        for number, settings in enumerate(({"http_concurrency": 57}, {"retries": 3}, {"http_concurrency": 58})):
            job = Job(str(number), "probe", {"action": "setting", "name": "http_concurrency"}, settings=settings)
            engine.submit([job])
            expected = settings.get("http_concurrency", 32)
            assert count(collect(engine, 1)[str(number)], "value") == expected

    def test_an_invalid_setting_fails_the_job(self, engine: Engine) -> None:
        if not self.has_processes:
            pytest.skip("jobs run in this process")
        job = probe("one", "checksum", text="")
        engine.submit([replace(job, settings={"retries": -1})])
        status = collect(engine, 1)["one"]
        assert (status.state, status.retryable) == ("failed", False)
        assert "retries is -1" in status.error
        engine.submit([job])
        assert collect(engine, 1)["one"].state == "done"

    def test_messages_have_no_secrets(self, engine: Engine) -> None:
        engine.submit([probe("one", "fail", message="GET http://me:word@host/x?token=abc failed")])
        error = collect(engine, 1)["one"].error
        assert "GET http://host/x?token=*** failed" in error

    def test_a_job_needs_no_folder_of_its_runner(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HOME", "TMPDIR", "cwd"):
            (tmp_path / name).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "HOME"))
        monkeypatch.setenv("TMPDIR", str(tmp_path / "TMPDIR"))
        monkeypatch.chdir(tmp_path / "cwd")
        engine = self.open_engine(self.workers, tmp_path / "log")
        try:
            engine.submit([probe("one", "environment", path=str(tmp_path / "environment.json"))])
            assert collect(engine, 1)["one"].state == "done"
        finally:
            engine.close()
        assert (tmp_path / "environment.json").exists()
        assert [list((tmp_path / name).iterdir()) for name in ("HOME", "TMPDIR", "cwd")] == [[], [], []]

    def test_closing_ends_running_jobs_and_can_be_repeated(self, tmp_path: Path) -> None:
        engine = self.open_engine(self.workers, tmp_path / "log")
        seconds = _LONG_S if self.stops_running_jobs else 0.2
        engine.submit([self._sleeper(tmp_path, str(number), seconds) for number in range(2 * engine.slots)])
        if engine.slots > 1:
            wait_until(lambda: (tmp_path / "0" / "started").exists(), engine)
        engine.close()
        engine.close()
        assert not (tmp_path / str(2 * engine.slots - 1) / "started").exists()

    def _sleeper(self, folder: Path, name: str, seconds: float) -> Job:
        (folder / name).mkdir()
        return probe(name, "sleep", folder=str(folder / name), seconds=seconds)


def probe(name: str, action: str, resources: Resources | None = None, **values: Any) -> Job:
    """Return a job of the task ``probe``."""
    return Job(name, "probe", {"action": action, **values}, resources or Resources())


def count(status: JobStatus, name: str) -> int:
    """Return a count of the result of a job that must be done."""
    assert status.result is not None, status.error
    return status.result.counts[name]


def wait_until(condition: Callable[[], bool], engine: Engine) -> None:
    """Wait for `condition` while no job of the engine ends."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"the jobs did not start in {TIMEOUT_S:g} s"
        ended = list(engine.wait(0.05))
        assert not ended, f"ended too early: {ended}"


def collect(engine: Engine, number: int) -> dict[str, JobStatus]:
    """Return the statuses of the next `number` jobs that end, in that order; none may come twice."""
    statuses: dict[str, JobStatus] = {}
    deadline = time.monotonic() + TIMEOUT_S
    while len(statuses) < number:
        assert time.monotonic() < deadline, f"only {sorted(statuses)} of {number} jobs ended in {TIMEOUT_S:g} s"
        for status in engine.wait(0.2):
            assert status.id not in statuses, f"job {status.id} ended twice"
            statuses[status.id] = status
    return statuses
