"""Jobs on a Dask worker, each in a child process that can be killed without harm to the worker and its other jobs.

Dask calls these functions by name in workers that have voxome installed; jobs and statuses are JSON.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxome.config.machine import available_cpus
from voxome.contracts.engine import Job, JobStatus
from voxome.engines.local import LocalEngine

IDLE_S = 60.0
"""Time after which an idle child ends, for runners that were killed and could not end it."""
_POLL_S = 0.2
_STOPPED = 10_000
"""Attempts and groups that were stopped and may still be about to start."""


@dataclass(frozen=True)
class _Idle:
    """A child that waits for a job with the same log and number of threads."""

    since_s: float
    log: Path | None
    threads: int
    child: LocalEngine


class Children:
    """Child processes of this worker; those that are idle wait for the next job of their log and number of threads."""

    def __init__(self) -> None:
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._stopped: deque[str] = deque(maxlen=_STOPPED)
        self._reaper: threading.Thread | None = None

    def perform(self, job: Job, attempt: str, log: Path | None, limit_s: float | None, threads: int) -> JobStatus:
        """Run a job in a child, and kill that when it is stopped or takes longer than `limit_s`."""
        child = self._take(log, threads) or LocalEngine(workers=1, log=log, threads=threads)
        deadline = None if limit_s is None else time.monotonic() + limit_s
        try:
            if not self._is_stopped(attempt):
                child.submit([job])
            while not self._is_stopped(attempt):
                for status in child.wait(_POLL_S):
                    self._keep(_Idle(time.monotonic(), log, threads, child))
                    return status
                if deadline is not None and time.monotonic() > deadline:
                    child.close()
                    error = f"it ran longer than {limit_s:g} s, the limit of the engine's option job_s, and was stopped"
                    return JobStatus(job.id, "failed", error=error, error_type="TimeoutError")
        except BaseException:
            child.close()
            raise
        child.close()
        return JobStatus(job.id, "lost", error="it was cancelled")

    def stop(self, names: Sequence[str]) -> None:
        """Kill the children of attempts at jobs, or of groups of them; those that have not started will not."""
        self._stopped.extend(names)

    def _is_stopped(self, attempt: str) -> bool:
        return attempt in self._stopped or attempt.rpartition("/")[0] in self._stopped

    def end_idle(self, idle_s: float = 0.0) -> None:
        """End the children that have been idle for some time."""
        now = time.monotonic()
        with self._lock:
            ended = [one for one in self._idle if now - one.since_s >= idle_s]
            self._idle = [one for one in self._idle if now - one.since_s < idle_s]
        for one in ended:
            one.child.close()

    def _take(self, log: Path | None, threads: int) -> LocalEngine | None:
        """Return an idle child with this log and number of threads; without one, end another, whose place is needed."""
        with self._lock:
            fitting = [one for one in self._idle if (one.log, one.threads) == (log, threads)]
            chosen = fitting[-1] if fitting else next(iter(self._idle), None)
            if chosen is not None:
                self._idle.remove(chosen)
        if fitting or chosen is None:
            return None if chosen is None else chosen.child
        chosen.child.close()
        return None

    def _keep(self, idle: _Idle) -> None:
        with self._lock:
            self._idle.append(idle)
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="voxome-reaper", daemon=True)
                self._reaper.start()

    def _reap(self) -> None:
        while True:
            time.sleep(IDLE_S / 4)
            self.end_idle(IDLE_S)


_children = Children()


def perform_group(text: str, name: str, log: str | None, limit_s: float | None, group_s: float) -> str:
    """Perform jobs in a thread of a Dask worker, one after the other.

    Parameters
    ----------
    text : str
        Jobs, as JSON.
    name : str
        Unique name of this attempt at the group; that of an attempt at a job is ``NAME/INDEX``.
    log : str or None
        File for what the jobs print; standard error of the worker if None.
    limit_s : float or None
        Time after which a job is stopped.
    group_s : float
        Time after which no further job is started.

    Returns
    -------
    str
        JSON with the ``statuses`` of the jobs that were started, which are the first ones, and the ``seconds`` that
        they took together.
    """
    began = time.monotonic()
    statuses: list[dict[str, Any]] = []
    for index, job in enumerate(json.loads(text)):
        if statuses and time.monotonic() - began > group_s:
            break
        statuses.append(_perform(Job.from_json(job), f"{name}/{index}", log, limit_s).to_json())
    return json.dumps({"statuses": statuses, "seconds": time.monotonic() - began})


def _perform(job: Job, attempt: str, log: str | None, limit_s: float | None) -> JobStatus:
    from distributed import get_worker

    threads = max(1, available_cpus() // get_worker().state.nthreads, job.resources.cpus)
    try:
        return _children.perform(job, attempt, None if log is None else Path(log), limit_s, threads)
    except OSError as error:
        return JobStatus(job.id, "lost", error=f"its Dask worker cannot start a process: {error}")


def stop_attempts(names: Sequence[str]) -> None:
    """Stop attempts at jobs and groups on this worker."""
    _children.stop(names)


def end_children(names: Sequence[str]) -> None:
    """Stop attempts at jobs and groups on this worker, and end its idle children."""
    _children.stop(names)
    with contextlib.suppress(OSError):
        _children.end_idle()


def describe_worker(dask_worker: Any) -> dict[str, Any]:
    """Return the threads and resources of this worker; Dask passes it under this name."""
    return {"threads": dask_worker.state.nthreads, "resources": dict(dask_worker.state.total_resources)}
