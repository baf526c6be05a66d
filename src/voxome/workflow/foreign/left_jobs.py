"""Commands of a killed run that are still queued, running, or done since, on engines whose jobs outlive a run."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from voxome.config.variables import STEP
from voxome.contracts.engine import Engine, Job, SupportsAdoption
from voxome.workflow.foreign.job import ForeignJob
from voxome.workflow.foreign.results import JobFolder, Result
from voxome.workflow.foreign.task import TASK


class LeftJobs:
    """Jobs of an interrupted run that an engine has, by the keys of their commands.

    Parameters
    ----------
    engine : Engine
        Runs commands.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: defaultdict[str, list[Job]] = defaultdict(list)
        for job in engine.left_jobs() if isinstance(engine, SupportsAdoption) else ():
            if job.task == TASK:
                self._jobs[job.id.partition("/")[0]].append(job)

    @property
    def folders(self) -> set[str]:
        """Names of the folders that their commands may be using."""
        return {_folder(job).root.name for jobs in self._jobs.values() for job in jobs}

    def cancel(self) -> None:
        """Stop all of them."""
        self._engine.cancel([job.id for jobs in self._jobs.values() for job in jobs])
        self._jobs.clear()

    def take(self, key: str, job: ForeignJob, context: Any) -> tuple[str | None, ForeignJob]:
        """Find a left job for a job that is not staged yet; one that differs in its limits, say, is stopped.

        Returns
        -------
        (str or None, ForeignJob)
            Id under which the engine adopts it, and the job in its folder, as if staged; None without one, and a job
            that is not staged yet.
        """
        waiting = self._jobs[key]
        while waiting:
            left = waiting.pop(0)
            folder = _folder(left)
            if not folder.work.is_dir() or Result.read(folder.root) is not None:  # its result is another job's
                self._engine.cancel([left.id])
                continue
            job = job.in_folder(folder, left.payload["command"]["variables"][STEP])
            job.adopt(context)
            if json.loads(json.dumps(job.payload(context))) == left.payload:
                return left.id, job
            self._engine.cancel([left.id])
            job = job.another_attempt()
        return None, job


def _folder(job: Job) -> JobFolder:
    return JobFolder(Path(job.payload["log"]).parent)
