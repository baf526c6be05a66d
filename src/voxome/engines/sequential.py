"""Jobs one after the other, in this process: to look at a tool with a debugger."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from voxome.contracts.engine import Job, JobStatus


class SequentialEngine:
    """Runs one job a call of `wait`.

    Parameters
    ----------
    answer : function of a payload
        Returns ``state``, ``result`` and ``error``.
    """

    name = "sequential"
    slots = 1

    def __init__(self, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._answer = answer
        self._waiting: deque[Job] = deque()

    def submit(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        if not self._waiting:
            return []
        job = self._waiting.popleft()
        told = self._answer({"id": job.id, **job.payload})
        return [JobStatus(job.id, told["state"], told.get("result", {}), told.get("error", ""))]

    def cancel(self, ids: Collection[str]) -> None:
        self._waiting = deque(job for job in self._waiting if job.id not in ids)

    def close(self) -> None:
        self._waiting.clear()
