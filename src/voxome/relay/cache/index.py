"""The index of the disk tier: which files there are, and the budget, for all processes of a relay."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, cast

_VERSION = 1
_WAIT_S = 10.0
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


class DiskIndex:
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
        self._connection = sqlite3.connect(file, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        self._lock = RLock()
        self._uses: dict[bytes, float] = {}
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"version {version} of the index is not {_VERSION}")
            if version == 0:
                for statement in _statements(_TABLES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction that no other process or thread writes beside."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @property
    def nbytes(self) -> int:
        """Bytes of all files, unfinished ones among them."""
        with self._lock:
            return self._total(self._connection)

    def fetch_one(self, query: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a query."""
        with self._lock:
            return cast("tuple[Any, ...] | None", self._connection.execute(query, parameters).fetchone())

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
            self._connection.close()

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


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; those of triggers contain a semicolon."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
