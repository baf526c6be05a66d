"""A catalogue in a SQL database: one table a kind of record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from threading import RLock
from typing import Any, get_type_hints

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.catalogue.contract import R
from voxome.relay.catalogue.records import KINDS, Record

_TYPES: dict[Any, TypeEngine[Any]] = {
    str: sa.Text(),
    int: sa.BigInteger(),
    float: sa.Float(),
    bool: sa.Boolean(),
    tuple[str, ...]: sa.JSON(),
}
_METADATA = sa.MetaData()


def _table(kind: type[Record]) -> sa.Table:
    hints = get_type_hints(kind)
    columns = [
        sa.Column(one.name, sa.String(255), primary_key=True)
        if one.name in kind.KEY
        else sa.Column(one.name, _TYPES[hints[one.name]], nullable=False)
        for one in fields(kind)
    ]
    return sa.Table(kind.__name__.lower(), _METADATA, *columns)


_TABLES = {kind: _table(kind) for kind in KINDS}


class SqlCatalogue:
    """Records in the tables of a database; one process writes.

    Parameters
    ----------
    url : str
        As SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        self._lock = RLock()
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
        _METADATA.create_all(self._engine)

    @classmethod
    def in_file(cls, path: Path) -> SqlCatalogue:
        """A catalogue in the SQLite file `path`, made if it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}")

    def get(self, kind: type[R], *key: str) -> R:
        found = self.find(kind, **dict(zip(kind.KEY, key, strict=True)))
        if not found:
            raise NotFound(f"there is no {kind.__name__.lower()} {'/'.join(key)}")
        return found[0]

    def find(self, kind: type[R], **equal: str) -> list[R]:
        table = _TABLES[kind]
        asked = sa.select(table).where(*(table.c[name] == value for name, value in equal.items()))
        with self._engine.connect() as connection:
            return sorted((_record(kind, row) for row in connection.execute(asked).mappings()), key=lambda one: one.key)

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        with self._lock, self._engine.begin() as connection:
            for one in remove:
                if connection.execute(_TABLES[type(one)].delete().where(*_is(one))).rowcount == 0:
                    raise NotFound(f"there is no {type(one).__name__.lower()} {'/'.join(one.key)}")
            for one in add:
                try:
                    connection.execute(_TABLES[type(one)].insert(), asdict(one))
                except sa.exc.IntegrityError as error:
                    name = f"{type(one).__name__.lower()} {'/'.join(one.key)}"
                    raise AlreadyExists(f"the {name} already exists") from error

    def change(self, old: R, change: Callable[[R], R]) -> R:
        with self._lock:
            now = self.get(type(old), *old.key)
            new = change(now)
            self.write(remove=[now], add=[new])
        return new

    def close(self) -> None:
        self._engine.dispose()


def _is(record: Record) -> list[sa.ColumnElement[bool]]:
    table = _TABLES[type(record)]
    return [table.c[name] == value for name, value in zip(record.KEY, record.key, strict=True)]


def _record(kind: type[R], row: Mapping[Any, Any]) -> R:
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
