"""One job after the other in this process, for debugging a tool."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.perform import perform


class SequentialEngine:
    """Runs one job in each call of `wait`.

    Parameters
    ----------
    workers : int
        Ignored: there is one.
    log : path, optional
        File for the tracebacks of jobs that failed, standard error if None.
    """

    name = "sequential"
    slots = 1

    def __init__(self, *, workers: int = 1, log: Path | None = None) -> None:
        del workers
        self._log, self._waiting = log, deque[Job]()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._waiting.extend(jobs)

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Run the next job and return its status."""
        return [perform(self._waiting.popleft(), log=self._log)] if self._waiting else []

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs."""
        self._waiting = deque(job for job in self._waiting if job.id not in ids)

    def close(self) -> None:
        """Remove all jobs."""
        self._waiting.clear()
