"""The loop that runs the unfinished jobs of a batch on an engine and records them in a ledger."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voxome.config.failures import parse_failures
from voxome.config.settings import exported, settings
from voxome.contracts.engine import Engine, Job, JobResult, JobStatus, Resources
from voxome.contracts.records import Ledger
from voxome.errors import InvalidInput, RunFailed

RETRIES = 2
"""Number of further attempts at a job that failed."""
LOSSES = 5
"""Number of further attempts at a job whose worker died."""
_IF_KILLED = "if memory ran out, use a smaller block or fewer workers"
_WINDOW, _LARGEST_WINDOW = 4, 128
"""Jobs submitted at a time, for each slot of the engine: the second where as many end in a second."""
_POLL_S = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobBatch:
    """The jobs of one phase of a step, numbered from 0.

    Attributes
    ----------
    name : str
        Name for messages.
    key, phase : str, int
        Key in the ledger.
    jobs : int
        Number of jobs.
    task : str
        Name of the task that every job calls.
    payload : function of a job's number
        Payload of the job.
    where : function of a job's number
        Part of the data that the job works on, for messages.
    resources : Resources
        What each job needs; twice the memory after each loss of a worker.
    settings : mapping
        Settings that the workers adopt; those of this process by default.
    """

    name: str
    key: str
    phase: int
    jobs: int
    task: str
    payload: Callable[[int], Mapping[str, Any]]
    where: Callable[[int], str]
    resources: Resources = field(default_factory=Resources)
    settings: Mapping[str, Any] = field(default_factory=exported)

    def id(self, number: int) -> str:
        """Return the id of job `number`."""
        return f"{self.key}/{self.phase}/{number}"

    def job(self, number: int, losses: int = 0) -> Job:
        """Return job `number`, whose worker was lost so many times, presumably because memory ran out."""
        memory = self.resources.memory_bytes
        resources = replace(self.resources, memory_bytes=None if memory is None else memory << losses)
        return Job(self.id(number), self.task, self.payload(number), resources, self.settings)


def allowed_failures(budget: str, jobs: int) -> int:
    """Return how many of so many jobs may fail before the rest is cancelled.

    Parameters
    ----------
    budget : str
        A number, or a share of the jobs in per cent, rounded down.
    jobs : int
        Number of jobs.

    Raises
    ------
    InvalidInput
        If the budget is neither.

    Examples
    --------
    >>> allowed_failures("3", 1000), allowed_failures("0.5%", 1000)
    (3, 5)
    """
    try:
        number, is_share = parse_failures(budget)
    except ValueError as error:
        raise InvalidInput(f"max_failures is {budget!r}; {error}") from None
    return math.floor(number * jobs / 100 if is_share else number)


@dataclass
class RetryState:
    """Failures and losses so far, by job number."""

    allowed: int
    """Number of jobs that may fail before the batch is abandoned."""
    failed: dict[int, JobStatus] = field(default_factory=dict)
    errors: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)

    @property
    def exhausted(self) -> bool:
        """Whether so many jobs have failed that the batch is abandoned."""
        return len(self.failed) > self.allowed

    def should_retry(self, number: int, status: JobStatus) -> bool:
        """Count an unsuccessful attempt and return whether to try again; if not, the job has failed."""
        if status.state == "lost":
            self.losses[number] += 1
            retry = self.losses[number] <= LOSSES
            if not retry:
                status = replace(status, error=f"{status.error}, {LOSSES + 1} times; {_IF_KILLED}")
        else:
            self.errors[number] += 1
            retry = self.errors[number] <= RETRIES and status.retryable
        if not retry:
            self.failed[number] = status
        return retry


def run_jobs(
    batch: JobBatch,
    engine: Engine,
    ledger: Ledger,
    *,
    on_done: Callable[[int, JobResult], None],
    on_progress: Callable[[], None],
    on_retry: Callable[[], None] = lambda: None,
    log: Path | None = None,
) -> None:
    """Run the jobs of a batch that are not in the ledger.

    Jobs still waiting or running are cancelled if the loop is interrupted, or if too many have failed.

    Parameters
    ----------
    batch : JobBatch
        Jobs to run.
    engine : Engine
        Runs them.
    ledger : Ledger
        Knows which are done.
    on_done : function of a job's number and result
        Called when a job is done and in the ledger.
    on_progress : function
        Called at least once a second while jobs run.
    on_retry : function, optional
        Called when a job has failed or was lost, and is tried again.
    log : path, optional
        Log of the workers, for messages.

    Raises
    ------
    RunFailed
        If a job failed permanently; the others ran, unless too many failed. Its `error_types` and `errors` are by job
        number.
    """
    loop = _Loop(batch, engine, ledger, on_retry)
    try:
        loop.submit()
        while loop.running and not loop.retries.exhausted:
            for status in engine.wait(_POLL_S):
                number = int(status.id.rpartition("/")[2])
                result = loop.take(number, status)
                if result is not None:
                    on_done(number, result)
            loop.submit()
            on_progress()
    finally:
        if loop.running:
            engine.cancel([batch.id(number) for number in sorted(loop.running)])
    if loop.retries.failed:
        types = {number: status.error_type for number, status in loop.retries.failed.items()}
        errors = {number: status.error for number, status in loop.retries.failed.items()}
        raise RunFailed(_failure(batch, loop.retries, log), error_types=types, errors=errors)


class Rate:
    """How many jobs end in a second, as counted over the last second or two."""

    def __init__(self) -> None:
        self._ended, self._since_s, self._rate = 0, time.monotonic(), 0

    def count(self) -> None:
        """Count the end of a job."""
        self._ended += 1

    def a_second(self) -> int:
        """Return the number of jobs that ended in a second."""
        if (passed := time.monotonic() - self._since_s) >= 1.0:
            self._rate = int(self._ended / passed)
            self._ended, self._since_s = 0, self._since_s + passed
        return self._rate


class _Loop:
    """Jobs of a batch that wait, run and have failed."""

    def __init__(self, batch: JobBatch, engine: Engine, ledger: Ledger, on_retry: Callable[[], None]) -> None:
        done = ledger.jobs_done(batch.key, batch.phase)
        self._batch, self._engine, self._ledger, self._on_retry = batch, engine, ledger, on_retry
        self._waiting: Iterator[int] = (number for number in range(batch.jobs) if number not in done)
        self._rate = Rate()
        self.running: set[int] = set()
        self.retries = RetryState(allowed_failures(settings().max_failures, batch.jobs))

    def submit(self) -> None:
        """Submit jobs until the engine has a few in reserve."""
        slots = self._engine.slots
        window = max(_WINDOW * slots, min(self._rate.a_second(), _LARGEST_WINDOW * slots))
        while len(self.running) < window and not self.retries.exhausted:
            number = next(self._waiting, None)
            if number is None:
                return
            self.running.add(number)
            self._engine.submit([self._batch.job(number)])

    def take(self, number: int, status: JobStatus) -> JobResult | None:
        """Record a job that is done and return its result; submit it again if it may succeed."""
        if number not in self.running:
            return None
        self._rate.count()
        if status.state == "done" and status.result is not None:
            result = status.result
            self._ledger.job_done(self._batch.key, self._batch.phase, number, result.seconds, result.peak_bytes)
            self.running.discard(number)
            return result
        if self.retries.should_retry(number, status):
            self._engine.submit([self._batch.job(number, self.retries.losses[number])])
            self._on_retry()
        else:
            self.running.discard(number)
            if len(self.retries.failed) == 1 and self.running:
                where = self._batch.where(number)
                _LOG.warning("%s failed; the run will end when others have ended: %s", where, status.error)
        return None


def _failure(batch: JobBatch, retries: RetryState, log: Path | None) -> str:
    lines = [f"  - {batch.where(number)}: {status.error}" for number, status in sorted(retries.failed.items())]
    rest = "; the rest was cancelled" if retries.exhausted else ""
    head = f"{len(retries.failed)} of {batch.jobs} jobs of {batch.name} failed{rest}:"
    tail = "Fix the cause and rerun; finished blocks are kept."
    return "\n".join([head, *lines, *([f"The workers' log is {log}."] if log else []), tail])
