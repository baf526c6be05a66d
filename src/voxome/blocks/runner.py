"""Run the jobs of a step that are not done yet, through an engine, and keep a ledger."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from voxome.blocks.outputs import finish, missing, own_arrays, prepare, step_folder
from voxome.blocks.regions import part_path
from voxome.blocks.step import Step
from voxome.contracts.engine import Engine, Job, JobStatus
from voxome.contracts.kinds import File, Table
from voxome.errors import RunFailed

RETRIES = 2
"""How often a job that failed is tried again."""
LOSSES = 5
"""How often a job is tried again whose worker died."""
MAX_FAILED_JOBS = 16
"""After so many failed jobs the step is given up."""
FOLD = -1
"""The phase that folds the tables of a step."""
_IF_KILLED = "if memory ran out, take a smaller block or fewer workers"
_WINDOW = 4
_POLL_S = 1.0


class Ledger(Protocol):
    """Which jobs are done."""

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Keep that a job is done."""

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """The jobs of a phase that are done."""

    def forget(self, step_key: str) -> None:
        """Take all jobs of a step for not done."""

    def usage(self, step_key: str) -> tuple[float, int]:
        """Seconds of all jobs, and the largest peak memory of one."""


@dataclass
class StepReport:
    """How a step went; blocks are counted, not jobs."""

    name: str
    tool: str
    key: str
    total: int
    run: int = 0
    reused: int = 0
    wall_s: float = 0.0
    worker_s: float = 0.0
    peak_bytes: int = 0
    ended: bool = False


Progress = Callable[[StepReport], None]


@dataclass
class _Phase:
    """The jobs of one phase on their way through the engine."""

    step: Step
    number: int
    store: str
    failed: dict[int, str] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)

    def job(self, number: int) -> Job:
        payload = {
            "step": str(step_folder(self.step, self.store) / "step.json"),
            "store": self.store,
            "phase": self.number,
            "job": number,
        }
        return Job(f"{self.step.key}/{self.number}/{number}", payload, alone=self._of_whole_tables)

    @property
    def _of_whole_tables(self) -> bool:
        """Whether its job sees the objects of the whole volume: a fold, a whole tool, the last of the regions."""
        return self.number < 0 or (self.step.loaded.scope != "block" and self.step.jobs(self.number) == 1)

    def blocks(self, job: int) -> int:
        if self.number < 0:
            return 0
        span = self.step.span(self.number)
        return min(span, self.step.blocks(self.number) - job * span)

    def again(self, number: int, status: JobStatus) -> bool:
        """Whether the job that `status` tells of is to be tried again; if not, it has failed."""
        if status.state == "lost":
            self.losses[number] += 1
            retry = self.losses[number] <= LOSSES
            if not retry:
                status = replace(status, error=f"{status.error}, {LOSSES + 1} times; {_IF_KILLED}")
        else:
            self.tries[number] += 1
            retry = self.tries[number] <= RETRIES and not status.result.get("final", False)
        if not retry:
            self.failed[number] = status.error
        return retry

    def where(self, job: int) -> str:
        grid = self.step.phases[max(self.number, 0)]
        if grid is None or self.number < 0:
            return self.step.name
        span = self.step.span(self.number)
        first, last = grid[job * span], grid[min((job + 1) * span, len(grid)) - 1]
        return f"{self.step.name} at {first.write}" + ("" if first == last else f" to {last.write}")


def run_step(
    step: Step,
    store: str,
    engine: Engine,
    ledger: Ledger,
    *,
    log: Path | None = None,
    progress: Progress | None = None,
) -> StepReport:
    """Run a step; jobs that the ledger says are done are left alone, unless what they made is gone.

    Raises
    ------
    RunFailed
        If a job failed for good; the others were run.
    AlreadyThere
        If another step's array is in the place of one of its outputs.
    """
    began = time.monotonic()
    report = StepReport(step.name, step.tool, step.key, step.total)
    if missing(step, store) or _is_lost(step, store, ledger):
        ledger.forget(step.key)
    prepare(step, store)
    _sweep_locks(step, store)
    told = progress or (lambda _: None)
    for number in range(len(step.phases)):
        _run_phase(_Phase(step, number, store), step.jobs(number), engine, ledger, report, told, log)
    if step.loaded.scope == "block" and any(isinstance(kind, Table) for kind in step.loaded.outputs.values()):
        _run_phase(_Phase(step, FOLD, store), 1, engine, ledger, report, told, log)
        _drop_parts(step, store)
    finish(step, store)
    report.wall_s = time.monotonic() - began
    report.worker_s, report.peak_bytes = ledger.usage(step.key)
    report.ended = True
    told(report)
    return report


def _run_phase(
    phase: _Phase,
    jobs: int,
    engine: Engine,
    ledger: Ledger,
    report: StepReport,
    told: Progress,
    log: Path | None,
) -> None:
    key = phase.step.key
    done = ledger.jobs_done(key, phase.number)
    report.reused += sum(phase.blocks(number) for number in done)
    told(report)
    waiting: Iterator[int] = (number for number in range(jobs) if number not in done)
    running: set[int] = set()

    def fill() -> None:
        while len(running) < _WINDOW * engine.slots and len(phase.failed) < MAX_FAILED_JOBS:
            number = next(waiting, None)
            if number is None:
                return
            running.add(number)
            engine.submit([phase.job(number)])

    fill()
    while running:
        for status in engine.wait(_POLL_S):
            number = int(status.id.rpartition("/")[2])
            if status.state == "done":
                ledger.job_done(key, phase.number, number, status.result["seconds"], status.result["peak_bytes"])
                report.run += phase.blocks(number)
                running.discard(number)
            elif phase.again(number, status):
                engine.submit([phase.job(number)])
            else:
                running.discard(number)
        fill()
        told(report)
    if phase.failed:
        raise RunFailed(_failure(phase, jobs, log))


def _failure(phase: _Phase, jobs: int, log: Path | None) -> str:
    lines = [f"  - {phase.where(number)}: {error}" for number, error in sorted(phase.failed.items())]
    more = "; the step was given up" if len(phase.failed) >= MAX_FAILED_JOBS else ""
    head = f"{len(phase.failed)} of {jobs} jobs of step {phase.step.name} failed{more}:"
    tail = "Mend the cause and give the same command again: what is done stays done."
    return "\n".join([head, *lines, *([f"What the workers said is in {log}."] if log else []), tail])


def _is_lost(step: Step, store: str, ledger: Ledger) -> bool:
    """Whether a table or file is gone that the ledger takes for made."""
    made = ledger.jobs_done(step.key, 0 if step.loaded.scope == "whole" else FOLD)
    names = [name for name, kind in step.loaded.outputs.items() if isinstance(kind, Table | File)]
    return bool(made) and not all(Path(step.output(name).within(store).uri).exists() for name in names)


def _drop_parts(step: Step, store: str) -> None:
    for name, kind in step.loaded.outputs.items():
        if isinstance(kind, Table):
            for job in range(step.jobs(0)):
                part_path(step_folder(step, store), name, 0, job).unlink(missing_ok=True)


def _sweep_locks(step: Step, store: str) -> None:
    """Remove lock files that writers left which were killed."""
    for uri, _ in own_arrays(step, store):
        for lock in Path(uri.partition("://")[2]).rglob("*.__lock"):
            with contextlib.suppress(FileNotFoundError):
                lock.unlink()
