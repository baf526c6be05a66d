"""Groups of short jobs that are one task of Dask, whose tasks cost milliseconds each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence

from voxome.contracts.engine import Job, JobStatus

GROUP_S = 0.2
"""Time that the jobs of a group are expected to take together, and after which none of them is started."""
MAX_GROUP = 64
"""Jobs in a group."""


class JobGroups:
    """Jobs that wait, in order, and how long those of their phase took.

    A job is grouped once jobs of its phase have been measured, with others of that phase that need the same
    resources. One that was lost in a group is alone from then on, as any of that group may have ended the worker.
    """

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._seconds: dict[str, float] = {}
        self._alone: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._waiting.extend(jobs)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Queue jobs before all others."""
        self._waiting.extendleft(reversed(jobs))

    def remove(self, ids: Collection[str]) -> None:
        """Remove jobs."""
        removed = set(ids)
        self._waiting = deque(job for job in self._waiting if job.id not in removed)

    def clear(self) -> None:
        """Remove all jobs."""
        self._waiting.clear()

    def pop(self, tasks: int) -> list[Job]:
        """Return the jobs of the next group, if the waiting ones are shared by so many tasks."""
        group = [self._waiting.popleft()]
        size = min(self._size(group[0]), math.ceil((len(self._waiting) + 1) / tasks))
        while len(group) < size and self._waiting and self._fits(self._waiting[0], group[0]):
            group.append(self._waiting.popleft())
        return group

    def note(self, jobs: Collection[str], statuses: Sequence[JobStatus], seconds: float) -> None:
        """Take account of the end of a task: of how long its jobs took, and of those that were lost together."""
        if seconds > 0:
            phase, mean = _phase(statuses[0].id), seconds / len(statuses)
            self._seconds[phase] = max(mean, (self._seconds.get(phase, mean) + mean) / 2)
        for status in statuses:
            if status.state == "lost" and len(jobs) > 1:
                self._alone.add(status.id)
            else:
                self._alone.discard(status.id)

    def _size(self, job: Job) -> int:
        seconds = self._seconds.get(_phase(job.id))
        if seconds is None or job.id in self._alone:
            return 1
        return max(1, min(MAX_GROUP, int(GROUP_S / seconds)))

    def _fits(self, job: Job, first: Job) -> bool:
        same = _phase(job.id) == _phase(first.id) and job.resources == first.resources
        return same and job.id not in self._alone


def _phase(name: str) -> str:
    """Return what the ids of the jobs of a phase have in common."""
    return name.rpartition("/")[0]
