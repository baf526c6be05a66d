"""Format version of a SQL database, stored in a separate table."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import sqlalchemy as sa

from voxome.contracts.formats import Format

_MOST_TRIES = 8
"""Processes that open a new database at the same time, of which only one can record the version."""

_FORMATS = sa.Table(
    "voxome_formats",
    sa.MetaData(),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


def check_format(engine: sa.Engine, expected: Format, tables: Collection[str], where: str) -> None:
    """Check the version of the data in a database, or record it in a new one.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database.
    expected : Format
        Format of the data.
    tables : collection of str
        Tables of the format; a database that has none of them is new.
    where : str
        The database, for the message.

    Raises
    ------
    UnsupportedFormat
        If the data are of another version, or of none.
    """
    for _ in range(_MOST_TRIES):
        with suppress(sa.exc.IntegrityError, sa.exc.OperationalError, sa.exc.ProgrammingError):
            expected.check_version(_read_or_record(engine, expected, tables), where)
            return
    expected.check_version(_read_or_record(engine, expected, tables), where)


def _read_or_record(engine: sa.Engine, expected: Format, tables: Collection[str]) -> int | None:
    """Return the version in a database; that of `expected` is recorded in a new one, unless another process does so."""
    existing = sa.inspect(engine).get_table_names()
    version: int | None = None
    with engine.begin() as connection:
        if _FORMATS.name in existing:
            query = sa.select(_FORMATS.c.version).where(_FORMATS.c.name == expected.name)
            version = connection.execute(query).scalar()
        if version is None and not set(tables) & set(existing):
            _FORMATS.create(connection, checkfirst=True)
            connection.execute(_FORMATS.insert(), {"name": expected.name, "version": expected.version})
            version = expected.version
    return version
