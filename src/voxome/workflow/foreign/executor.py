"""cwltool's walk over a process, with an engine of voxome for its commands."""

from __future__ import annotations

import errno
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cwltool.errors import WorkflowException
from cwltool.executors import JobExecutor

from voxome.config.settings import exported
from voxome.contracts.engine import Engine, Job, JobResult, JobStatus, capacity_of
from voxome.contracts.environment import Command, LimitsKept
from voxome.contracts.records import Event, RecordStore
from voxome.errors import VoxomeError
from voxome.redaction import redact
from voxome.registry import factory
from voxome.workflow.foreign.cache import ResultCache
from voxome.workflow.foreign.delivery import move_outputs
from voxome.workflow.foreign.digests import Digests, Versions
from voxome.workflow.foreign.javascript import require_javascript
from voxome.workflow.foreign.job import ForeignJob, is_portable
from voxome.workflow.foreign.left_jobs import LeftJobs
from voxome.workflow.foreign.results import JobFolder, JobFolders, Result
from voxome.workflow.foreign.secrets import secret_digests, secret_problem
from voxome.workflow.foreign.task import TASK
from voxome.workflow.foreign.tool import require_tools

_LOSSES = 5
_WINDOW = 4
"""Jobs submitted at a time, for each slot of the engine."""
_POLL_S = 1.0
_OF_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""Errors that other jobs would meet, too."""
_log = logging.getLogger("cwltool")


@cache
def limits_of(environment: str) -> LimitsKept:
    """Return which limits an environment keeps on this machine."""
    kept: LimitsKept = factory("voxome.environments", environment)().limits_kept()
    return kept


@dataclass
class RunningJob:
    """A job on the engine."""

    job: ForeignJob
    key: str
    context: Any
    inputs: Versions
    losses: int = 0


class ForeignExecutor(JobExecutor):
    """Runs the commands of a process on an engine, and expressions in this process.

    Parameters
    ----------
    engine : Engine
        Runs commands.
    folders : JobFolders
        Has the folders of jobs, and the results of an interrupted run.
    records : RecordStore
        Records each job.
    digests : Digests
        Knows the contents of files.
    cache : ResultCache, optional
        Has results of other runs.
    left : LeftJobs, optional
        Jobs of an interrupted run that the engine still has.
    """

    def __init__(
        self,
        engine: Engine,
        folders: JobFolders,
        records: RecordStore,
        digests: Digests,
        cache: ResultCache | None = None,
        left: LeftJobs | None = None,
    ) -> None:
        super().__init__()
        self._engine, self._folders, self._records, self._digests = engine, folders, records, digests
        self._cache, self._left = cache, left or LeftJobs(engine)
        self._settings = exported()
        self._running: dict[str, RunningJob] = {}
        self._unstaged: list[JobStatus] = []
        """Jobs that were not submitted; cwltool starts no others once it knows of a failure."""
        self._keys: Counter[str] = Counter()
        self._events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.error: OSError | VoxomeError | None = None
        """What ended the process, such as a full disk; cwltool raises no errors, but logs them."""

    def execute(
        self, process: Any, job_order_object: Any, runtime_context: Any, logger: logging.Logger = _log
    ) -> tuple[Any, str]:
        """Run a process, deliver its outputs, which are copied beside their folder first, and return them."""
        try:
            return self._execute(process, job_order_object, runtime_context, logger)
        except (OSError, VoxomeError) as error:
            self.error = error
            raise

    def _execute(self, process: Any, job_order_object: Any, runtime_context: Any, logger: Any) -> tuple[Any, str]:
        out, staged, replaced = Path(runtime_context.outdir), self._folders.scratch(), self._folders.scratch()
        context = runtime_context.copy()
        context.outdir = str(staged)
        outputs, status = super().execute(process, job_order_object, context, logger)
        return move_outputs(outputs, staged, out, replaced), str(status)

    def run_jobs(self, process: Any, job_order_object: Any, logger: logging.Logger, runtime_context: Any) -> None:
        """Run all jobs of a process."""
        try:
            require_javascript(process)
            require_tools(process, runtime_context, capacity_of(self._engine))
            for job in process.job(job_order_object, self.output_callback, runtime_context):
                if isinstance(job, ForeignJob):
                    self._start(job, runtime_context)
                elif job is not None:
                    self._run_here(job, runtime_context)
                elif self._running:
                    self._wait()
                else:
                    logger.error("Workflow cannot make any more progress.")
                    break
                while len(self._running) >= _WINDOW * self._engine.slots:
                    self._wait()
            while self._running:
                self._wait()
        except WorkflowException as error:
            self.failures.append(str(error))
            raise
        finally:
            self._flush()
            if self._running:
                self._engine.cancel(list(self._running))
            for running in self._running.values():
                running.job.forget_secrets()

    def _run_here(self, job: Any, context: Any) -> None:
        """Run a job of this process: an expression, or a sub-workflow."""
        job.run(context)

    def _start(self, job: ForeignJob, context: Any) -> None:
        """Take the result of an earlier run, adopt a job that it has left, or submit one."""
        with self._digests.noting() as inputs:
            key = job.key(self._digests, secret_digests(context.secret_store))
        if self._reuse(job, key):
            return
        left, job = self._left.take(key, job, context)
        number = left or f"{key}/{self._keys[key]}/{len(self._running)}-{time.monotonic_ns()}"
        running = self._running[number] = RunningJob(job, key, context, inputs)
        try:
            self._submit(number, running, is_staged=left is not None)
        except BaseException:
            del self._running[number]
            raise

    def _reuse(self, job: ForeignJob, key: str) -> bool:
        """Take the result of an earlier call, or of another run, if there is one."""
        found, source = self._folders.take(key), "run"
        if found is None and self._cache is not None and job.is_reusable():
            result, source = self._cache.fetch(key, job.folder), "cache"
            if result is not None:
                result.write(job.folder.root)
                found = job.folder, result
        if found is None:
            return False
        folder, result = found
        if source == "run":
            self._cache_result(job, result, folder)
        _log.info("[job %s] reused, from the %s", job.name, source)
        self._record("job reused", job, key, source=source)
        self._count(job, key, "reused", result.seconds, result.peak_bytes)
        job.output_callback(job.restored(result, folder.work), "success")
        return True

    def _submit(self, number: str, running: RunningJob, *, is_staged: bool = False) -> None:
        job = running.job
        try:
            if not is_staged:
                job.stage(running.context)
        except OSError as error:
            if error.errno in _OF_DISK:
                raise
            text = f"its files cannot be staged: {redact(str(error))}"
            self._unstaged.append(JobStatus(number, "failed", error=text))
            return
        resources, capacity = job.resources(), capacity_of(self._engine)
        problem = capacity.problem(resources)
        if problem and job.requires_resources():
            self._unstaged.append(JobStatus(number, "failed", error=problem))
            return
        if problem:
            _log.warning("[job %s] %s; it is a hint, so the job runs with that", job.name, problem)
            resources = capacity.limit(resources)
        if resources.memory_bytes is not None:
            resources = replace(resources, memory_bytes=resources.memory_bytes << running.losses)
        _log.info("[job %s] %s", job.name, " ".join(str(word) for word in job.command_line))
        payload = job.payload(running.context)
        secret = secret_problem(payload, running.context.secret_store, self._engine)
        if secret is not None:
            raise WorkflowException(f"Cannot run {job.name}: {secret}")
        kept, command = limits_of(job.run_in), Command.from_json(payload["command"])
        for sentence in kept.unkept_resources(command.memory_bytes, command.cpus):
            _log.warning("[job %s] %s", job.name, sentence)
        unkept = list(kept.unkept(command))
        kind = "job adopted" if is_staged else "job started"
        self._record(kind, job, running.key, attempt=running.losses + 1, unkept=unkept)
        self._engine.submit([Job(number, TASK, payload, resources, self._settings)])

    def _wait(self) -> None:
        self._flush()
        unstaged, self._unstaged = self._unstaged, []
        for status in unstaged or self._engine.wait(_POLL_S):
            running = self._running.get(status.id)
            if running is None:
                continue
            if status.state == "lost" and running.losses < _LOSSES and not running.job.inplace_update:
                self._repeat(running, status)
                continue
            del self._running[status.id]
            self._end(running, status)

    def _repeat(self, running: RunningJob, status: JobStatus) -> None:
        """Submit a job again that the engine has lost."""
        running.losses += 1
        self._record("job lost", running.job, running.key, error=status.error)
        running.job = running.job.another_attempt()
        self._submit(status.id, running)

    def _end(self, running: RunningJob, status: JobStatus) -> None:
        job = running.job
        job.forget_secrets()
        if status.state == "done" and status.result is not None:
            process_status, outputs, reason = job.ended(status.result)
        else:
            process_status, outputs, reason = "permanentFail", job.no_outputs(), status.error
            if status.state == "lost" and job.inplace_update:
                reason += "; it changes its inputs in place, so it is not repeated: check them, and rerun"
        if process_status == "success" and status.result is not None:
            self._commit(running, outputs, status.result)
        else:
            _log.warning("[job %s] %s: %s%s", job.name, process_status, reason, job.log_tail())
            self._record("job failed", job, running.key, status=process_status, error=reason)
            self.counts["failed"] += 1
            self.failures.append(f"step {job.step or job.name}: {reason}{job.log_tail()}")
        job.output_callback(outputs, process_status)

    def _commit(self, running: RunningJob, outputs: Mapping[str, Any], used: JobResult) -> None:
        job = running.job
        result = job.result(running.key, outputs, used, self._digests)
        if job.inplace_update or self._has_same_inputs(running):
            result.write(job.folder.root)
            self._cache_result(job, result, job.folder)
        else:
            _log.warning("[job %s] an input has changed while it ran: its result is not kept", job.name)
        self._count(job, running.key, "run", used.seconds, used.peak_bytes)
        self._record("job ended", job, running.key, seconds=used.seconds, reusable=job.is_reusable())
        _log.info("[job %s] completed success", job.name)

    def _has_same_inputs(self, running: RunningJob) -> bool:
        """Return whether the inputs of a job are as they were when it started, and were not written meanwhile."""
        try:
            with self._digests.noting() as inputs:
                key = running.job.key(self._digests, secret_digests(running.context.secret_store))
        except OSError:  # one of them is gone
            return False
        return (key, inputs) == (running.key, running.inputs)

    def _cache_result(self, job: ForeignJob, result: Result, folder: JobFolder) -> None:
        """Keep a committed result for other runs, if they may take it; this one does not need that."""
        if self._cache is None or not job.is_reusable() or not is_portable(result.outputs):
            return
        try:
            self._cache.store(result, folder)
        except OSError as error:
            _log.warning("[job %s] its result is not in the cache, which cannot be written: %s", job.name, error)

    def _count(self, job: ForeignJob, key: str, what: str, seconds: float, peak_bytes: int) -> None:
        self._records.job_done(key, 0, self._keys[key], seconds, peak_bytes)
        self._keys[key] += 1
        self.counts[what] += 1

    def _record(self, kind: str, job: ForeignJob, key: str, **details: Any) -> None:
        self._events.append(Event(time.time(), kind, job.name[:200], {"key": key, **details}))

    def _flush(self) -> None:
        """Record the events since the last call."""
        self._records.append(self._events)
        self._events = []
