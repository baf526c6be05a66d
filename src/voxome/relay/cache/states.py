"""What is known of the state of sources: which incarnation is cached, and when it was last checked."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Error
from threading import Lock

from voxome.relay.cache.generations import Generations
from voxome.relay.cache.index import DiskIndex
from voxome.relay.cache.metadata import SourceMetadata

_MOST_KEPT = 10_000
"""States in the index, beyond which those that were not checked for the longest time are forgotten."""
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class SourceState:
    """The state of a source when it was last checked.

    Attributes
    ----------
    incarnation : str
        Random, new whenever the source was replaced.
    token : str
        Version of the source, as its store reports it.
    epoch : int
        Number of times that it has expired, since its store cannot tell whether voxels have changed.
    checked : float
        Time of the last check, on the clock that nobody sets, in s.
    """

    incarnation: str
    token: str
    epoch: int
    checked: float

    @classmethod
    def new(cls, token: str) -> SourceState:
        """Return the state of a source that nothing is known of yet."""
        return cls(secrets.token_hex(16), token, 0, time.monotonic())

    def confirmed(self) -> SourceState:
        """Return this state, checked now."""
        return replace(self, checked=time.monotonic())

    def expired(self) -> SourceState:
        """Return this state in the next epoch, checked now."""
        return replace(self, epoch=self.epoch + 1, checked=time.monotonic())


class SourceStates:
    """States of sources by identity, in memory and, where there is one, in the index of the disk tier.

    Parameters
    ----------
    generations : Generations
        By which processes that share the index see a change at once.
    index : DiskIndex, optional
        Where states outlive the process.

    Attributes
    ----------
    metadata : SourceMetadata
        Metadata of sources, in the same index.
    """

    def __init__(self, generations: Generations, index: DiskIndex | None = None) -> None:
        self._generations, self._index = generations, index
        self.metadata = SourceMetadata(index)
        self._known: dict[str, tuple[int, SourceState]] = {}
        self._lock = Lock()

    def get(self, source: str) -> SourceState | None:
        """Return the state of a source; None if it was never checked."""
        with self._lock:
            generation = self._generations.of(source, "state")
            known = self._known.get(source)
            if known is not None and (known[0] == generation or self._index is None):
                return known[1]
            stored = None if self._index is None else _load(self._index, source)
            if stored is not None:
                self._known[source] = (generation, stored)
            return stored or (known and known[1])

    def peek(self, source: str) -> SourceState | None:
        """Return the state of a source as this process knows it, without waiting; None if another has changed it."""
        known = self._known.get(source)
        if known is None or (self._index is not None and known[0] != self._generations.of(source, "state")):
            return None
        return known[1]

    def put(self, source: str, state: SourceState) -> None:
        """Replace the state of a source, for all processes."""
        with self._lock:
            if self._index is not None:
                with suppress(Error):  # of a disk that is full: the state holds in this process
                    _store(self._index, source, state)
            self._generations.renew_chunks(source, ["state"])
            self._known[source] = (self._generations.of(source, "state"), state)


def _load(index: DiskIndex, source: str) -> SourceState | None:
    query = "SELECT incarnation, token, epoch, checked, checked_wall, boot FROM states WHERE source = ?"
    with suppress(Error):
        row = index.fetch_one(query, (source,))
        if row is not None:
            incarnation, token, epoch, checked, wall, boot = row
            now = time.monotonic()
            since_boot = boot == _boot() and checked <= now
            # after a restart of the machine only the wall clock is left; if that was set back, no time has passed
            age = now - checked if since_boot else max(0.0, time.time() - wall)
            return SourceState(incarnation, token, epoch, now - age)
    return None


def _store(index: DiskIndex, source: str, state: SourceState) -> None:
    wall = time.time() - (time.monotonic() - state.checked)
    row = (source, state.incarnation, state.token, state.epoch, state.checked, wall, _boot())
    with index.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        oldest = "SELECT source FROM states ORDER BY checked_wall DESC LIMIT -1 OFFSET ?"
        if connection.execute(f"DELETE FROM states WHERE source IN ({oldest})", (_MOST_KEPT,)).rowcount:
            connection.execute("DELETE FROM metadata WHERE source NOT IN (SELECT source FROM states)")


def _boot() -> str:
    """Return the id of this start of the machine; empty where it has none."""
    with suppress(OSError):
        return _BOOT_FILE.read_text().strip()
    return ""
