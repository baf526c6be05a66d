"""The database of a proofreading store: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, StoreError, UnsupportedFormat
from voxome.extras import require
from voxome.redaction import redact
from voxome.services.proofreading.tables import METADATA, STORE
from voxome.storage.atomic import storing

_WAIT_S = 60
"""Seconds to wait for another writer."""
_LOCK = 0x766F786F6D65
"""Number of PostgreSQL's lock for the creation of tables."""
_LAST = f"SELECT last_operation FROM {STORE.name}"
_READ = "cannot read the proofreading store {name}: {reason}; check that this is its address, and its permissions"
_WRITE = (
    "cannot write the proofreading store {name}: {reason}; nothing has changed: check the permissions and the free "
    "space, and repeat the edit"
)
_FLUSH = (
    "the proofreading store {name} has the change, which all see, but could not flush it to the disk: {reason}; it "
    "may be lost if the machine stops: check the disk, and do not repeat it before a look at the history"
)
_CREATE = "cannot make the proofreading store {name}: {reason}; check the address, the permissions and the free space"
_KNOWN = "FILE, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


class Database:
    """Connections of this process to a store. Every write is one transaction, and all writes have one order.

    Parameters
    ----------
    url : sqlalchemy.URL
        Address of the database, as `parse_store` returns it.

    Raises
    ------
    StoreError
        If it cannot be opened, read or written; every method raises it.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.is_file = url.get_backend_name() == "sqlite"
        self.name = redact(str(url.database) if self.is_file else url.render_as_string(hide_password=True))
        self._process, self._engine = 0, self._connect()

    @property
    def address(self) -> str:
        """What `parse_store` reads, with the password."""
        return str(self.url.database) if self.is_file else self.url.render_as_string(hide_password=False)

    @property
    def exists(self) -> bool:
        """Whether the tables exist; a file is not created."""
        if self.is_file and Path(str(self.url.database)).is_dir():
            raise StoreError(
                f"{self.name} is a folder, so it is not a proofreading store; expected a file, such as edits.sqlite"
            )
        if self.is_file and not Path(str(self.url.database)).is_file():
            return False
        with self.reading() as connection:
            return sa.inspect(connection).has_table(STORE.name)

    @property
    def is_read_only(self) -> bool:
        """Whether it is a file that this process may not edit."""
        return self.is_file and not _is_writable(Path(str(self.url.database)))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Connect to one state of the database, which others do not change."""
        options: dict[str, Any] = {} if self.is_file else {"isolation_level": "REPEATABLE READ"}
        with self._mapped_errors(), self.engine.connect() as connection:
            yield connection.execution_options(**options)

    def last_operation(self) -> int:
        """Return the number of the last operation on any branch; the fastest query there is."""
        with self._mapped_errors():
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(_LAST)
                (number,) = cursor.fetchone() or (0,)
                return int(number)
            finally:
                connection.close()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Connect as the only writer; what is written is there as a whole when the block ends, else not at all."""
        with self._transaction() as connection:
            if not self.is_file:
                connection.execute(sa.select(STORE.c.id).with_for_update())
            yield connection
        self._flush()

    def require_creatable(self) -> None:
        """Raise if it is a file that this process cannot make, before what it is to contain is computed.

        Raises
        ------
        StoreError
            Also if its folder does not exist, as in a mistyped address: a new store there would have no history.
        """
        if not self.is_file:
            return
        file = Path(str(self.url.database))
        if not file.parent.exists():
            raise StoreError(
                f"cannot write the proofreading store {self.name}: there is no folder {file.parent}; make it, or check "
                "the address"
            )
        with storing(file):
            if file.exists():
                os.close(os.open(file, os.O_RDWR))
            else:
                tempfile.TemporaryFile(dir=file.parent).close()

    def create(self, fill: Callable[[sa.Connection], None]) -> bool:
        """Create the tables and let `fill` write into them, in one transaction; False if another process was faster."""
        if self.is_file:
            file = Path(str(self.url.database))
            with self._mapped_errors(_CREATE), closing(sqlite3.connect(file, timeout=_WAIT_S)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        with self._transaction(_CREATE) as connection:
            if not self.is_file:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            is_new = not sa.inspect(connection).has_table(STORE.name)
            if is_new:
                METADATA.create_all(connection)
                fill(connection)
        return is_new

    def now_s(self, connection: sa.Connection) -> float:
        """Return the time, in seconds since 1970, of the clock that all editors share.

        It is that of the call: a transaction may have waited for other writers since its start.
        """
        if self.is_file:
            return time.time()
        return float(connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one().timestamp())

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._engine.dispose()

    @property
    def engine(self) -> sa.Engine:
        """Engine of this process; one that was copied by a fork is never used."""
        if self._process != os.getpid():
            self._engine.dispose(close=False)
            self._engine = self._connect()
        return self._engine

    def _flush(self) -> None:
        """Write the last transactions of a file to the disk; other editors need not wait meanwhile."""
        if not self.is_file:
            return
        try:
            with suppress(FileNotFoundError), open(f"{self.url.database}-wal", "r+b", buffering=0) as file:  # noqa: PTH123
                os.fsync(file)
        except OSError as error:
            raise StoreError(_FLUSH.format(name=self.name, reason=error.strerror or error)) from error

    def _connect(self) -> sa.Engine:
        self._process = os.getpid()
        options: dict[str, Any] = {"connect_args": {"timeout": _WAIT_S}}
        if self.is_read_only:
            options = {"creator": partial(open_read_only, Path(str(self.url.database))), "poolclass": sa.NullPool}
        engine = sa.create_engine(self.url, **options)
        weakref.finalize(self, _dispose, engine, self._process)
        if self.is_file:
            sa.event.listen(engine, "connect", _tune_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def _transaction(self, purpose: str = _WRITE) -> Iterator[sa.Connection]:
        with self._mapped_errors(purpose), self.engine.connect() as connection:
            writer = connection.execution_options(writes=True)
            with writer.begin():
                yield writer

    @contextmanager
    def _mapped_errors(self, purpose: str = _READ) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, self._engine.dialect.loaded_dbapi.Error) as error:
            reason = getattr(error, "orig", error)
            raise StoreError(purpose.format(name=self.name, reason=reason)) from error


def parse_store(store: str | os.PathLike[str]) -> sa.URL:
    """Return the address of the database of a store.

    Parameters
    ----------
    store : str or path
        ``FILE``, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/DATABASE``.

    Raises
    ------
    InvalidUri
        If it has another form.
    UnsupportedFormat
        If it is another kind of database.
    MissingExtra
        If the driver of PostgreSQL is not installed.
    """
    text = os.fspath(store)
    if "://" not in text:
        return sa.URL.create("sqlite", database=str(Uri("", text).local_path))
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError) as error:
        raise InvalidUri(f"cannot read the address of the store {redact(text)}; expected {_KNOWN}") from error
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InvalidUri(f"{text} names no file, so that no other process could open it; write sqlite:///FILE")
        return url.set(database=str(Uri("", url.database).local_path))
    if backend not in ("postgresql", "postgres"):
        raise UnsupportedFormat(f"{redact(text)} is a database of {backend}; expected {_KNOWN}")
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+pg8000")
    if url.drivername == "postgresql+pg8000":
        require("postgresql", "pg8000")
    return url


def open_read_only(file: Path) -> sqlite3.Connection:
    """Open a file of SQLite for reading, also where nothing can be written, neither the file nor beside it.

    There, the log of a file that somebody edits is read; of one that nobody edits there is no log, and it could not be
    made. Such a connection is used for one query, as an editor may come.
    """
    has_log = Path(f"{file}-wal").exists() or os.access(file.parent, os.W_OK)
    uri = f"{file.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_S, check_same_thread=False)


def _is_writable(file: Path) -> bool:
    """Whether this process may edit a file, or make it."""
    return not file.exists() or (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))


def _dispose(engine: sa.Engine, process: int) -> None:
    """Close the connections of an engine, unless they are those of another process."""
    engine.dispose(close=process == os.getpid())


def _tune_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's events begin transactions
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")  # `Database.writing` flushes
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
