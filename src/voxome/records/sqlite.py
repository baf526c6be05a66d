"""Records in a SQLite file, by Python's own module: SQLAlchemy takes longer to import than a small run takes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock

from voxome.contracts.formats import LEDGER
from voxome.contracts.records import Event
from voxome.errors import StoreError, UnknownName, UnsupportedFormat
from voxome.redaction import redact

COLUMNS = {
    "events": ("id", "time_s", "kind", "step", "details"),
    "jobs": ("step_key", "phase", "job", "seconds", "peak_bytes"),
}
_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER NOT NULL, time_s FLOAT NOT NULL, kind VARCHAR(32) NOT NULL, step VARCHAR(200) NOT NULL,
    details JSON NOT NULL, PRIMARY KEY (id));
CREATE TABLE IF NOT EXISTS jobs (
    step_key VARCHAR(32) NOT NULL, phase INTEGER NOT NULL, job INTEGER NOT NULL, seconds FLOAT NOT NULL,
    peak_bytes BIGINT NOT NULL, PRIMARY KEY (step_key, phase, job));
"""
_FORMATS = "voxome_formats"
_TIMEOUT_S = 30.0
"""Time to wait for another process that writes."""


class SqliteRecords:
    """Events and finished jobs in a file; one process writes. `SqlRecords` reads the same file.

    Parameters
    ----------
    path : path
        The file, which is created.
    shared : bool
        Whether several runs may use it.

    Raises
    ------
    StoreError
        If the file cannot be opened, read or written; every method raises it.
    UnsupportedFormat
        If it was written by another version.
    """

    def __init__(self, path: Path, *, shared: bool = True) -> None:
        self.shared = shared
        self._path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as connection:
            if not _tables(connection) >= {_FORMATS, *COLUMNS}:
                with self._writing():  # another process may create them at this moment
                    self._create(connection)
            found = connection.execute(f"SELECT version FROM {_FORMATS} WHERE name = ?", (LEDGER.name,)).fetchone()
        try:
            LEDGER.check_version(None if found is None else found[0], redact(str(path)))
        except UnsupportedFormat:
            self.close()
            raise

    @staticmethod
    def _create(connection: sqlite3.Connection) -> None:
        """Create the tables that are missing; a file that has none of ours is new, and gets the version."""
        is_new = not _tables(connection) & set(COLUMNS)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_FORMATS} "
            "(name VARCHAR(64) NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name))"
        )
        for statement in _TABLES.strip().split(";")[:-1]:
            connection.execute(statement)
        if is_new:
            connection.execute(f"INSERT OR IGNORE INTO {_FORMATS} VALUES (?, ?)", (LEDGER.name, LEDGER.version))

    def append(self, events: Sequence[Event]) -> None:
        """Append events in order."""
        rows = [(e.time_s, e.kind, e.step, json.dumps(dict(e.details))) for e in events]
        if rows:
            with self._writing() as connection:
                connection.executemany("INSERT INTO events (time_s, kind, step, details) VALUES (?, ?, ?, ?)", rows)

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Record that a job is done; a job recorded again replaces the first record."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO jobs (step_key, phase, job, seconds, peak_bytes) VALUES (?, ?, ?, ?, ?)",
                (step_key, phase, job, seconds, peak_bytes),
            )

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """Return the finished jobs of a phase."""
        query = "SELECT job FROM jobs WHERE step_key = ? AND phase = ?"
        with self._opened() as connection:
            return {job for (job,) in connection.execute(query, (step_key, phase))}

    def forget(self, step_key: str) -> None:
        """Delete the jobs of a step."""
        with self._writing() as connection:
            connection.execute("DELETE FROM jobs WHERE step_key = ?", (step_key,))

    def usage(self, step_key: str) -> tuple[float, int]:
        """Return the seconds of all jobs of a step and the largest peak memory of one, in bytes."""
        query = "SELECT sum(seconds), max(peak_bytes) FROM jobs WHERE step_key = ?"
        with self._opened() as connection:
            seconds, peak = connection.execute(query, (step_key,)).fetchone()
        return float(seconds or 0.0), int(peak or 0)

    def query(self, table: str, where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Return the rows of `table` (``events`` or ``jobs``) whose columns equal `where`."""
        if table not in COLUMNS:
            raise UnknownName.of("table of records", table, COLUMNS)
        columns = COLUMNS[table]
        for name in where:
            if name not in columns:
                raise UnknownName.of(f"column of {table}", name, columns)
        conditions = " AND ".join(f"{name} IS ?" for name in where) or "1"
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE {conditions}"
        with self._mapped_errors(), closing(self._connect()) as connection:  # its rows do not change meanwhile
            for row in connection.execute(query, tuple(where.values())):
                values = dict(zip(columns, row, strict=True))
                yield {**values, "details": json.loads(str(values["details"]))} if table == "events" else values

    def close(self) -> None:
        """Close the file; closing again has no effect."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Give the connection of this process to one thread."""
        with self._lock, self._mapped_errors():
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection within a transaction."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"Cannot read or write the records in {redact(str(self._path))}: {error}; free space if the disk is "
                "full, else remove that file, and rerun: without it, finished blocks are computed again"
            ) from error


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def open_sqlite(folder: Path, name: str) -> SqliteRecords:
    """Return the records in the file ``<name>.sqlite`` of `folder`."""
    return SqliteRecords(folder / f"{name}.sqlite", shared=False)
