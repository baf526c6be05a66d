"""Job arrays of Slurm, for sites that forbid long-lived schedulers.

Jobs are files in a folder that all nodes see. Each element of an array runs the one-shot worker on its jobs. A job is
done when its status file says so, which is written last: never by a state, an exit status or a missing answer.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from voxome.contracts.engine import Job, JobStatus, Resources
from voxome.engines.slurm_arrays import JobArray, Place
from voxome.engines.slurm_commands import (
    Element,
    Refusal,
    cancel_elements,
    describe_end,
    job_environment,
    list_elements,
    read_limits,
    set_throttle,
    submit_array,
)
from voxome.engines.worker_environment import worker_environment
from voxome.errors import InvalidInput
from voxome.storage.atomic import storing

_LOG = logging.getLogger(__name__)
_SCAN_S = 0.5
_BACK_OFF_S = (1.0, 60.0)
"""First and longest time between two attempts to submit."""
_SUBMIT_S = 2.0
"""Time between two arrays, or two changes of one, that spares the controller of the site."""
_STOP_S = 30.0
"""Time in which cancelled jobs of an earlier run must be gone."""
_USUAL = {"", "None", "(null)", "Resources", "Priority", "JobArrayTaskLimit", "BeginTime", "Cleaning"}
"""Reasons to wait that need no warning."""
_DESCRIBED = 16
"""Lost elements whose end is looked up in one poll; the others are lost without a reason."""
_HELD = "requeued held"
"""In the reason of an element that starts only after somebody has released it."""


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """Options of the engine.

    Attributes
    ----------
    sbatch : tuple of str
        Options of sbatch for every array.
    group : int
        Jobs in one element, one after the other.
    queued : int
        Elements that are in the queue at once.
    memory : str
        Memory of jobs whose need is unknown, as ``--mem`` takes it; that of the site if empty.
    environment : tuple of str
        Names of variables that jobs get too.
    grace_s : float
        How long a status file may be missing after its element has left the queue.
    poll_s : float
        Time between two looks at the queue.
    patience_s : float
        How long Slurm may refuse arrays for reasons that pass.
    """

    sbatch: tuple[str, ...] = ()
    group: int = 1
    queued: int = 1000
    memory: str = ""
    environment: tuple[str, ...] = ()
    grace_s: float = 60.0
    poll_s: float = 5.0
    patience_s: float = 3600.0


class SlurmEngine:
    """Runs jobs as elements of job arrays.

    Jobs that a killed run has left in the queue, or finished since, are adopted when they are submitted again with the
    same id and payload. Those that are not are cancelled with the engine.

    Parameters
    ----------
    workers : int
        Elements that run at once.
    log : path
        Lists the logs of jobs that failed; the folder ``slurm`` beside it has files and logs of all arrays.
    options : SlurmOptions
        Options.

    Raises
    ------
    StoreError, InvalidInput
        If Slurm does not answer, or has no arrays.
    """

    name = "slurm"

    def __init__(self, *, workers: int, log: Path, options: SlurmOptions = SlurmOptions()) -> None:
        self.slots = workers * options.group
        self._workers, self._log, self._options = workers, log, options
        self._spool = log.absolute().parent / "slurm"
        self._environment = job_environment(options.environment)
        self._array_size, site = read_limits()
        self._queued = self._most_queued = min(options.queued, site)
        self._run = self._read_run()
        self._left = list(JobArray.read_all(self._spool))
        self._left_places = {job.id: (array, place) for array in self._left for place, job in array.jobs.items()}
        self._arrays: list[JobArray] = []
        self._waiting: deque[Job] = deque()
        self._reported: list[tuple[JobArray, Place]] = []
        self._gone_s: dict[tuple[str, int], float] = {}
        self._polled_s = self._next_submit_s = -math.inf
        self._refused_since_s: float | None = None
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
            statuses = [*self._submit_waiting(), *self._read_statuses(), *self._find_lost()]
            left = deadline - time.monotonic()
            if statuses or left <= 0:
                return statuses
            time.sleep(min(_SCAN_S, left))

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs, and cancel the elements of the others, also of those that an earlier run has left."""
        cancelled = set(ids)
        self._waiting = deque(job for job in self._waiting if job.id not in cancelled)
        self._cancel(self._arrays, cancelled, adopted=False)
        self._cancel(self._left, cancelled, adopted=True)

    def close(self) -> None:
        """Cancel everything, and wait until it is gone."""
        self._forget_reported()
        self._waiting.clear()
        for arrays in (self._arrays, self._left):
            self._cancel(arrays, {job.id for array in arrays for job in array.jobs.values()}, adopted=True)

    def _read_run(self) -> str:
        """Return the beginning of the names of all arrays of the run."""
        path = self._spool / "run"
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(f"voxome-{uuid4().hex[:8]}", encoding="ascii")
            return path.read_text(encoding="ascii").strip()

    def _adopt(self, job: Job) -> bool:
        """Take over a job of an earlier run; cancel it if it had another payload."""
        array, place = self._left_places.pop(job.id, (None, None))
        if array is None or place is None or place not in array.jobs:
            return False
        old = array.jobs[place]
        if (old.task, old.payload) != (job.task, json.loads(json.dumps(dict(job.payload)))):
            self._cancel([array], {job.id}, adopted=True)
            return False
        del array.jobs[place]
        self._adopted(array).jobs[place] = job
        return True

    def _adopted(self, array: JobArray) -> JobArray:
        """Return the array of this engine that has the adopted jobs of an array."""
        found = next((one for one in self._arrays if one.name == array.name), None)
        if found is None:
            found = replace(array, jobs={})
            self._arrays.insert(0, found)
        return found

    def _free(self) -> int:
        """Return how many more elements may run."""
        return self._workers - sum(min(array.throttle, len(array.elements())) for array in self._arrays)

    def _submit_waiting(self) -> Iterator[JobStatus]:
        """Submit an array if elements are free; yield the jobs that Slurm refuses for good."""
        now = time.monotonic()
        if now < self._next_submit_s:
            return
        unsure = next((array for array in self._arrays if array.jobs and not array.accepted), None)
        if unsure is not None:
            yield from self._submit(unsure, look=True)
            return
        if self._raise_throttle():
            self._next_submit_s = now + _SUBMIT_S
        free, room = self._free(), self._queued - sum(len(array.elements()) for array in self._arrays)
        if not self._waiting or free < 1 or room < 1:
            return
        resources = self._waiting[0].resources
        alike = [job for job in self._waiting if job.resources == resources]
        size = min(self._options.group, math.ceil(len(alike) / free))
        groups = [alike[start : start + size] for start in range(0, len(alike), size)][: min(self._array_size, room)]
        taken = {id(job) for group in groups for job in group}
        self._waiting = deque(job for job in self._waiting if id(job) not in taken)
        self._next_submit_s = now + _SUBMIT_S
        array = JobArray.write(self._spool, self._run, groups, free)
        self._arrays.append(array)
        yield from self._submit(array, look=False)

    def _submit(self, array: JobArray, *, look: bool) -> Iterator[JobStatus]:
        """Submit an array; `look` first whether Slurm has it, if an answer got lost."""
        resources = next(iter(array.jobs.values())).resources
        try:
            if look and (elements := list_elements([array.name]).get(array.name)):
                array.ids |= {number for element in elements.values() for number in element.ids}
            else:
                options = [*self._reservations(resources), *self._options.sbatch]
                environment = {**self._environment, **worker_environment(resources.cpus)}
                array.ids.add(submit_array(array.script, array.name, array.size, array.throttle, options, environment))
            array.accepted, self._refused_since_s = True, None
            self._queued = min(self._most_queued, self._queued + array.size)
        except Refusal as error:
            yield from self._take_refusal(array, error)

    def _take_refusal(self, array: JobArray, error: Refusal) -> Iterator[JobStatus]:
        now = time.monotonic()
        others = sum(len(one.elements()) for one in self._arrays if one is not array)
        since = now if error.limit and others else self._refused_since_s or now
        self._refused_since_s = since
        if error.temporary and (now - since < self._options.patience_s or (error.limit and others)):
            self._warn(f"Slurm takes no jobs now, and is tried again: {error}")
            self._next_submit_s = now + min(max(_BACK_OFF_S[0], now - since), _BACK_OFF_S[1])
            if error.limit:
                self._queued = max(1, others + len(array.elements()) // 2)
                self._withdraw(array)
            return
        for place, job in list(array.jobs.items()):
            array.forget(place)
            yield JobStatus(
                job.id, "failed", error=f"Slurm refused it: {error}", error_type="StoreError", retryable=False
            )
        self._arrays.remove(array)

    def _withdraw(self, array: JobArray) -> None:
        """Have the jobs of an array wait again that Slurm has surely not taken."""
        self._waiting.extendleft(reversed(array.jobs.values()))
        for place in list(array.jobs):
            array.forget(place)
        self._arrays.remove(array)

    def _raise_throttle(self) -> bool:
        """Let more elements of the last array run, in place of those of earlier arrays that have ended."""
        free = self._free()
        short = [array for array in self._arrays if array.ids and array.throttle < len(array.elements())]
        if free < 1 or not short:
            return False
        try:
            for number in short[-1].ids:
                set_throttle(number, short[-1].throttle + free)
            short[-1].throttle += free
        except Refusal as error:
            self._warn(f"The number of jobs that run at once stays smaller: {error}")
        return True

    def _reservations(self, resources: Resources) -> list[str]:
        memory = resources.memory_bytes
        amount = self._options.memory if memory is None else f"{math.ceil(memory / (1 << 20))}M"
        return [
            f"--cpus-per-task={resources.cpus}",
            *([f"--mem={amount}"] if amount else []),
            *([f"--gres=gpu:{resources.gpus}"] if resources.gpus else []),
        ]

    def _read_statuses(self) -> Iterator[JobStatus]:
        """Yield the jobs that left a status file, and those whose worker died."""
        for array in self._arrays:
            names = array.list_names()
            for place in list(array.jobs):
                if f"{place}.result.json" in names and (status := array.read_status(place)) is not None:
                    yield self._report(array, place, status)
                elif f"{place}.lost" in names and (reason := array.read_exit(place)):
                    yield self._lose(array, place, reason)

    def _find_lost(self) -> Iterator[JobStatus]:
        """Yield the jobs whose element has left the queue, without a status file in the time of grace."""
        now = time.monotonic()
        if not self._arrays or now - self._polled_s < self._options.poll_s:
            return
        self._polled_s = now
        arrays = [array for array in self._arrays if array.jobs and array.accepted]
        try:
            queue = list_elements([array.name for array in arrays])
        except Refusal as error:
            self._warn(f"The queue of Slurm is unknown, and nothing is concluded from that: {error}")
            return
        described = 0
        for array in arrays:
            queued = queue.get(array.name, {})
            for element, places in array.elements().items():
                key = (array.name, element)
                if element in queued and not self._is_held(array, element, queued[element]):
                    array.ids |= queued[element].ids
                    self._gone_s.pop(key, None)
                    if queued[element].reason not in _USUAL:
                        self._warn(f"Slurm keeps jobs waiting: {queued[element].reason}")
                elif now - self._gone_s.setdefault(key, now) >= self._options.grace_s:
                    del self._gone_s[key]
                    described += 1
                    yield from self._lose_element(array, element, places, describe=described <= _DESCRIBED)

    def _is_held(self, array: JobArray, element: int, queued: Element) -> bool:
        """Cancel an element that would wait for an administrator, and say so."""
        if _HELD not in queued.reason.lower().replace("_", " "):
            return False
        self._warn(f"Slurm holds jobs, which are cancelled: {queued.reason}")
        self._scancel([f"{number}_{element}" for number in queued.ids or array.ids])
        return True

    def _lose_element(
        self, array: JobArray, element: int, places: list[Place], *, describe: bool
    ) -> Iterator[JobStatus]:
        """Yield the jobs of an element that are lost; those that it never started wait again, if it started any."""
        array.list_names()
        statuses = {place: array.read_status(place) for place in places}
        started = {place for place in places if array.has_started(place)}
        endings = [describe_end(f"{number}_{element}") for number in sorted(array.ids) if describe]
        ending = next((f"its Slurm job {text}" for text in endings if text), "its Slurm job left the queue")
        for place in sorted(places, key=lambda one: one.place):
            if (status := statuses[place]) is not None:
                yield self._report(array, place, status)
            elif place in started or not (started or place.place):
                yield self._lose(array, place, f"{ending} without a status file in {self._options.grace_s:g} s")
            else:
                self._waiting.append(array.jobs[place])
                array.forget(place)

    def _lose(self, array: JobArray, place: Place, reason: str) -> JobStatus:
        status = JobStatus(array.jobs[place].id, "lost", error=f"{reason}; its log is {array.log(place.element)}")
        return self._report(array, place, status)

    def _report(self, array: JobArray, place: Place, status: JobStatus) -> JobStatus:
        """Take a job off its array; its files stay until the caller has recorded the status."""
        if status.state != "done":
            self._write_log(f"Job {status.id} {status.state}: {status.error}\n  {array.log(place.element)}")
        del array.jobs[place]
        self._reported.append((array, place))
        return status

    def _write_log(self, line: str) -> None:
        with storing(self._log), self._log.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")

    def _forget_reported(self) -> None:
        for array, place in self._reported:
            array.forget(place)
        self._reported.clear()
        self._arrays = [array for array in self._arrays if array.jobs]

    def _cancel(self, arrays: list[JobArray], ids: set[str], *, adopted: bool) -> None:
        """Cancel elements that have no other jobs; those of others that they interrupt wait again."""
        chosen = {array.name: [p for p, job in array.jobs.items() if job.id in ids] for array in arrays}
        names = [name for name, places in chosen.items() if places]
        if not names:
            return
        queue = self._queue_of(names)
        elements = []
        for array in arrays:
            places = chosen[array.name]
            for element in {place.element for place in places}:
                queued = queue.get(array.name, {}).get(element)
                elements += [f"{number}_{element}" for number in (queued.ids if queued else array.ids)]
            self._requeue_siblings(array, places)
            for place in places:
                array.forget(place)
        self._scancel(elements)
        if adopted:
            deadline = time.monotonic() + _STOP_S
            while self._queue_of(names) and time.monotonic() < deadline:
                time.sleep(_SCAN_S)

    def _requeue_siblings(self, array: JobArray, cancelled: Sequence[Place]) -> None:
        elements = {place.element for place in cancelled}
        for place in [one for one in array.jobs if one.element in elements and one not in cancelled]:
            if array.read_status(place) is None:
                self._waiting.append(array.jobs[place])
                array.forget(place)

    def _queue_of(self, names: Collection[str]) -> dict[str, dict[int, Element]]:
        try:
            return {name: dict(elements) for name, elements in list_elements(names).items()}
        except Refusal as error:
            self._warn(f"The queue of Slurm is unknown: {error}")
            return {}

    def _scancel(self, elements: Sequence[str]) -> None:
        try:
            cancel_elements(elements)
        except Refusal as error:
            self._warn(f"Jobs may run on; cancel them with scancel {' '.join(elements[:5])} …: {error}")

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _LOG.warning("%s", message)


def open_slurm(
    *,
    workers: int,
    log: Path,
    partition: str = "",
    account: str = "",
    qos: str = "",
    time: str = "",
    constraint: str = "",
    reservation: str = "",
    mem: str = "",
    group: str = "1",
    array: str = "1000",
    env: str = "",
    grace: str = "60",
    poll: str = "5",
    patience: str = "3600",
) -> SlurmEngine:
    """Return the engine ``slurm``.

    Parameters
    ----------
    workers : int
        Elements that run at once.
    log : path
        Log, whose folder all nodes see.
    partition, account, qos, time, constraint, reservation : str
        As sbatch takes them; ``time`` is the limit of an element.
    mem : str
        Memory of jobs whose need is unknown, as ``8G``.
    group, array : str
        Jobs in an element; elements in the queue at once.
    env : str
        Names of further variables that jobs get, with commas. Slurm stores their values.
    grace, poll, patience : str
        Seconds that a status file may be late, between two looks at the queue, and that Slurm may refuse arrays.

    Raises
    ------
    InvalidInput, StoreError
        If an option is wrong, or Slurm does not answer.
    """
    chosen = {
        "partition": partition,
        "account": account,
        "qos": qos,
        "time": time,
        "constraint": constraint,
        "reservation": reservation,
    }
    options = SlurmOptions(
        sbatch=tuple(f"--{name}={value}" for name, value in chosen.items() if value),
        group=_number("group", group, 1),
        queued=_number("array", array, 1),
        memory=mem,
        environment=tuple(name for name in env.split(",") if name),
        grace_s=_number("grace", grace, 0),
        poll_s=_number("poll", poll, 0),
        patience_s=_number("patience", patience, 0),
    )
    return SlurmEngine(workers=workers, log=log, options=options)


def _number(name: str, text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise InvalidInput(f"{name} of the engine slurm is {text!r}; expected a whole number of at least {least}")
    return value
