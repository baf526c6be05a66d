"""Metadata of sources in the index of the disk tier, from which they are opened while their stores are away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from sqlite3 import Error
from threading import Lock

from voxome.errors import VoxomeError
from voxome.relay.cache.index import DiskIndex


class SourceMetadata:
    """Texts about sources by key, each of one incarnation; none without an index.

    Parameters
    ----------
    index : DiskIndex or None
        Where they outlive the process.
    """

    def __init__(self, index: DiskIndex | None) -> None:
        self._index = index
        self._kept: dict[tuple[str, str], tuple[str, str]] = {}
        self._lock = Lock()
        self._listeners: list[Callable[[str], None]] = []

    def on_opened(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the identity of a source that was opened, to find out more."""
        self._listeners.append(listener)

    def tell(self, source: str) -> None:
        """Call all listeners; none that fails keeps the others from being called."""
        for listener in self._listeners:
            with suppress(VoxomeError, OSError):
                listener(source)

    @property
    def is_kept(self) -> bool:
        """Whether anything is kept."""
        return self._index is not None

    def get(self, source: str, incarnation: str, key: str) -> str | None:
        """Return what is known of an incarnation; None if that is nothing."""
        query = "SELECT value FROM metadata WHERE source = ? AND incarnation = ? AND key = ?"
        with suppress(Error):
            row = None if self._index is None else self._index.fetch_one(query, (source, incarnation, key))
            return None if row is None else str(row[0])
        return None

    def has(self, source: str, incarnation: str, key: str) -> bool:
        """Return whether this process has put something of an incarnation."""
        return self._kept.get((source, key), ("", ""))[0] == incarnation

    def put(self, source: str, incarnation: str, key: str, value: str) -> None:
        """Keep what is known of an incarnation; what was known of others is forgotten."""
        with self._lock:
            if self._index is None or self._kept.get((source, key)) == (incarnation, value):
                return
            with suppress(Error):  # of a disk that is full
                with self._index.transaction() as connection:
                    others = "DELETE FROM metadata WHERE source = ? AND incarnation != ?"
                    connection.execute(others, (source, incarnation))
                    row = (source, key, incarnation, value)
                    connection.execute("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", row)
                self._kept[source, key] = (incarnation, value)
