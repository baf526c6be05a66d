"""What engines of job arrays share.

A job is done when its status says so, which its worker writes last: never because of a state, an exit status or a
missing answer.
"""

from __future__ import annotations

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.job_arrays import Ending, JobArray, Place, Refusal, read_run
from voxome.errors import StoreError
from voxome.storage.atomic import storing

A = TypeVar("A", bound=JobArray)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ArrayOptions:
    """Options of all engines of job arrays.

    Attributes
    ----------
    group : int
        Jobs in one element, one after the other.
    grace_s : float
        How long the cluster may not know an element before it is lost.
    poll_s : float
        Time between two looks at the states of elements.
    patience_s : float
        How long the cluster may refuse or fail for reasons that pass.
    """

    group: int = 1
    grace_s: float = 60.0
    poll_s: float = 5.0
    patience_s: float = 3600.0


class ArrayEngine(ABC, Generic[A]):
    """Runs jobs in the elements of arrays.

    Jobs that a killed run has left, or that have ended since, are adopted when they are submitted again with the same
    id and payload. Those that are not are cancelled with the engine.

    Parameters
    ----------
    workers : int
        Elements that run at once.
    log : path
        Lists the logs of jobs that failed; a folder beside it, named like the engine, has the files of all arrays.
    options : ArrayOptions
        Options.
    """

    name: str
    _system: ClassVar[str]
    """Name of the cluster's software."""
    _tick_s = 0.5
    _scan_s = 0.5
    """Time between two searches for statuses."""
    _submit_s = 2.0
    """Time between two arrays, in which jobs that may go together gather, and which spares the cluster."""
    _back_off_s = (1.0, 60.0)
    """First and longest time between two attempts at a request."""
    _stop_s = 60.0
    """Time in which cancelled jobs must be gone."""

    def __init__(self, *, workers: int, log: Path, options: ArrayOptions) -> None:
        self.slots = workers * options.group
        self._workers, self._log, self._common = workers, log, options
        self._records = log.absolute().parent / self.name
        self._run = read_run(self._records)
        self._left = self._read_left()
        self._left_places = {job.id: (array, place) for array in self._left for place, job in array.jobs.items()}
        self._arrays: list[A] = []
        self._waiting: deque[Job] = deque()
        self._reported: list[tuple[A, Place]] = []
        self._unknown_s: dict[tuple[str, int], float] = {}
        self._scanned_s = self._polled_s = self._next_submit_s = -math.inf
        self._refused_since_s: float | None = None
        self._silent_since_s: float | None = None
        self._warned: set[str] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs, or adopt those that an earlier run has submitted."""
        for job in jobs:
            if not self._adopt(job):
                self._waiting.append(job)

    def left_jobs(self) -> list[Job]:
        """Return the jobs that an interrupted run has left, and that are not adopted yet."""
        return [array.jobs[place] for array, place in self._left_places.values() if place in array.jobs]

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended; whoever asks again has recorded those of the call before."""
        deadline = time.monotonic() + timeout_s
        self._forget_reported()
        while True:
            statuses = [*self._read_statuses(), *self._find_lost(), *self._submit_waiting()]
            left = deadline - time.monotonic()
            if statuses or left <= 0:
                return statuses
            time.sleep(min(self._tick_s, left))

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs, and stop the elements of the others, also of those that an earlier run has left."""
        cancelled = set(ids)
        self._waiting = deque(job for job in self._waiting if job.id not in cancelled)
        self._cancel(self._arrays, cancelled)
        self._cancel(self._left, cancelled)

    def close(self) -> None:
        """Stop everything, and wait until it is gone."""
        self._forget_reported()
        self._waiting.clear()
        for arrays in (self._arrays, self._left):
            self._cancel(arrays, {job.id for array in arrays for job in array.jobs.values()})

    @abstractmethod
    def _read_left(self) -> list[A]:
        """Return the arrays of an interrupted run that have jobs which are not reported, in order of creation."""

    @abstractmethod
    def _free(self) -> int:
        """Return how many more elements may run."""

    @abstractmethod
    def _room(self) -> int:
        """Return how many elements the next array may have."""

    @abstractmethod
    def _write_array(self, groups: Sequence[Sequence[Job]]) -> A:
        """Write the files of an array, whose elements perform a group of jobs each."""

    @abstractmethod
    def _find(self, array: A) -> bool:
        """Look whether the cluster has an array whose answer got lost; raises Refusal."""

    @abstractmethod
    def _send(self, array: A) -> None:
        """Submit an array; raises Refusal."""

    @abstractmethod
    def _scan(self) -> list[tuple[A, dict[Place, JobStatus]]]:
        """Return the statuses that workers have written; raises StoreError if nothing is known."""

    @abstractmethod
    def _ended_elements(self, arrays: Sequence[A]) -> dict[str, set[int]]:
        """Return the elements with unreported jobs that have ended, by name of array; raises Refusal."""

    @abstractmethod
    def _endings(self, elements: Mapping[str, tuple[A, set[int]]]) -> dict[tuple[str, int], Ending]:
        """Return how elements ended, by name of array and index; raises Refusal."""

    @abstractmethod
    def _logs(self, elements: Mapping[str, tuple[A, set[int]]]) -> dict[tuple[str, int], str]:
        """Return where the logs of elements are, as far as is known."""

    @abstractmethod
    def _stop(self, elements: Mapping[str, tuple[A, set[int]]]) -> None:
        """Stop elements, also those of arrays whose answer got lost; raises Refusal."""

    @abstractmethod
    def _running(self, elements: Mapping[str, tuple[A, set[int]]]) -> bool:
        """Return whether any of some elements is not gone; raises Refusal."""

    def _adopt(self, job: Job) -> bool:
        """Take over a job of an earlier run; cancel it if it had another payload."""
        array, place = self._left_places.pop(job.id, (None, None))
        if array is None or place is None or place not in array.jobs:
            return False
        old = array.jobs[place]
        if (old.task, old.payload) != (job.task, json.loads(json.dumps(dict(job.payload)))):
            self._cancel([array], {job.id})
            return False
        del array.jobs[place]
        self._adopted(array).jobs[place] = job
        return True

    def _adopted(self, array: A) -> A:
        """Return the array of this engine that has the adopted jobs of an array."""
        found = next((one for one in self._arrays if one.name == array.name), None)
        if found is None:
            found = replace(array, jobs={})
            self._arrays.insert(0, found)
        return found

    def _submit_waiting(self) -> Iterator[JobStatus]:
        """Submit an array if elements may run; yield the jobs that the cluster refuses for good."""
        now = time.monotonic()
        if now < self._next_submit_s:
            return
        pending = next((array for array in self._arrays if array.jobs and not array.accepted), None)
        if pending is not None:
            yield from self._submit(pending)
            return
        free, room = self._free(), self._room()
        if not self._waiting or free < 1 or room < 1:
            return
        resources = self._waiting[0].resources
        alike = [job for job in self._waiting if job.resources == resources]
        size = min(self._common.group, math.ceil(len(alike) / free))
        groups = [alike[start : start + size] for start in range(0, len(alike), size)][:room]
        taken = {id(job) for group in groups for job in group}
        self._waiting = deque(job for job in self._waiting if id(job) not in taken)
        self._next_submit_s = now + self._submit_s
        array = self._write_array(groups)
        self._arrays.append(array)
        yield from self._submit(array)

    def _submit(self, array: A) -> Iterator[JobStatus]:
        """Submit an array, after a look whether the cluster has it, if an answer got lost."""
        try:
            if not (array.unsure and self._find(array)):
                if array.adopted:
                    self._withdraw(array)
                    return
                self._send(array)
            self._refused_since_s = None
        except Refusal as error:
            yield from self._take_refusal(array, error)

    def _take_refusal(self, array: A, error: Refusal) -> Iterator[JobStatus]:
        """Have an array submitted later, or yield its jobs as failed."""
        now = time.monotonic()
        own = error.limit and any(one.jobs for one in self._arrays if one is not array)
        since = now if own else self._refused_since_s or now
        self._refused_since_s = since
        if error.temporary and (now - since < self._common.patience_s or own):
            array.unsure |= error.unsure
            self._warn(f"{self._system} takes no jobs now, and is tried again: {error}")
            self._next_submit_s = now + min(max(self._back_off_s[0], now - since), self._back_off_s[1])
            if error.limit and not array.unsure:
                self._reduce(array)
                self._withdraw(array)
            return
        for job in list(array.jobs.values()):
            text = f"{self._system} refused it: {error}"
            yield JobStatus(job.id, "failed", error=text, error_type="StoreError", retryable=False)
        array.forget(list(array.jobs))
        self._arrays.remove(array)

    def _reduce(self, array: A) -> None:
        """Take note that the cluster has refused an array for its size."""

    def _withdraw(self, array: A) -> None:
        """Have the jobs of an array wait again that the cluster has not taken."""
        self._waiting.extendleft(reversed(array.jobs.values()))
        array.forget(list(array.jobs))
        self._arrays.remove(array)

    def _read_statuses(self) -> Iterator[JobStatus]:
        """Yield the jobs whose workers have written a status."""
        now = time.monotonic()
        if not any(array.jobs for array in self._arrays) or now - self._scanned_s < self._scan_s:
            return
        self._scanned_s = now
        try:
            found = self._scan()
        except StoreError as error:
            self._take_silence(error)
            return
        self._silent_since_s = None
        yield from self._report_all(found)

    def _take_silence(self, error: StoreError) -> None:
        """Go on without statuses that cannot be read now.

        Raises
        ------
        StoreError
            If it has failed for too long.
        """
        now = time.monotonic()
        self._silent_since_s = self._silent_since_s or now
        if now - self._silent_since_s >= self._common.patience_s:
            raise error
        self._warn(f"Results cannot be read now, and nothing is concluded from that: {error}")

    def _find_lost(self) -> Iterator[JobStatus]:
        """Yield the jobs whose elements have ended; those that have no status are lost, or were never started."""
        now = time.monotonic()
        arrays = [array for array in self._arrays if array.jobs and array.accepted]
        if not arrays or now - self._polled_s < self._common.poll_s:
            return
        self._polled_s = now
        try:
            ended = {name: elements for name, elements in self._ended_elements(arrays).items() if elements}
            chosen = [(array, ended[array.name]) for array in arrays if array.name in ended]
            found = [(array, array.read_statuses(_places(array, elements))) for array, elements in chosen]
            silent = {
                array.name: (array, {place.element for place in _places(array, elements)} - _ended_by(statuses, array))
                for (array, elements), (_, statuses) in zip(chosen, found, strict=True)
            }
            endings = self._endings({name: one for name, one in silent.items() if one[1]})
        except Refusal as error:
            self._warn(f"The states of jobs are unknown, and nothing is concluded from that: {error}")
            return
        except StoreError as error:
            self._take_silence(error)
            return
        yield from self._report_all(found)
        for array, elements in silent.values():
            for element in sorted(elements):
                yield self._lose(array, element, endings[array.name, element])

    def _lose(self, array: A, element: int, ending: Ending) -> JobStatus:
        """Return the job that an element was performing when it ended; those after it wait again."""
        first, *others = array.elements()[element]
        self._waiting.extend(array.jobs[place] for place in others)
        array.forget(others)
        logs = self._logs({array.name: (array, {element})})
        log = logs.get((array.name, element), "")
        return self._report(array, first, ending.status(array.jobs[first], log), log)

    def _report_all(self, found: Sequence[tuple[A, Mapping[Place, JobStatus]]]) -> Iterator[JobStatus]:
        """Yield statuses that workers have written; those of failed jobs are listed with their logs."""
        failed = {
            array.name: (array, {place.element for place, one in statuses.items() if one.state != "done"})
            for array, statuses in found
        }
        logs = self._logs({name: one for name, one in failed.items() if one[1]})
        for array, statuses in found:
            for place, status in statuses.items():
                log = logs.get((array.name, place.element), "")
                lost = replace(status, error=f"{status.error}; its log is {log}") if status.state == "lost" else status
                yield self._report(array, place, lost if log else status, log)

    def _report(self, array: A, place: Place, status: JobStatus, log: str) -> JobStatus:
        """Take a job off its array; its files stay until the caller has recorded the status."""
        if status.state != "done":
            self._write_log(f"Job {status.id} {status.state}: {status.error}\n  {log or 'no log is known'}")
        del array.jobs[place]
        self._reported.append((array, place))
        return status

    def _write_log(self, line: str) -> None:
        with storing(self._log), self._log.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")

    def _forget_reported(self) -> None:
        places: dict[str, list[Place]] = {}
        for array, place in self._reported:
            places.setdefault(array.name, []).append(place)
        for array in {array.name: array for array, _ in self._reported}.values():
            array.forget(places[array.name])
        self._reported.clear()
        self._arrays = [array for array in self._arrays if array.jobs]

    def _cancel(self, arrays: Sequence[A], ids: Collection[str]) -> None:
        """Stop the elements of jobs; other jobs of theirs that have no status then wait again.

        Files are removed when the elements are gone: a runner that is killed before leaves jobs that are known.
        """
        cancelled = {array.name: [place for place, job in array.jobs.items() if job.id in ids] for array in arrays}
        elements = {
            array.name: (array, {place.element for place in cancelled[array.name]})
            for array in arrays
            if cancelled[array.name]
        }
        if not elements:
            return
        try:
            self._stop(elements)
            self._wait_for_end(elements)
        except Refusal as error:
            names = ", ".join(list(elements)[:5])
            self._warn(f"Jobs may run on; stop those of the name {names} … in {self._system}: {error}")
        for array, stopped in elements.values():
            places = set(cancelled[array.name])
            others = set(_places(array, stopped)) - places
            try:
                others -= set(array.read_statuses(sorted(others)))
            except StoreError as error:
                self._warn(f"Jobs may run again that are done: {error}")
            self._waiting.extend(array.jobs[place] for place in sorted(others))
            array.forget(places | others)

    def _wait_for_end(self, elements: Mapping[str, tuple[A, set[int]]]) -> None:
        """Wait until elements are gone; silence says nothing.

        Raises
        ------
        Refusal
            If that is not known in time.
        """
        deadline = time.monotonic() + self._stop_s
        while True:
            problem = Refusal("they have not ended in time")
            try:
                if not self._running(elements):
                    return
            except Refusal as error:
                problem = error
            if time.monotonic() >= deadline:
                raise problem
            time.sleep(self._tick_s)

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _LOG.warning("%s", message)


def _places(array: JobArray, elements: Collection[int]) -> list[Place]:
    return [place for place in array.jobs if place.element in elements]


def _ended_by(statuses: Collection[Place], array: JobArray) -> set[int]:
    """Return the elements of an array all of whose jobs have a status."""
    return {element for element, places in array.elements().items() if set(places) <= set(statuses)}
