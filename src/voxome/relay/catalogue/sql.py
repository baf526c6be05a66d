"""A catalogue in a SQL database: one table for each type of record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from threading import RLock
from typing import Any, get_type_hints

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from voxome.contracts.formats import CATALOGUE
from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError
from voxome.records.sql_format import check_format
from voxome.redaction import redact
from voxome.relay.catalogue.contract import R, Record
from voxome.relay.source_errors import CatalogueUnavailable
from voxome.services.proofreading.database import parse_store

_TYPES: dict[Any, TypeEngine[Any]] = {
    str: sa.Text(),
    int: sa.BigInteger(),
    float: sa.Float(),
    bool: sa.Boolean(),
    tuple[str, ...]: sa.JSON(),
}


class SqlCatalogue:
    """Records in the tables of a database, which several processes share. A table is created when it is first used.

    Parameters
    ----------
    url : str or sqlalchemy.URL
        Address of the database. One of another version is refused with UnsupportedFormat when
        it is first used.

    Raises
    ------
    CatalogueUnavailable
        By every method, if the database cannot be read or written.
    """

    def __init__(self, url: str | sa.URL) -> None:
        self._engine = sa.create_engine(url, pool_pre_ping=not str(url).startswith("sqlite"))
        self._lock = RLock()
        self._tables: dict[type[Record], sa.Table] = {}
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)

    @classmethod
    def at(cls, address: str) -> SqlCatalogue:
        """Return a catalogue in the SQLite file or the PostgreSQL database `address`.

        Parameters
        ----------
        address : str
            ``FILE``, created if it does not exist, or ``postgresql://USER:PASSWORD@HOST/DATABASE``.

        Raises
        ------
        InvalidInput, InvalidUri, UnsupportedFormat
            If it is the address of something else, or the database cannot be opened.
        MissingExtra
            If the driver of PostgreSQL is not installed.
        """
        catalogue = cls(parse_store(address)) if "://" in address else cls.in_file(Path(address))
        try:
            catalogue._check_format()
        except sa.exc.DBAPIError as error:
            catalogue.close()
            raise InvalidInput(
                f"{catalogue.name} is not a catalogue that can be opened: {_reason(error)}; give the file or the "
                "database that `voxome serve --catalogue` uses"
            ) from error
        return catalogue

    @classmethod
    def in_file(cls, path: Path) -> SqlCatalogue:
        """Return a catalogue in the SQLite file `path`, created, for its owner only, if it does not exist.

        Raises
        ------
        InvalidInput
            If its folder does not exist, or the file cannot be read and written.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # its -wal and -shm have its mode
        except OSError as error:
            raise InvalidInput(
                f"the catalogue {path} cannot be opened: {error.strerror}; give a file in an existing folder that you "
                "may write"
            ) from error
        return cls(sa.URL.create("sqlite", database=str(path)))

    def get(self, record_type: type[R], *key: str) -> R:
        found = self.find(record_type, **dict(zip(record_type.KEY, key, strict=True)))
        if not found:
            raise NotFound(f"{record_type.__name__.lower()} {'/'.join(key)} does not exist")
        return found[0]

    def find(self, record_type: type[R], **equal: str) -> list[R]:
        table = self._table(record_type)
        query = sa.select(table).where(*(table.c[name] == value for name, value in equal.items()))
        with self._trouble(), self._engine.connect() as connection:
            records = [_record(record_type, row) for row in connection.execute(query).mappings()]
        return sorted(records, key=lambda one: one.key)

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        removed = [(one, self._table(type(one))) for one in remove]
        added = [(one, self._table(type(one))) for one in add]
        with self._transaction() as connection:
            _replace(connection, removed, added)

    def change(self, old: R, change: Callable[[R], R]) -> R:
        table = self._table(type(old))
        query = sa.select(table).where(*_has_key(table, old)).with_for_update()
        with self._transaction() as connection:
            row = connection.execute(query).mappings().first()
            if row is None:
                raise NotFound(f"{old} does not exist")
            current = _record(type(old), row)
            new = change(current)
            _replace(connection, [(current, table)], [(new, table)])
        return new

    def close(self) -> None:
        self._engine.dispose()

    @property
    def name(self) -> str:
        """The database, without its password."""
        url = self._engine.url
        return url.database or "" if url.drivername == "sqlite" else url.render_as_string()

    def _check_format(self) -> None:
        check_format(self._engine, CATALOGUE, _table_names(Record), self.name)

    @contextmanager
    def map_errors(self) -> Iterator[None]:
        """Turn `CatalogueUnavailable` into an error that names the database and the reason, for its owner.

        Raises
        ------
        StoreError
        """
        try:
            yield
        except CatalogueUnavailable as error:
            raise StoreError(
                f"the catalogue {self.name} cannot be read or written: {_reason(error.__cause__)}; fix the cause and "
                "rerun"
            ) from error

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Turn errors of the database into one without its address, which callers may see."""
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise CatalogueUnavailable("the catalogue cannot be used; see the log of the server") from error

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that no other process or thread writes beside."""
        with self._lock, self._trouble(), self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def _table(self, record_type: type[Record]) -> sa.Table:
        known = self._tables.get(record_type)
        if known is not None:  # so that who only reads does not wait for those who write
            return known
        with self._lock:
            if record_type not in self._tables:
                table = _table(record_type)
                if not self._tables:
                    with self._trouble():
                        self._check_format()
                with self._transaction() as connection:
                    table.metadata.create_all(connection)
                self._tables[record_type] = table
            return self._tables[record_type]


def _reason(error: object) -> str:
    """Return the first line of what a database says."""
    return redact(str(getattr(error, "orig", error)).strip().partition("\n")[0])


def _replace(
    connection: sa.Connection, removed: list[tuple[Record, sa.Table]], added: list[tuple[Record, sa.Table]]
) -> None:
    for one, table in removed:
        if connection.execute(table.delete().where(*_has_key(table, one))).rowcount == 0:
            raise NotFound(f"{one} does not exist")
    for one, table in added:
        try:
            connection.execute(table.insert(), asdict(one))
        except sa.exc.IntegrityError as error:
            raise AlreadyExists(f"{one} already exists") from error


def _table_names(record_type: type[Record]) -> list[str]:
    subclasses = record_type.__subclasses__()
    return [one.__name__.lower() for one in subclasses] + [name for one in subclasses for name in _table_names(one)]


def _table(record_type: type[Record]) -> sa.Table:
    hints = get_type_hints(record_type)
    columns = [
        sa.Column(one.name, sa.String(255), primary_key=True)
        if one.name in record_type.KEY
        else sa.Column(one.name, _TYPES[hints[one.name]], nullable=False)
        for one in fields(record_type)
    ]
    return sa.Table(record_type.__name__.lower(), sa.MetaData(), *columns)


def _has_key(table: sa.Table, record: Record) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in zip(record.KEY, record.key, strict=True)]


def _record(record_type: type[R], row: Mapping[Any, Any]) -> R:
    return record_type(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()
