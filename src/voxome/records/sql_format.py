"""Format version of a SQL database, stored in a separate table."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from voxome.contracts.formats import Format

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
    existing = sa.inspect(engine).get_table_names()
    version = None
    with engine.begin() as connection:
        if _FORMATS.name in existing:
            query = sa.select(_FORMATS.c.version).where(_FORMATS.c.name == expected.name)
            version = connection.execute(query).scalar()
        if version is None and not set(tables) & set(existing):
            _FORMATS.create(connection, checkfirst=True)
            connection.execute(_FORMATS.insert(), {"name": expected.name, "version": expected.version})
            version = expected.version
    expected.check_version(version, where)
