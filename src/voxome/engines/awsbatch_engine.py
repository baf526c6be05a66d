"""Arrays of jobs of AWS Batch, with jobs and results on S3.

Each child of an array runs the worker on one job. A job is done when its result on S3 says so, which is written last:
never because of a state, an exit status or a missing answer.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from voxome.contracts.engine import Job, JobStatus
from voxome.contracts.formats import PRIVATE
from voxome.engines.awsbatch_api import ENDED, LARGEST_ARRAY, BatchClient, Refusal, State
from voxome.engines.awsbatch_arrays import JobArray, listed_results
from voxome.engines.awsbatch_options import BatchOptions, requirements
from voxome.engines.worker_environment import worker_environment
from voxome.errors import InvalidInput, StoreError, VoxomeError
from voxome.storage.atomic import storing
from voxome.storage.path import StoragePath

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
_TICK_S = 0.5
_SCAN_S = 2.0
"""Time between two listings of results."""
_SUBMIT_S = 2.0
"""Time between two arrays, in which jobs that may go together gather."""
_BACK_OFF_S = (1.0, 60.0)
"""First and longest time between two attempts at a request."""
_STOP_S = 60.0
"""Time in which cancelled jobs of an earlier run must be gone."""
_ATTEMPTS = 5
"""Attempts to terminate a job."""
_REASON = "cancelled by voxome"


class BatchEngine:
    """Runs jobs as children of arrays of AWS Batch.

    Jobs that a killed run has left, or that have ended since, are adopted when they are submitted again with the same
    id and payload. Those that are not are cancelled with the engine.

    Parameters
    ----------
    workers : int
        Jobs that are queued or run in AWS Batch at once.
    log : path
        Lists the log streams of jobs that failed; the folder ``awsbatch`` beside it lists all arrays.
    folder : StoragePath
        Folder on S3 for jobs and results.
    options : BatchOptions
        Options.

    Raises
    ------
    StoreError, InvalidInput
        If AWS Batch does not answer, or the queue takes no jobs.
    """

    name = "awsbatch"

    def __init__(self, *, workers: int, log: Path, folder: StoragePath, options: BatchOptions) -> None:
        self.slots = workers
        self._log, self._options = log, options
        self._records = log.absolute().parent / "awsbatch"
        self._batch = BatchClient(options.region)
        self._definition = self._prepare()
        self._run = self._read_run()
        self._folder = folder / PRIVATE / "awsbatch" / self._run
        self._left = JobArray.read_all(self._records)
        self._left_jobs = {job.id: (array, index) for array in self._left for index, job in array.jobs.items()}
        self._arrays: list[JobArray] = []
        self._waiting: deque[Job] = deque()
        self._reported: list[tuple[JobArray, int]] = []
        self._unknown_s: dict[str, float] = {}
        self._scanned_s = self._polled_s = self._next_submit_s = -math.inf
        self._refused_since_s: float | None = None
        self._silent_since_s: float | None = None
        self._warned: set[str] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs, or adopt those that an earlier run has submitted."""
        for job in jobs:
            if not self._adopt(job):
                self._waiting.append(job)

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended; whoever asks again has recorded those of the call before."""
        deadline = time.monotonic() + timeout_s
        self._forget_reported()
        while True:
            statuses = [*self._submit_waiting(), *self._read_results(), *self._find_lost()]
            left = deadline - time.monotonic()
            if statuses or left <= 0:
                return statuses
            time.sleep(min(_TICK_S, left))

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs, and terminate the others, also those that an earlier run has left."""
        cancelled = set(ids)
        self._waiting = deque(job for job in self._waiting if job.id not in cancelled)
        self._cancel(self._arrays, cancelled, adopted=False)
        self._cancel(self._left, cancelled, adopted=True)

    def close(self) -> None:
        """Terminate everything, and wait until it is gone."""
        self._forget_reported()
        self._waiting.clear()
        for arrays in (self._arrays, self._left):
            self._cancel(arrays, {job.id for array in arrays for job in array.jobs.values()}, adopted=True)
        with suppress(VoxomeError):
            self._folder.delete()

    def _prepare(self) -> str:
        """Check the queue, and return the job definition."""
        try:
            problem = self._patiently(lambda: self._batch.queue_problem(self._options.queue))
            if problem:
                raise InvalidInput(
                    f"The job queue {self._options.queue} {problem} in {self._batch.region}; give one that takes jobs "
                    "(awsbatch?queue=NAME&region=REGION)"
                )
            return self._patiently(lambda: self._batch.register(self._options.definition(self._batch.region)))
        except Refusal as error:
            raise StoreError(f"AWS Batch cannot be used: {error}; check region, credentials and permissions") from error

    def _patiently(self, request: Callable[[], _T], attempts: int = _ATTEMPTS) -> _T:
        """Make a request that may be repeated, several times if that may help.

        Raises
        ------
        Refusal
        """
        for attempt in range(attempts):
            try:
                return request()
            except Refusal as error:
                if not error.temporary or attempt + 1 == attempts:
                    raise
                time.sleep(min(_BACK_OFF_S[0] * 2**attempt, _BACK_OFF_S[1]))
        raise AssertionError("unreachable")

    def _read_run(self) -> str:
        """Return the beginning of the names of all arrays of the run."""
        path = self._records / "run"
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(f"voxome-{uuid4().hex[:8]}", encoding="ascii")
            return path.read_text(encoding="ascii").strip()

    def _adopt(self, job: Job) -> bool:
        """Take over a job of an earlier run; cancel it if it had another payload."""
        array, index = self._left_jobs.pop(job.id, (None, -1))
        if array is None or index not in array.jobs:
            return False
        old = array.jobs[index]
        if (old.task, old.payload) != (job.task, json.loads(json.dumps(dict(job.payload)))):
            self._cancel([array], {job.id}, adopted=True)
            return False
        del array.jobs[index]
        self._adopted(array).jobs[index] = job
        return True

    def _adopted(self, array: JobArray) -> JobArray:
        """Return the array of this engine that has the adopted jobs of an array."""
        found = next((one for one in self._arrays if one.name == array.name), None)
        if found is None:
            found = replace(array, jobs={})
            self._arrays.insert(0, found)
        return found

    def _submit_waiting(self) -> Iterator[JobStatus]:
        """Submit an array if jobs may run; yield those that AWS refuses for good."""
        now = time.monotonic()
        if now < self._next_submit_s:
            return
        pending = next((array for array in self._arrays if array.jobs and not array.id), None)
        if pending is not None:
            yield from self._submit(pending)
            return
        free = self.slots - sum(len(array.jobs) for array in self._arrays)
        if not self._waiting or free < 1:
            return
        resources = self._waiting[0].resources
        jobs = [job for job in self._waiting if job.resources == resources][: min(free, LARGEST_ARRAY)]
        taken = {id(job) for job in jobs}
        self._waiting = deque(job for job in self._waiting if id(job) not in taken)
        self._next_submit_s = now + _SUBMIT_S
        array = JobArray.write(self._records, self._run, self._options.queue, self._folder, jobs)
        self._arrays.append(array)
        yield from self._submit(array)

    def _submit(self, array: JobArray) -> Iterator[JobStatus]:
        """Submit an array, after a look whether AWS has it, if an answer got lost."""
        try:
            found = self._batch.find(array.queue, array.name) if array.unsure else ""
            if not found and array.adopted:
                self._withdraw(array)
                return
            array.accept(found or self._request(array))
            self._refused_since_s = None
        except Refusal as error:
            yield from self._take_refusal(array, error)

    def _request(self, array: JobArray) -> str:
        resources = next(iter(array.jobs.values())).resources
        environment = worker_environment(resources.cpus)
        return self._batch.submit(
            array.size,
            jobName=array.name,
            jobQueue=array.queue,
            jobDefinition=self._definition,
            parameters={"folder": array.folder.address, "array": array.unique},
            containerOverrides={
                "resourceRequirements": requirements(resources, self._options.memory_mib),
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
            },
        )

    def _withdraw(self, array: JobArray) -> None:
        """Have the jobs of an array wait again that AWS has not taken."""
        self._waiting.extendleft(reversed(array.jobs.values()))
        array.forget(list(array.jobs))
        self._arrays.remove(array)

    def _take_refusal(self, array: JobArray, error: Refusal) -> Iterator[JobStatus]:
        now = time.monotonic()
        since = self._refused_since_s = self._refused_since_s or now
        if error.temporary and now - since < self._options.patience_s:
            array.unsure |= error.unsure
            self._warn(f"AWS Batch takes no jobs now, and is tried again: {error}")
            self._next_submit_s = now + min(max(_BACK_OFF_S[0], now - since), _BACK_OFF_S[1])
            return
        for job in list(array.jobs.values()):
            yield JobStatus(
                job.id, "failed", error=f"AWS Batch refused it: {error}", error_type="StoreError", retryable=False
            )
        array.forget(list(array.jobs))
        self._arrays.remove(array)

    def _read_results(self) -> Iterator[JobStatus]:
        """Yield the jobs whose workers have written a result."""
        now = time.monotonic()
        if not any(array.jobs for array in self._arrays) or now - self._scanned_s < _SCAN_S:
            return
        self._scanned_s = now
        arrays = {array.unique: array for array in self._arrays}
        try:
            listed: dict[str, list[int]] = {}
            for folder in {array.folder.address: array.folder for array in self._arrays}.values():
                for unique, index in listed_results(folder):
                    listed.setdefault(unique, []).append(index)
            found = {name: arrays[name].read_statuses(listed[name]) for name in listed if name in arrays}
        except StoreError as error:
            self._take_silence(error)
            return
        self._silent_since_s = None
        yield from self._report_all([(arrays[name], statuses) for name, statuses in found.items()])

    def _take_silence(self, error: StoreError) -> None:
        """Go on without results that S3 does not give now.

        Raises
        ------
        StoreError
            If it has failed for too long.
        """
        now = time.monotonic()
        self._silent_since_s = self._silent_since_s or now
        if now - self._silent_since_s >= self._options.patience_s:
            raise error
        self._warn(f"Results cannot be read now, and nothing is concluded from that: {error}")

    def _report_all(self, found: list[tuple[JobArray, dict[int, JobStatus]]]) -> Iterator[JobStatus]:
        """Yield statuses that workers have written; those of failed jobs are listed with their log streams."""
        ids = [
            array.child(index) for array, statuses in found for index, one in statuses.items() if one.state != "done"
        ]
        states = self._states_or_none(ids)
        for array, statuses in found:
            for index, status in statuses.items():
                state = states.get(array.child(index))
                yield self._report(array, index, status, self._log_address(state))

    def _states_or_none(self, ids: list[str]) -> dict[str, State]:
        """Return the states of jobs, for messages only."""
        try:
            return self._batch.states(ids)
        except Refusal:
            return {}

    def _log_address(self, state: State | None) -> str:
        if state is None or not state.stream:
            return ""
        group = self._options.logs or "/aws/batch/job"
        return f"log stream {state.stream} of the log group {group} in {self._batch.region}"

    def _find_lost(self) -> Iterator[JobStatus]:
        """Yield the jobs that have ended without a result."""
        now = time.monotonic()
        arrays = [array for array in self._arrays if array.jobs and array.id]
        if not arrays or now - self._polled_s < self._options.poll_s:
            return
        self._polled_s = now
        try:
            states = self._batch.states([array.id for array in arrays])
            ended = {array.unique: self._ended(array, states.get(array.id)) for array in arrays}
            statuses = {array.unique: array.read_statuses(ended[array.unique]) for array in arrays}
            silent = {array.unique: sorted(ended[array.unique] - set(statuses[array.unique])) for array in arrays}
            endings = self._batch.states([array.child(index) for array in arrays for index in silent[array.unique]])
        except Refusal as error:
            self._warn(f"The states of jobs are unknown, and nothing is concluded from that: {error}")
            return
        except StoreError as error:
            self._take_silence(error)
            return
        yield from self._report_all([(array, statuses[array.unique]) for array in arrays])
        for array in arrays:
            for index in silent[array.unique]:
                ending = endings.get(array.child(index))
                yield self._report(array, index, self._lost(array.jobs[index], ending), self._log_address(ending))

    def _ended(self, array: JobArray, state: State | None) -> set[int]:
        """Return the indexes of unreported jobs that have ended.

        Raises
        ------
        Refusal
        """
        now = time.monotonic()
        if state is None:
            since = self._unknown_s.setdefault(array.id, now)
            return set(array.jobs) if now - since >= self._options.grace_s else set()
        self._unknown_s.pop(array.id, None)
        if state.status in ENDED:
            return set(array.jobs)
        if state.reason:
            self._warn(f"AWS Batch keeps jobs waiting: {state.reason}")
        ended: set[int] = set()
        for status in reversed(ENDED):
            if state.ended > len(ended | (set(range(array.size)) - set(array.jobs))):
                ended |= set(self._batch.children(array.id, status)) & set(array.jobs)
        return ended

    def _lost(self, job: Job, ending: State | None) -> JobStatus:
        """Return the status of a job that has ended without a result."""
        address = self._log_address(ending)
        tail = f"; its log is the {address}" if address else ""
        if ending is None:
            return JobStatus(job.id, "lost", error="AWS Batch does not know its job (any more), and it left no result")
        if ending.timed_out:
            limit = f"it ran longer than {self._options.limit_s} s, the limit of the engine's option limit_s"
            return JobStatus(job.id, "failed", error=f"{limit}, and was stopped{tail}", error_type="TimeoutError")
        if ending.image_is_missing:
            error = f"the image {self._options.image} cannot be had: its job {ending.describe()}"
            return JobStatus(job.id, "failed", error=error, error_type="NotFound", retryable=False)
        return JobStatus(job.id, "lost", error=f"its job {ending.describe()}, without a result{tail}")

    def _report(self, array: JobArray, index: int, status: JobStatus, address: str) -> JobStatus:
        """Take a job off its array; its objects stay until the caller has recorded the status."""
        if status.state != "done":
            self._write_log(f"Job {status.id} {status.state}: {status.error}\n  {address or 'no log stream is known'}")
        del array.jobs[index]
        self._reported.append((array, index))
        return status

    def _write_log(self, line: str) -> None:
        with storing(self._log), self._log.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")

    def _forget_reported(self) -> None:
        indexes: dict[str, list[int]] = {}
        for array, index in self._reported:
            indexes.setdefault(array.unique, []).append(index)
        for array in {array.unique: array for array, _ in self._reported}.values():
            array.forget(indexes[array.unique])
        self._reported.clear()
        self._arrays = [array for array in self._arrays if array.jobs]

    def _cancel(self, arrays: list[JobArray], ids: set[str], *, adopted: bool) -> None:
        """Terminate jobs; wait until those of an earlier run are gone."""
        stopped: list[str] = []
        for array in arrays:
            chosen = [index for index, job in array.jobs.items() if job.id in ids]
            if not chosen:
                continue
            if not array.id and array.unsure:
                self._look_up(array)
            if array.id:
                whole = len(chosen) == len(array.jobs)
                stopped += [array.id] if whole else [array.child(index) for index in chosen]
            array.forget(chosen)
        try:
            for one in stopped:
                self._patiently(partial(self._batch.terminate, [one], _REASON))
        except Refusal as error:
            self._warn(f"Jobs may run on; terminate {', '.join(stopped[:5])} … in AWS Batch: {error}")
            return
        if adopted:
            self._wait_for_end(stopped)

    def _look_up(self, array: JobArray) -> None:
        try:
            array.id = self._patiently(partial(self._batch.find, array.queue, array.name))
        except Refusal as error:
            self._warn(f"Whether AWS Batch has jobs of {array.name} is unknown; terminate them there: {error}")

    def _wait_for_end(self, ids: list[str]) -> None:
        deadline = time.monotonic() + _STOP_S
        while ids and time.monotonic() < deadline:
            ids = [one for one, state in self._states_or_none(ids).items() if state.status not in ENDED]
            if ids:
                time.sleep(_TICK_S)

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _LOG.warning("%s", message)
