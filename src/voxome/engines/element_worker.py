"""The jobs of an element of an array, one after the other, in a process that stays over them.

When that process dies, the job that it performed is lost, and the next job gets a new one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.local import LocalEngine

DONE, FAILED, MISSING = 0, 1, 2
"""Exit statuses: all jobs are done, a job is not, there is no job."""
_PAUSE_S = 1.0
"""Time in which whoever has killed the process ends this one too, as clusters do: then there is no status."""
_WAIT_S = 60.0


def perform_all(places: int, read: Callable[[int], Job | None], write: Callable[[int, JobStatus], None]) -> int:
    """Perform the jobs of an element, and return the exit status.

    Parameters
    ----------
    places : int
        Number of jobs.
    read : function of a place
        Returns its job, or None if that has a status or was cancelled.
    write : function of a place and a status
        Keeps the status of a job, which is the last thing that happens to it.
    """
    states: set[str] = set()
    with ExitStack() as stack:
        engine: LocalEngine | None = None
        for place in range(places):
            if (job := read(place)) is None:
                continue
            if engine is None:
                engine = stack.enter_context(closing(LocalEngine(workers=1, log=None, threads=job.resources.cpus)))
            status = _perform(engine, job)
            write(place, status)
            states.add(status.state)
    return DONE if states <= {"done"} else FAILED


def _perform(engine: LocalEngine, job: Job) -> JobStatus:
    engine.submit([job])
    while True:
        for status in engine.wait(_WAIT_S):
            if status.state == "lost":
                time.sleep(_PAUSE_S)
            return status


def has_status(job: Job, text: bytes | None) -> bool:
    """Whether a text is the status of a job, from an earlier start of its element."""
    try:
        return text is not None and JobStatus.from_json(json.loads(text)).id == job.id
    except (ValueError, KeyError, TypeError):
        return False
