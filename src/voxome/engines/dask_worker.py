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
from pathlib import Path
from typing import Any

from voxome.config.machine import available_cpus
from voxome.contracts.engine import Job, JobStatus
from voxome.engines.local import LocalEngine

IDLE_S = 60.0
"""Time after which an idle child ends, for runners that were killed and could not end it."""
_POLL_S = 0.2
_STOPPED = 10_000
"""Attempts that were stopped and may still be about to start."""


class Children:
    """Child processes of this worker; those that are idle wait for the next job."""

    def __init__(self) -> None:
        self._idle: list[tuple[float, LocalEngine]] = []
        self._lock = threading.Lock()
        self._stopped: deque[str] = deque(maxlen=_STOPPED)
        self._reaper: threading.Thread | None = None

    def perform(self, job: Job, attempt: str, log: Path | None, limit_s: float | None, threads: int) -> JobStatus:
        """Run a job in a child, and kill that when it is stopped or takes longer than `limit_s`."""
        child = self._take() or LocalEngine(workers=1, log=log, threads=threads)
        deadline = None if limit_s is None else time.monotonic() + limit_s
        try:
            if attempt not in self._stopped:
                child.submit([job])
            while attempt not in self._stopped:
                for status in child.wait(_POLL_S):
                    self._keep(child)
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

    def stop(self, attempts: Sequence[str]) -> None:
        """Kill the children of attempts at jobs; those that have not started will not."""
        self._stopped.extend(attempts)

    def end_idle(self, idle_s: float = 0.0) -> None:
        """End the children that have been idle for some time."""
        now = time.monotonic()
        with self._lock:
            ended = [child for since, child in self._idle if now - since >= idle_s]
            self._idle = [(since, child) for since, child in self._idle if now - since < idle_s]
        for child in ended:
            child.close()

    def _take(self) -> LocalEngine | None:
        with self._lock:
            return self._idle.pop()[1] if self._idle else None

    def _keep(self, child: LocalEngine) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), child))
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="voxome-reaper", daemon=True)
                self._reaper.start()

    def _reap(self) -> None:
        while True:
            time.sleep(IDLE_S / 4)
            self.end_idle(IDLE_S)


_children = Children()


def perform_text(text: str, attempt: str, log: str | None, limit_s: float | None) -> str:
    """Perform a job in a thread of a Dask worker.

    Parameters
    ----------
    text : str
        Job, as JSON.
    attempt : str
        Unique name of this attempt at it.
    log : str or None
        File for what the job prints; standard error of the worker if None.
    limit_s : float or None
        Time after which the job is stopped.

    Returns
    -------
    str
        Its status, as JSON.
    """
    from distributed import get_worker

    job = Job.from_json(json.loads(text))
    threads = max(1, available_cpus() // get_worker().state.nthreads, job.resources.cpus)
    try:
        status = _children.perform(job, attempt, None if log is None else Path(log), limit_s, threads)
    except OSError as error:
        status = JobStatus(job.id, "lost", error=f"its Dask worker cannot start a process: {error}")
    return json.dumps(status.to_json())


def stop_attempts(attempts: Sequence[str]) -> None:
    """Stop attempts at jobs on this worker."""
    _children.stop(attempts)


def end_children(attempts: Sequence[str]) -> None:
    """Stop attempts at jobs on this worker, and end its idle children."""
    _children.stop(attempts)
    with contextlib.suppress(OSError):
        _children.end_idle()


def describe_worker(dask_worker: Any) -> dict[str, Any]:
    """Return the threads and resources of this worker; Dask passes it under this name."""
    return {"threads": dask_worker.state.nthreads, "resources": dict(dask_worker.state.total_resources)}
