"""Threads of this process, for jobs that wait for disks and networks or compute outside of Python."""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.perform import perform


class ThreadEngine:
    """Runs jobs in threads.

    Parameters
    ----------
    workers : int
        Number of threads.
    log : path, optional
        File for the tracebacks of jobs that failed, standard error if None.
    run : function of a Job, optional
        Returns its status; called from several threads. By default the job is performed.
    """

    name = "threads"

    def __init__(
        self, *, workers: int = 1, log: Path | None = None, run: Callable[[Job], JobStatus] | None = None
    ) -> None:
        self.slots = workers
        self._run = partial(perform, log=log) if run is None else run
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="voxome-job")
        self._futures: dict[str, Future[JobStatus]] = {}
        self._ended: queue.SimpleQueue[tuple[str, Future[JobStatus]]] = queue.SimpleQueue()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        for job in jobs:
            future = self._futures[job.id] = self._pool.submit(self._run, job)
            future.add_done_callback(lambda future, name=job.id: self._ended.put((name, future)))  # type: ignore[misc]

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the next job that has ended, if one does within `timeout_s`."""
        try:
            name, future = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return []
        if self._futures.get(name) is not future:
            return []
        del self._futures[name]
        return [future.result()]

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs. A running job cannot be stopped: it ends by itself, and its status is dropped."""
        for name in set(ids) & set(self._futures):
            self._futures.pop(name).cancel()

    def close(self) -> None:
        """Remove waiting jobs and wait for the running ones."""
        self._futures.clear()
        self._pool.shutdown(cancel_futures=True)


def open_threads(*, workers: int, log: Path) -> ThreadEngine:
    """Return the engine ``threads`` for jobs whose task the registry has."""
    return ThreadEngine(workers=workers, log=log)
