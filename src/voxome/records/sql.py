"""Records in a SQL database: SQLite by default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from voxome.contracts.records import Event
from voxome.errors import UnknownName

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


class SqlRecords:
    """Events and finished jobs; one process writes.

    Parameters
    ----------
    url : str
        As SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
        _METADATA.create_all(self._engine)

    @classmethod
    def in_file(cls, path: Path) -> SqlRecords:
        """Records in the SQLite file `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}")

    def append(self, events: Sequence[Event]) -> None:
        """Keep events, in order."""
        rows = [{"time_s": e.time_s, "kind": e.kind, "step": e.step, "details": dict(e.details)} for e in events]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(_EVENTS.insert(), rows)

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Keep that a job is done: what it wrote is on disk."""
        row = {"step_key": step_key, "phase": phase, "job": job, "seconds": seconds, "peak_bytes": peak_bytes}
        with self._engine.begin() as connection:
            connection.execute(_JOBS.insert(), [row])

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """The jobs of a phase that are done."""
        asked = sa.select(_JOBS.c.job).where(_JOBS.c.step_key == step_key, _JOBS.c.phase == phase)
        with self._engine.connect() as connection:
            return set(connection.execute(asked).scalars())

    def forget(self, step_key: str) -> None:
        """Take all jobs of a step for not done."""
        with self._engine.begin() as connection:
            connection.execute(_JOBS.delete().where(_JOBS.c.step_key == step_key))

    def usage(self, step_key: str) -> tuple[float, int]:
        """Seconds of all jobs of a step, and the largest peak memory of one, in bytes."""
        asked = sa.select(sa.func.sum(_JOBS.c.seconds), sa.func.max(_JOBS.c.peak_bytes))
        with self._engine.connect() as connection:
            seconds, peak = connection.execute(asked.where(_JOBS.c.step_key == step_key)).one()
        return float(seconds or 0.0), int(peak or 0)

    def query(self, table: str, where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Rows of `table` (events or jobs) whose columns equal `where`."""
        if table not in _METADATA.tables:
            raise UnknownName.of("record table", table, _METADATA.tables)
        asked = _METADATA.tables[table]
        conditions = [asked.c[name] == value for name, value in where.items()]
        with self._engine.connect() as connection:
            for row in connection.execute(sa.select(asked).where(*conditions)).mappings():
                yield dict(row)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()


def open_sqlite(folder: Path, name: str) -> SqlRecords:
    """Return the records in the file ``<name>.sqlite`` of `folder`."""
    return SqlRecords.in_file(folder / f"{name}.sqlite")


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
