"""Jobs, and the engines that schedule them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

WORKER_MODULE = "voxome.blocks.worker"
"""Module that engines start as ``python -m`` in worker processes; its docstring says what it reads and writes."""
MIB = 1 << 20
"""Bytes of a mebibyte, the unit of memory in CWL and in batch systems."""


@dataclass(frozen=True)
class Resources:
    """What a job needs; an engine that cannot reserve a resource ignores it.

    There is no time among them: it depends on the machine, and an engine that needs a limit has an option for it.

    Attributes
    ----------
    cpus, gpus : int
        Processor cores and graphics cards.
    memory_bytes : int or None
        Estimated peak memory, doubled in each retry after the loss of a worker; None where it depends on the data.
    unbounded_memory : bool
        Whether its memory grows with the number of objects: a process that keeps much of it does no other job.
    """

    cpus: int = 1
    memory_bytes: int | None = None
    gpus: int = 0
    unbounded_memory: bool = False


@dataclass(frozen=True)
class Capacity:
    """The most that one job can get of an engine.

    Attributes
    ----------
    cpus, memory_bytes : int or None
        Processor cores and memory; None where that is unknown.
    """

    cpus: int | None = None
    memory_bytes: int | None = None

    def problem(self, needed: Resources) -> str:
        """Return why a job can never start, with what to lower, as a clause; empty if it can."""
        if self.cpus is not None and needed.cpus > self.cpus:
            return f"it needs {needed.cpus:,} cores, and a job can have {self.cpus:,} at most; lower coresMin"
        if self.memory_bytes is not None and (needed.memory_bytes or 0) > self.memory_bytes:
            amounts = [f"{amount // MIB:,} MiB" for amount in (needed.memory_bytes or 0, self.memory_bytes)]
            return f"it needs {amounts[0]} of memory, and a job can have {amounts[1]} at most; lower ramMin"
        return ""

    def limit(self, needed: Resources) -> Resources:
        """Return what a job needs, or as much of it as it can get."""
        cpus, memory = needed.cpus, needed.memory_bytes
        return replace(
            needed,
            cpus=cpus if self.cpus is None else min(cpus, self.cpus),
            memory_bytes=memory if memory is None or self.memory_bytes is None else min(memory, self.memory_bytes),
        )


@dataclass(frozen=True)
class Job:
    """One call of a task, in JSON values, so that it can run in another process or on another machine.

    Attributes
    ----------
    id : str
        Unique within a run.
    task : str
        Function of the registry group ``voxome.tasks`` that takes the payload and returns a `JobResult`.
    payload : mapping
        Argument of the task; paths in it are absolute.
    resources : Resources
        What the job needs.
    settings : mapping
        Settings of the run that the worker adopts, none of them secret.
    """

    id: str
    task: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the job as JSON values."""
        resources = vars(self.resources)
        return {**vars(self), "payload": dict(self.payload), "resources": resources, "settings": dict(self.settings)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Return the job that `to_json` wrote."""
        return cls(data["id"], data["task"], data["payload"], Resources(**data["resources"]), data["settings"])


@dataclass(frozen=True)
class JobResult:
    """What a finished job used and counted.

    Attributes
    ----------
    seconds : float
        Wall time.
    peak_bytes : int
        Peak resident memory of its process.
    counts : mapping of str to int
        What the task counts, such as ``{"verified": 3}``.
    """

    seconds: float
    peak_bytes: int
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus:
    """How a job ended.

    Attributes
    ----------
    id : str
        Id of the job.
    state : {"done", "failed", "lost"}
        ``lost`` means that the worker died; the job itself may be sound.
    result : JobResult or None
        Set if the job is done.
    error : str
        Message for the user, if it is not.
    error_type : str
        Name of the class of the error, such as ``StoreError``; empty if it is done or lost.
    retryable : bool
        Whether another attempt could succeed.
    """

    id: str
    state: Literal["done", "failed", "lost"]
    result: JobResult | None = None
    error: str = ""
    error_type: str = ""
    retryable: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        result = None if self.result is None else {**vars(self.result), "counts": dict(self.result.counts)}
        return {**vars(self), "result": result}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobStatus:
        """Return the status that `to_json` wrote."""
        result = data["result"]
        return cls(
            data["id"],
            data["state"],
            None if result is None else JobResult(**result),
            data["error"],
            data["error_type"],
            data["retryable"],
        )


@runtime_checkable
class Engine(Protocol):
    """Runs jobs, several at a time, without knowing what they do.

    An engine is found by name in the registry group ``voxome.engines``, whose entries are functions
    ``(*, workers: int, log: Path, **options: str) -> Engine``; one with an argument ``store`` gets the address of the
    store of the run, or None. `voxome.testing.EngineContract` tests one.
    """

    @property
    def name(self) -> str:
        """Engine name."""

    @property
    def slots(self) -> int:
        """Number of jobs that run at once."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; each starts as soon as a slot is free."""

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended since the last call, as soon as there is one or after `timeout_s`."""

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs and stop running ones; they get no status."""

    def close(self) -> None:
        """Stop all jobs and workers; closing again has no effect."""


@runtime_checkable
class SupportsAdoption(Protocol):
    """An engine whose jobs outlive a run that is killed."""

    def left_jobs(self) -> list[Job]:
        """Return the jobs of an interrupted run that are not reported, in the order in which they were submitted.

        A job that is submitted again with the same id and payload is adopted; others are cancelled with the engine.
        """


@runtime_checkable
class SupportsCapacity(Protocol):
    """An engine that knows how much one job can get."""

    def capacity(self) -> Capacity:
        """Return the most that one job can get."""


def capacity_of(engine: Engine) -> Capacity:
    """Return the most that one job can get of an engine, without limits if it does not know them."""
    return engine.capacity() if isinstance(engine, SupportsCapacity) else Capacity()
