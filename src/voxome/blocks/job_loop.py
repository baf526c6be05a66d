"""Run numbered jobs that are not done yet through an engine, and keep a ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from voxome.contracts.engine import Engine, Job, JobStatus
from voxome.errors import RunFailed

RETRIES = 2
"""How often a job that failed is tried again."""
LOSSES = 5
"""How often a job is tried again whose worker died."""
MAX_FAILED_JOBS = 16
"""After so many failed jobs the rest is given up."""
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


@dataclass(frozen=True)
class JobBatch:
    """The jobs of one phase.

    Attributes
    ----------
    name : str
        What errors call it.
    key, phase : str, int
        By which the ledger knows it.
    jobs : int
        How many there are.
    payload : function of a job's number
        What a worker is told.
    where : function of a job's number
        Where the job is at work, for people to read.
    alone : bool
        Whether each job wants a process of its own; see `Job`.
    """

    name: str
    key: str
    phase: int
    jobs: int
    payload: Callable[[int], Mapping[str, Any]]
    where: Callable[[int], str]
    alone: bool = False

    def job(self, number: int) -> Job:
        """Job `number`, for the engine."""
        return Job(f"{self.key}/{self.phase}/{number}", self.payload(number), alone=self.alone)


@dataclass
class RetryState:
    """What went wrong so far."""

    failed: dict[int, str] = field(default_factory=dict)
    errors: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)

    def again(self, number: int, status: JobStatus) -> bool:
        """Whether the job that `status` tells of is to be tried again; if not, it has failed."""
        if status.state == "lost":
            self.losses[number] += 1
            retry = self.losses[number] <= LOSSES
            if not retry:
                status = replace(status, error=f"{status.error}, {LOSSES + 1} times; {_IF_KILLED}")
        else:
            self.errors[number] += 1
            retry = self.errors[number] <= RETRIES and not status.result.get("final", False)
        if not retry:
            self.failed[number] = status.error
        return retry


def run_jobs(
    work: JobBatch,
    engine: Engine,
    ledger: Ledger,
    *,
    ended: Callable[[int, Mapping[str, Any]], None],
    tick: Callable[[], None],
    log: Path | None = None,
) -> None:
    """Run the jobs that the ledger does not know.

    Parameters
    ----------
    ended : function of a job's number and result
        Called when a job is done and in the ledger.
    tick : function
        Called every now and then, and when something has ended.
    log : path, optional
        What the workers say, for errors to name.

    Raises
    ------
    RunFailed
        If a job failed for good; the others were run.
    """
    done, tries = ledger.jobs_done(work.key, work.phase), RetryState()
    waiting: Iterator[int] = (number for number in range(work.jobs) if number not in done)
    running: set[int] = set()

    def fill() -> None:
        while len(running) < _WINDOW * engine.slots and len(tries.failed) < MAX_FAILED_JOBS:
            number = next(waiting, None)
            if number is None:
                return
            running.add(number)
            engine.submit([work.job(number)])

    fill()
    while running:
        for status in engine.wait(_POLL_S):
            number = int(status.id.rpartition("/")[2])
            if status.state == "done":
                result = status.result
                ledger.job_done(work.key, work.phase, number, result["seconds"], result["peak_bytes"])
                running.discard(number)
                ended(number, result)
            elif tries.again(number, status):
                engine.submit([work.job(number)])
            else:
                running.discard(number)
        fill()
        tick()
    if tries.failed:
        raise RunFailed(_failure(work, tries.failed, log))


def _failure(work: JobBatch, failed: Mapping[int, str], log: Path | None) -> str:
    lines = [f"  - {work.where(number)}: {error}" for number, error in sorted(failed.items())]
    more = "; it was given up" if len(failed) >= MAX_FAILED_JOBS else ""
    head = f"{len(failed)} of {work.jobs} jobs of {work.name} failed{more}:"
    tail = "Mend the cause and give the same command again: what is done stays done."
    return "\n".join([head, *lines, *([f"What the workers said is in {log}."] if log else []), tail])
