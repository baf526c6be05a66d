"""Events of a run and its ledger of finished jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Event:
    """Something that happened in a run; `time_s` is seconds since 1970."""

    time_s: float
    kind: str
    step: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Ledger(Protocol):
    """Which jobs are done. A step is known by its key, its jobs by phase and number."""

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Record that a job is done; its output is durable. A job recorded again replaces the first record."""

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """Return the finished jobs of a phase."""

    def forget(self, step_key: str) -> None:
        """Delete the jobs of a step."""

    def usage(self, step_key: str) -> tuple[float, int]:
        """Return the seconds of all jobs of a step and the largest peak memory of one, in bytes."""


@runtime_checkable
class RecordStore(Ledger, Protocol):
    """Events and finished jobs of a run; one process writes.

    A record store is found by name in the registry group ``voxome.records``, whose entries are functions
    ``(folder: Path, name: str, **options: str) -> RecordStore``. `voxome.testing.RecordStoreContract` tests one.
    """

    @property
    def shared(self) -> bool:
        """Whether other runs may use it too: then each sees its own jobs only, and a copied run folder starts empty.

        Records in the folder of the run are not shared, and move with it.
        """

    def append(self, events: Sequence[Event]) -> None:
        """Append events in order."""

    def query(self, table: str, where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Return the rows of `table` (``events`` or ``jobs``) whose columns equal `where`.

        Raises
        ------
        UnknownName
            If the table or column does not exist.
        """

    def close(self) -> None:
        """Close the store; closing again has no effect."""
