"""SQLite files that the processes of a relay share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Literal

_WAIT_S = 10.0


class Database:
    """An SQLite file, whose methods may be called from several threads, and which several processes share.

    Parameters
    ----------
    file : Path
        The file, created if it does not exist.
    tables : str
        Statements that create its tables.
    version : int
        Version of the tables.
    synchronous : {"NORMAL", "FULL"}
        Whether what is committed survives a failure of power.

    Raises
    ------
    sqlite3.Error
        By every method, if the database cannot be read or written.
    """

    def __init__(self, file: Path, tables: str, version: int, synchronous: Literal["NORMAL", "FULL"]) -> None:
        self._connection = sqlite3.connect(file, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        self._lock = RLock()
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            with self.transaction() as connection:
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found not in (0, version):
                    raise sqlite3.DatabaseError(f"version {found} of the index is not {version}")
                if found == 0:
                    for statement in _statements(tables):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {version}")
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction that no other process or thread writes beside."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def fetch(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(query, parameters).fetchall()

    def fetch_one(self, query: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query."""
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(query, parameters).fetchone()
            return row

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; those of triggers contain a semicolon."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
