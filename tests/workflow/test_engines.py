"""Workflows run on any engine, chosen by name; an interrupted or failed run leaves no job running."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from peers.slurm import Slurm
from workflow.pipeline import CONNECTOME, NEURONS, Phantom, assert_same_neurons, neuron_inputs

from voxome.blocks.job_loop import JobBatch, allowed_failures, run_jobs
from voxome.blocks.progress import StepReport
from voxome.config.settings import configure
from voxome.contracts.engine import Job, JobResult, JobStatus, Resources
from voxome.engines.local import LocalEngine
from voxome.errors import InvalidInput, RunFailed, UnknownName
from voxome.records.sql import SqlRecords
from voxome.workflow.verbs import run

PLUGINS = Path(__file__).parents[1] / "engines" / "plugins"


@pytest.fixture
def oneshot(install_plugins: Callable[[Path], None]) -> None:
    """The engine of another package."""
    install_plugins(PLUGINS)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    records = SqlRecords.in_file(tmp_path / "run.sqlite")
    yield records
    records.close()


class Scripted:
    """An engine that ends its jobs with given statuses, then raises `error` if any, and records what was cancelled."""

    name, slots = "scripted", 2

    def __init__(self, *statuses: JobStatus, error: BaseException | None = None) -> None:
        self.statuses, self.error = list(statuses), error
        self.jobs: list[Job] = []
        self.cancelled: list[str] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs += jobs

    @property
    def submitted(self) -> list[str]:
        return [job.id for job in self.jobs]

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        if self.statuses:
            return [self.statuses.pop(0)]
        if self.error is not None:
            raise self.error
        return []

    def cancel(self, ids: Collection[str]) -> None:
        self.cancelled += ids

    def close(self) -> None:
        raise AssertionError("the loop does not close engines")


def _batch(jobs: int, action: str = "checksum", **values: object) -> JobBatch:
    return JobBatch(
        name="the test",
        key="key",
        phase=0,
        jobs=jobs,
        task="probe",
        payload=lambda _: {"action": action, **values},
        where=lambda n: f"job {n}",
    )


def _run(
    batch: JobBatch,
    engine: Scripted | LocalEngine,
    records: SqlRecords,
    on_retry: Callable[[], None] = lambda: None,
) -> list[int]:
    done: list[int] = []
    run_jobs(
        batch,
        engine,
        records,
        on_done=lambda number, _: done.append(number),
        on_progress=lambda: None,
        on_retry=on_retry,
    )
    return done


def _failed(number: int) -> JobStatus:
    return JobStatus(f"key/0/{number}", "failed", error="wrong", retryable=False)


def test_an_interrupted_loop_cancels_unfinished_jobs(records: SqlRecords) -> None:
    done = JobStatus("key/0/1", "done", JobResult(1.0, 1))
    engine = Scripted(done, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        _run(_batch(100), engine, records)
    assert set(engine.cancelled) == set(engine.submitted) - {"key/0/1"}
    assert records.jobs_done("key", 0) == {1}


@pytest.mark.parametrize(("budget", "count"), [(None, 16), ("0", 1), ("3", 4), ("0.25%", 3)])
def test_a_batch_with_too_many_failures_is_cancelled(budget: str | None, count: int, records: SqlRecords) -> None:
    engine = Scripted(*map(_failed, range(count)))
    configure(max_failures=budget)
    try:
        with pytest.raises(RunFailed, match=f"{count} of 1000 jobs of the test failed; the rest was cancelled"):
            _run(_batch(1000), engine, records)
    finally:
        configure(max_failures=None)
    failed = {f"key/0/{number}" for number in range(count)}
    assert set(engine.cancelled) == set(engine.submitted) - failed != set()


@pytest.mark.parametrize("budget", ["", "-1", "2.5", "101%", "nan%", "many"])
def test_a_failure_budget_is_checked(budget: str) -> None:
    with pytest.raises(InvalidInput, match="expected a number of jobs, or a share"):
        allowed_failures(budget, 10)


@pytest.mark.parametrize(
    ("budget", "jobs", "allowed"),
    [("0.57%", 10_000, 57), ("1.15%", 2000, 23), ("29%", 100, 29), ("0.3%", 999, 2), ("100%", 7, 7)],
)
def test_a_share_of_jobs_is_exact(budget: str, jobs: int, allowed: int) -> None:
    assert allowed_failures(budget, jobs) == allowed


@pytest.mark.parametrize("digits", [17, 400, 5000])
def test_a_failure_budget_may_be_of_any_size(digits: int) -> None:
    assert allowed_failures("9" * digits, 10) == 10**digits - 1
    with pytest.raises(InvalidInput, match="expected a number of jobs, or a share"):
        allowed_failures("9" * digits + "%", 10)


def test_a_complete_batch_cancels_nothing(records: SqlRecords) -> None:
    engine = Scripted(*(JobStatus(f"key/0/{n}", "done", JobResult(1.0, 1)) for n in range(3)), _failed(3))
    with pytest.raises(RunFailed, match="1 of 4 jobs of the test failed:\n  - job 3: wrong"):
        _run(_batch(4), engine, records)
    assert engine.cancelled == []


def test_a_repeated_status_counts_once(records: SqlRecords) -> None:
    one, two = (JobStatus(f"key/0/{n}", "done", JobResult(1.0, 1)) for n in range(2))
    assert _run(_batch(2), Scripted(one, one, two), records) == [0, 1]


def test_more_jobs_are_submitted_where_many_end_in_a_second(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("voxome.blocks.job_loop.time.monotonic", lambda: now[0])
    ahead = []

    class Quick(Scripted):
        def wait(self, timeout_s: float) -> Iterable[JobStatus]:
            now[0] += 0.1
            ended = self.jobs[len(self.statuses) :][:8]
            ahead.append(len(self.jobs) - len(self.statuses))
            self.statuses += [JobStatus(job.id, "done", JobResult(1.0, 1)) for job in ended]
            return self.statuses[-len(ended) :]

    assert len(_run(_batch(500), Quick(), records)) == 500
    assert ahead[:10] == [8] * 10
    assert max(ahead) in range(70, 100)


def test_a_job_whose_worker_was_lost_asks_for_twice_the_memory(records: SqlRecords) -> None:
    lost, done = JobStatus("key/0/0", "lost", error="killed"), JobStatus("key/0/0", "done", JobResult(1.0, 1))
    failed = replace(_failed(0), retryable=True)
    engine = Scripted(lost, failed, lost, done)
    batch = replace(_batch(1), resources=Resources(cpus=2, memory_bytes=1 << 30))
    report = StepReport("step", "tool", "key", 1)
    assert _run(batch, engine, records, on_retry=report.count_retry) == [0]
    assert report.retries == 3
    assert [job.resources.memory_bytes for job in engine.jobs] == [1 << 30, 2 << 30, 2 << 30, 4 << 30]
    assert {job.resources.cpus for job in engine.jobs} == {2}
    assert batch.job(0).resources == batch.resources
    assert _batch(1).job(0, losses=3).resources.memory_bytes is None


@pytest.mark.slow
def test_an_interruption_ends_local_workers(records: SqlRecords, tmp_path: Path) -> None:
    engine = LocalEngine(workers=2, log=tmp_path / "log")
    started = tmp_path / "started"

    def interrupt() -> None:
        if started.exists():
            raise KeyboardInterrupt

    batch = _batch(5, "sleep", folder=str(tmp_path), seconds=600)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(batch, engine, records, on_done=lambda *_: None, on_progress=interrupt)
    assert engine.pids() == []
    engine.close()


@pytest.mark.slow
def test_an_unknown_engine_or_step_is_refused_before_any_work(phantom: Phantom, tmp_path: Path) -> None:
    for choice in ("lokal", {"no such step": "local"}):
        with pytest.raises(UnknownName):
            run(CONNECTOME, phantom.inputs, out=tmp_path / "out", engine=choice)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("oneshot")
def test_the_pipeline_runs_on_the_engine_of_another_package(reference: Path, tmp_path: Path) -> None:
    record = run(NEURONS, neuron_inputs(reference), out=tmp_path, workers=2, block=(96, 96, 96), engine="oneshot")
    assert [(row["name"], row["workers"]) for row in record["engines"]] == [("oneshot", 2)]
    assert_same_neurons(reference, tmp_path)


@pytest.mark.slow
def test_the_pipeline_runs_in_job_arrays_of_slurm(reference: Path, tmp_path: Path, slurm_in_use: Slurm) -> None:
    engine = "slurm?partition=main&poll=1&grace=5&group=2"
    record = run(NEURONS, neuron_inputs(reference), out=tmp_path, workers=2, block=(96, 48, 96), engine=engine)
    assert [row["name"] for row in record["engines"]] == ["slurm"]
    assert_same_neurons(reference, tmp_path)


@pytest.mark.slow
def test_a_run_on_slurm_that_is_killed_is_resumed_with_its_jobs(
    reference: Path, tmp_path: Path, slurm_in_use: Slurm
) -> None:
    engine = "slurm?partition=main&poll=1&grace=5"
    inputs = [f"--set={name}={uri}" for name, uri in neuron_inputs(reference).items()]
    options = ["--out", str(tmp_path), "--block", "96,96,96", "--workers", "2", "--engine", engine]
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(NEURONS), *inputs, *options]
    spool = tmp_path / ".voxome" / "logs" / "slurm"
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not any(spool.glob("*/*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    unreported = {path.parent for path in spool.glob("*/array.json")}
    assert unreported
    run(NEURONS, neuron_inputs(reference), out=tmp_path, workers=2, block=(96, 96, 96), engine=engine)
    assert_same_neurons(reference, tmp_path)
    assert not any(spool.glob("*/array.json"))
    while slurm_in_use.run("squeue", "--noheader").stdout:
        assert time.monotonic() < deadline + 200
        time.sleep(0.2)
