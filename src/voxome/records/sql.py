"""Records in a SQL database of any kind, such as PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from voxome.contracts.formats import LEDGER
from voxome.contracts.records import Event
from voxome.errors import StoreError, UnknownName
from voxome.records.sql_format import check_format
from voxome.redaction import redact

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "events",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time_s", sa.Float, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("step", sa.String(200), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
)
_JOBS = sa.Table(
    "jobs",
    _METADATA,
    sa.Column("step_key", sa.String(32), primary_key=True),
    sa.Column("phase", sa.Integer, primary_key=True),
    sa.Column("job", sa.Integer, primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("peak_bytes", sa.BigInteger, nullable=False),
)

_INSERT_JOB = _JOBS.insert()
_UPDATE_JOB = (
    _JOBS.update()
    .where(*(_JOBS.c[name] == sa.bindparam(f"this_{name}") for name in ("step_key", "phase", "job")))
    .values({name: sa.bindparam(f"this_{name}") for name in ("seconds", "peak_bytes")})
)


class SqlRecords:
    """Events and finished jobs; one process writes.

    Parameters
    ----------
    url : str or sqlalchemy.URL
        Database URL, as SQLAlchemy takes it.
    shared : bool
        Whether several runs may use it.

    Raises
    ------
    StoreError
        If the database cannot be opened, read or written; every method raises it.
    UnsupportedFormat
        If it was written by another version.
    """

    def __init__(self, url: str | sa.URL, *, shared: bool = True) -> None:
        self.shared = shared
        parsed = sa.make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database
        self._name = redact(str(parsed.database) if is_file else str(url))
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
        with ExitStack() as opening:
            opening.callback(self._engine.dispose)
            with self._mapped_errors():
                check_format(self._engine, LEDGER, _METADATA.tables, self._name)
                with self._engine.begin() as connection:
                    for table in _METADATA.sorted_tables:  # which another process may create at this moment
                        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            opening.pop_all()

    @classmethod
    def in_file(cls, path: Path, *, shared: bool = True) -> SqlRecords:
        """Return the records in the SQLite file `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(sa.URL.create("sqlite", database=str(path)), shared=shared)

    def append(self, events: Sequence[Event]) -> None:
        """Append events in order."""
        rows = [{"time_s": e.time_s, "kind": e.kind, "step": e.step, "details": dict(e.details)} for e in events]
        if rows:
            with self._writing() as connection:
                connection.execute(_EVENTS.insert(), rows)

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Record that a job is done; a job recorded again replaces the first record."""
        row = {"step_key": step_key, "phase": phase, "job": job, "seconds": seconds, "peak_bytes": peak_bytes}
        with self._mapped_errors():
            try:
                with self._engine.begin() as connection:
                    connection.execute(_INSERT_JOB, row)
            except IntegrityError:
                with self._engine.begin() as connection:
                    connection.execute(_UPDATE_JOB, {f"this_{name}": value for name, value in row.items()})

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """Return the finished jobs of a phase."""
        query = sa.select(_JOBS.c.job).where(_JOBS.c.step_key == step_key, _JOBS.c.phase == phase)
        with self._reading() as connection:
            return set(connection.execute(query).scalars())

    def forget(self, step_key: str) -> None:
        """Delete the jobs of a step."""
        with self._writing() as connection:
            connection.execute(_JOBS.delete().where(_JOBS.c.step_key == step_key))

    def usage(self, step_key: str) -> tuple[float, int]:
        """Return the seconds of all jobs of a step and the largest peak memory of one, in bytes."""
        query = sa.select(sa.func.sum(_JOBS.c.seconds), sa.func.max(_JOBS.c.peak_bytes))
        with self._reading() as connection:
            seconds, peak = connection.execute(query.where(_JOBS.c.step_key == step_key)).one()
        return float(seconds or 0.0), int(peak or 0)

    def query(self, table: str, where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Return the rows of `table` (``events`` or ``jobs``) whose columns equal `where`."""
        if table not in _METADATA.tables:
            raise UnknownName.of("table of records", table, _METADATA.tables)
        columns = _METADATA.tables[table].c
        for name in where:
            if name not in columns:
                raise UnknownName.of(f"column of {table}", name, columns.keys())
        query = sa.select(_METADATA.tables[table]).where(*(columns[name] == value for name, value in where.items()))
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                yield dict(row)

    def close(self) -> None:
        """Close the database; closing again has no effect."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._mapped_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._mapped_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(
                f"Cannot read or write the records in {self._name}: {error.orig}; free space if the disk is full, else "
                "remove that file, and rerun: without it, finished blocks are computed again"
            ) from error


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
