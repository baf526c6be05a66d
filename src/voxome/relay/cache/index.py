"""The index of the disk tier: which files there are, and the budget, for all processes of a relay."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from voxome.relay.cache.database import Database

_VERSION = 2
_USES = 256
"""Uses of entries that are collected in memory before they are recorded."""
_EVICTED_AT_ONCE = 64
_TABLES = """
CREATE TABLE entries (
    key BLOB PRIMARY KEY, file TEXT NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL,
    generation INTEGER NOT NULL, epoch INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX entries_by_use ON entries (used);
CREATE TABLE unfinished (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL, process INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE states (
    source TEXT PRIMARY KEY, incarnation TEXT NOT NULL, token TEXT NOT NULL, epoch INTEGER NOT NULL,
    checked REAL NOT NULL, checked_wall REAL NOT NULL, boot TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE metadata (
    source TEXT NOT NULL, key TEXT NOT NULL, incarnation TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END;
CREATE TRIGGER file_begun AFTER INSERT ON unfinished BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER file_ended AFTER DELETE ON unfinished BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END;
"""


@dataclass(frozen=True)
class IndexEntry:
    """One file of the disk tier.

    Attributes
    ----------
    file : str
        Its path in the folder of the tier.
    nbytes : int
        Its size.
    checksum : int
        CRC-32 of its content.
    generation : int
        Generation of the chunk before it was fetched.
    epoch : int
        Number of times that its source had expired.
    """

    file: str
    nbytes: int
    checksum: int
    generation: int
    epoch: int


class DiskIndex(Database):
    """An SQLite database with one row for each file, ready at once however many there are.

    Parameters
    ----------
    file : Path
        The database, created if it does not exist.

    Raises
    ------
    sqlite3.Error
        By every method, if the database cannot be read or written.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, _TABLES, _VERSION, "NORMAL")
        self._uses: dict[bytes, float] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all files, unfinished ones among them."""
        with self._lock:
            return self._total(self._connection)

    def get(self, key: bytes) -> IndexEntry | None:
        """Return the entry of `key`, and note its use."""
        query = "SELECT file, bytes, checksum, generation, epoch FROM entries WHERE key = ?"
        with self._lock:
            row = self._connection.execute(query, (key,)).fetchone()
            if row is None:
                return None
            self._uses[key] = time.time()
            if len(self._uses) >= _USES:
                with self.transaction() as connection:
                    self._record_uses(connection)
        return IndexEntry(*row)

    def begin(self, file: str, nbytes: int, process: int, budget: int) -> tuple[bool, list[str]]:
        """Reserve bytes for a file.

        Returns
        -------
        bool
            Whether they fit into the budget.
        list of str
            Files whose entries were removed for it.
        """
        with self.transaction() as connection:
            removed = self._evict(connection, budget - nbytes)
            fits = self._total(connection) <= budget - nbytes
            if fits:
                connection.execute("INSERT INTO unfinished VALUES (?, ?, ?)", (file, nbytes, process))
        return fits, removed

    def finish(self, key: bytes, entry: IndexEntry) -> str | None:
        """Enter a file that is whole; return the one that it replaces."""
        row = (key, entry.file, entry.nbytes, entry.checksum, entry.generation, entry.epoch, time.time())
        with self.transaction() as connection:
            connection.execute("DELETE FROM unfinished WHERE file = ?", (entry.file,))
            old = connection.execute("SELECT file FROM entries WHERE key = ?", (key,)).fetchone()
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return None if old is None else str(old[0])

    def give_up(self, file: str) -> None:
        """Free the bytes of a file that will not be whole."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM unfinished WHERE file = ?", (file,))

    def remove(self, key: bytes, file: str) -> None:
        """Remove the entry of `key`, unless it has another file by now."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM entries WHERE key = ? AND file = ?", (key, file))

    def oldest(self, nbytes: int) -> list[tuple[bytes, str]]:
        """Return the keys and files of the least recently used entries, until they have `nbytes`."""
        found: list[tuple[bytes, str]] = []
        with self._lock:
            for key, file, size in self._connection.execute("SELECT key, file, bytes FROM entries ORDER BY used"):
                if nbytes <= 0:
                    break
                found.append((key, file))
                nbytes -= size
        return found

    def files(self, first: int) -> set[str]:
        """Return the files of all keys with this first byte, and all unfinished ones."""
        low, high = bytes([first]), bytes([first + 1]) if first < 255 else b"\xff" * 64
        query = "SELECT file FROM entries WHERE key >= ? AND key < ? UNION ALL SELECT file FROM unfinished"
        with self._lock:
            return {row[0] for row in self._connection.execute(query, (low, high))}

    def take_unfinished(self, process: int) -> list[str]:
        """Remove the files that a process with this number has not finished, and return them."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT file FROM unfinished WHERE process = ?", (process,)).fetchall()
            connection.execute("DELETE FROM unfinished WHERE process = ?", (process,))
        return [row[0] for row in rows]

    def close(self) -> None:
        """Record what is left in memory, and close the database."""
        with self._lock:
            with self.transaction() as connection:
                self._record_uses(connection)
            super().close()

    def _evict(self, connection: sqlite3.Connection, budget: int) -> list[str]:
        """Remove the least recently used entries until the others fit into `budget`; return their files."""
        removed: list[str] = []
        self._record_uses(connection)
        while budget >= 0 and self._total(connection) > budget:
            query = "SELECT key, file FROM entries ORDER BY used LIMIT ?"
            rows = connection.execute(query, (_EVICTED_AT_ONCE,)).fetchall()
            if not rows:
                break
            connection.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key, _ in rows])
            removed += [file for _, file in rows]
        return removed

    @staticmethod
    def _total(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT bytes FROM total").fetchone()[0])

    def _record_uses(self, connection: sqlite3.Connection) -> None:
        uses, self._uses = self._uses, {}
        connection.executemany("UPDATE entries SET used = ? WHERE key = ?", [(at, key) for key, at in uses.items()])
