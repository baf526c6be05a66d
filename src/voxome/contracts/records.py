"""What a run leaves on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Event:
    """Something that happened in a run; `time_s` is seconds since 1970."""

    time_s: float
    kind: str
    step: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class RecordStore(Protocol):
    """Keeps events and finished jobs."""

    def append(self, events: Sequence[Event]) -> None:
        """Keep events, in order."""

    def query(self, table: str, where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Rows of `table` whose columns equal `where`."""
