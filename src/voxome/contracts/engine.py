"""Who schedules jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Job:
    """A span of blocks of one step, as a worker is told of it: JSON values only.

    Attributes
    ----------
    id : str
        Unique in its run.
    payload : mapping
        What the worker is told.
    alone : bool
        Whether it wants a process of its own, new and ended with it: its memory grows with the objects, not the block.
    """

    id: str
    payload: Mapping[str, Any]
    alone: bool = False


@dataclass(frozen=True)
class JobStatus:
    """How a job ended.

    ``lost`` means that its worker died; the job itself may be sound.
    """

    id: str
    state: Literal["done", "failed", "lost"]
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class Engine(Protocol):
    """Runs jobs somewhere, several at a time; it knows nothing of what is in them."""

    @property
    def name(self) -> str:
        """As the user says it."""

    @property
    def slots(self) -> int:
        """How many jobs run at once."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs; they start as slots become free."""

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Jobs that have ended since the last call; returns at the first, or after `timeout_s`."""

    def cancel(self, ids: Collection[str]) -> None:
        """Forget jobs, end those that run."""

    def close(self) -> None:
        """End the workers."""
