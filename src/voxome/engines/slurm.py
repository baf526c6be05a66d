"""Job arrays of Slurm, for sites that forbid long-lived schedulers; jobs are files in a folder that all nodes see."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from voxome.contracts.engine import MIB, Capacity, Job, JobStatus, Resources
from voxome.engines.array_engine import ArrayEngine, ArrayOptions
from voxome.engines.job_arrays import Ending, Place, Refusal
from voxome.engines.slurm_arrays import SlurmArray
from voxome.engines.slurm_commands import (
    Element,
    Queue,
    cancel_elements,
    find_ends,
    job_environment,
    list_elements,
    read_capacity,
    read_limits,
    set_throttle,
    submit_array,
)
from voxome.engines.worker_environment import worker_environment
from voxome.errors import InvalidInput

_USUAL = {"", "None", "(null)", "Resources", "Priority", "JobArrayTaskLimit", "BeginTime", "Cleaning"}
"""Reasons to wait that need no warning."""
_HELD = "requeued held"
"""In the reason of an element that starts only after somebody has released it."""
_ADVICE = {"TIMEOUT": "; give more time (time=)", "OUT_OF_MEMORY": "; a retry asks for more memory"}

Elements = Mapping[str, tuple[SlurmArray, set[int]]]
"""Name of an array → the array, and indexes."""


@dataclass(frozen=True, kw_only=True)
class SlurmOptions(ArrayOptions):
    """Options of the engine.

    Attributes
    ----------
    sbatch : tuple of str
        Options of sbatch for every array.
    queued : int
        Elements that are in the queue at once.
    memory : str
        Memory of jobs whose need is unknown, as ``--mem`` takes it; that of the site if empty.
    environment : tuple of str
        Names of variables that jobs get too.
    """

    sbatch: tuple[str, ...] = ()
    queued: int = 1000
    memory: str = ""
    environment: tuple[str, ...] = ()


class SlurmEngine(ArrayEngine[SlurmArray]):
    """Runs jobs as elements of job arrays.

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
    _system = "Slurm"

    def __init__(self, *, workers: int, log: Path, options: SlurmOptions = SlurmOptions()) -> None:
        self._options = options
        self._environment = job_environment(options.environment)
        self._array_size, site = read_limits()
        self._queued = self._most_queued = min(options.queued, site)
        super().__init__(workers=workers, log=log, options=options)

    @cached_property
    def _capacity(self) -> Capacity:
        chosen = [one for one in self._options.sbatch if one.startswith("--partition=")]
        cpus, memory = read_capacity(chosen)
        return Capacity(cpus, None if memory is None else memory * MIB)

    def capacity(self) -> Capacity:
        """Return the most that one node of the partition has."""
        return self._capacity

    def _read_left(self) -> list[SlurmArray]:
        return SlurmArray.read_all(self._records)

    def _free(self) -> int:
        return self._workers - sum(min(array.throttle, len(array.elements())) for array in self._arrays)

    def _room(self) -> int:
        return min(self._array_size, self._queued - sum(len(array.elements()) for array in self._arrays))

    def _submit_waiting(self) -> Iterator[JobStatus]:
        now = time.monotonic()
        if now >= self._next_submit_s and self._raise_throttle():
            self._next_submit_s = now + self._submit_s
        yield from super()._submit_waiting()

    def _write_array(self, groups: Sequence[Sequence[Job]]) -> SlurmArray:
        return SlurmArray.write(self._records, self._run, groups, self._free())

    def _find(self, array: SlurmArray) -> bool:
        elements = list_elements([array.name]).get(array.name, {})
        ids = {number for element in elements.values() for number in element.ids}
        if ids:
            array.accept(ids)
        return bool(ids)

    def _send(self, array: SlurmArray) -> None:
        resources = next(iter(array.jobs.values())).resources
        options = [*self._reservations(resources), *self._options.sbatch]
        environment = {**self._environment, **worker_environment(resources.cpus)}
        array.accept([submit_array(array.script, array.name, array.size, array.throttle, options, environment)])
        self._queued = min(self._most_queued, self._queued + array.size)

    def _reduce(self, array: SlurmArray) -> None:
        others = sum(len(one.elements()) for one in self._arrays if one is not array)
        self._queued = max(1, others + len(array.elements()) // 2)

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
        amount = self._options.memory if memory is None else f"{math.ceil(memory / MIB)}M"
        return [
            f"--cpus-per-task={resources.cpus}",
            *([f"--mem={amount}"] if amount else []),
            *([f"--gres=gpu:{resources.gpus}"] if resources.gpus else []),
        ]

    def _scan(self) -> list[tuple[SlurmArray, dict[Place, JobStatus]]]:
        found = [(array, array.list_statuses()) for array in self._arrays]
        return [(array, array.read_statuses(places)) for array, places in found if places]

    def _ended_elements(self, arrays: Sequence[SlurmArray]) -> dict[str, set[int]]:
        queue = list_elements([array.name for array in arrays])
        now = time.monotonic()
        ended: dict[str, set[int]] = {}
        for array in arrays:
            queued = queue.get(array.name, {})
            for element in array.elements():
                key = (array.name, element)
                if element in queued and not self._is_held(array, element, queued[element]):
                    self._unknown_s.pop(key, None)
                    if queued[element].reason not in _USUAL:
                        self._warn(f"Slurm keeps jobs waiting: {queued[element].reason}")
                elif now - self._unknown_s.setdefault(key, now) >= self._options.grace_s:
                    del self._unknown_s[key]
                    ended.setdefault(array.name, set()).add(element)
        return ended

    def _is_held(self, array: SlurmArray, element: int, queued: Element) -> bool:
        """Cancel an element that would wait for an administrator, and say so."""
        if _HELD not in queued.reason.lower().replace("_", " "):
            return False
        self._warn(f"Slurm holds jobs, which are cancelled: {queued.reason}")
        cancel_elements([f"{number}_{element}" for number in queued.ids or array.ids])
        return True

    def _endings(self, elements: Elements) -> dict[tuple[str, int], Ending]:
        found: dict[tuple[str, int], Ending] = {}
        for array, indexes in elements.values():
            ends = find_ends(array.ids)
            for element in indexes:
                state, code = ends.get(element, ("", ""))
                text = f"its Slurm job ended as {state} ({code}){_ADVICE.get(state, '')}" if state else ""
                found[array.name, element] = Ending(
                    f"{text or 'its Slurm job left the queue'} without a status file in {self._options.grace_s:g} s",
                    "TimeoutError" if state == "TIMEOUT" else "",
                )
        return found

    def _logs(self, elements: Elements) -> dict[tuple[str, int], str]:
        return {(array.name, index): str(array.log(index)) for array, indexes in elements.values() for index in indexes}

    def _stop(self, elements: Elements) -> None:
        try:
            queue: Queue = list_elements(list(elements))
        except Refusal as error:
            self._warn(f"The queue of Slurm is unknown: {error}")
            queue = {}
        chosen: list[str] = []
        for array, indexes in elements.values():
            for index in sorted(indexes):
                queued = queue.get(array.name, {}).get(index)
                chosen += [f"{number}_{index}" for number in sorted(queued.ids if queued else array.ids)]
        cancel_elements(chosen)

    def _running(self, elements: Elements) -> bool:
        queue = list_elements(list(elements))
        return any(indexes & set(queue.get(name, {})) for name, (_, indexes) in elements.items())


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
