"""Threads of this process: where jobs wait for disks and networks, and their work is done outside of Python."""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from voxome.contracts.engine import Job, JobStatus


class ThreadEngine:
    """Runs jobs in threads.

    Parameters
    ----------
    answer : function of a payload
        Returns ``state``, ``result`` and ``error``; called from several threads.
    slots : int
        How many threads.
    """

    name = "threads"

    def __init__(self, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]], slots: int) -> None:
        self.slots = slots
        self._answer = answer
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="voxome-job")
        self._futures: dict[str, Future[None]] = {}
        self._ended: queue.SimpleQueue[JobStatus] = queue.SimpleQueue()

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._futures[job.id] = self._pool.submit(self._run, job)

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        try:
            status = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return []
        self._futures.pop(status.id, None)
        return [status]

    def cancel(self, ids: Collection[str]) -> None:
        """Forget jobs that have not started; those that run are let run."""
        for name in set(ids) & set(self._futures):
            self._futures.pop(name).cancel()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> None:
        told = self._answer({"id": job.id, **job.payload})
        self._ended.put(JobStatus(job.id, told["state"], told.get("result", {}), told.get("error", "")))
