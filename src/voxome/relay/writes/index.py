"""The index of the journal: which writes there are, in order, and the budget, for all processes of a relay."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voxome.geometry import Box
from voxome.relay.cache.database import Database
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.shares import Shares

_VERSION = 3
_HIGHEST = 2**63 - 1
_AXES = 3
"""The last axes by which writes to a box are found; others are compared one by one."""
_VOLUMES = 2**24
"""Numbers of volumes that single precision tells apart; those that share one are compared one by one, too."""
_TABLES = """
CREATE TABLE reserved (
    number INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, process INTEGER NOT NULL, source TEXT NOT NULL
);
CREATE TABLE writes (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL, level INTEGER NOT NULL, bytes INTEGER NOT NULL,
    entry TEXT NOT NULL, problem TEXT NOT NULL DEFAULT '', refused INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX writes_of_source ON writes (source);
CREATE INDEX retries_of_source ON writes (source, retries);
CREATE VIRTUAL TABLE boxes USING rtree(number, volume, same_volume, low0, high0, low1, high1, low2, high2);
CREATE TABLE totals (
    source TEXT PRIMARY KEY, bytes INTEGER NOT NULL DEFAULT 0, writes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TRIGGER reservation_added AFTER INSERT ON reserved BEGIN
    INSERT OR IGNORE INTO totals (source) VALUES (NEW.source);
    UPDATE totals SET bytes = bytes + NEW.bytes WHERE source = NEW.source;
END;
CREATE TRIGGER reservation_removed AFTER DELETE ON reserved BEGIN
    UPDATE totals SET bytes = bytes - OLD.bytes WHERE source = OLD.source;
    DELETE FROM totals WHERE source = OLD.source AND bytes = 0;
END;
CREATE TRIGGER write_added AFTER INSERT ON writes BEGIN
    INSERT OR IGNORE INTO totals (source) VALUES (NEW.source);
    UPDATE totals SET bytes = bytes + NEW.bytes, writes = writes + 1 WHERE source = NEW.source;
END;
CREATE TRIGGER write_removed AFTER DELETE ON writes BEGIN
    DELETE FROM boxes WHERE number = OLD.number;
    UPDATE totals SET bytes = bytes - OLD.bytes, writes = writes - 1 WHERE source = OLD.source;
    DELETE FROM totals WHERE source = OLD.source AND bytes = 0 AND writes = 0;
END;
"""


@dataclass(frozen=True)
class QueuedWrite:
    """A write in the journal, and what became of its replay so far.

    Attributes
    ----------
    entry : WriteEntry
        The write.
    problem : str
        Why it could not be replayed, for operators; empty if that was not tried.
    refused : bool
        Whether the store has refused it, so that repeating it alone will not help.
    retries : int
        Number of times that an operator wanted it to be repeated.
    """

    entry: WriteEntry
    problem: str
    refused: bool
    retries: int


@dataclass(frozen=True)
class Backlog:
    """The writes of one source that its store does not have yet.

    Attributes
    ----------
    source : str
        Identity of the source.
    count, nbytes : int
        Number of writes, and bytes of their files.
    failing, refused : int
        Number of those that the store could not take, and of those that it has refused.
    oldest : WriteEntry
        The first of them.
    """

    source: str
    count: int
    nbytes: int
    failing: int
    refused: int
    oldest: WriteEntry


class WriteIndex(Database):
    """An SQLite database with one row for each write; what is committed survives a failure of power.

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
        super().__init__(file, _TABLES, _VERSION, "FULL")
        self._changes = 0
        self._sources: tuple[tuple[int, int], frozenset[str]] | None = None

    def reserve(
        self, nbytes: int, process: int, budget: int, source: str = "", shares: Shares | None = None
    ) -> int | None:
        """Return the number of a new write for which bytes are reserved; None if they do not fit into the budget.

        Parameters
        ----------
        nbytes : int
            Bytes of its file.
        process : int
            Process that writes it.
        budget : int
            Bytes of all files.
        source : str
            Identity of its source.
        shares : Shares, optional
            What other sources leave to this one.
        """
        with self.transaction() as connection:
            used: dict[str, int] = dict(connection.execute("SELECT source, bytes FROM totals").fetchall())
            if sum(used.values()) + nbytes > budget or (shares and not shares.leave(used, source, nbytes, budget)):
                return None
            row = (nbytes, process, source)
            cursor = connection.execute("INSERT INTO reserved (bytes, process, source) VALUES (?, ?, ?)", row)
            return cursor.lastrowid

    def release(self, number: int) -> None:
        """Free the bytes of a write that will not be confirmed."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM reserved WHERE number = ?", (number,))

    def add(self, entry: WriteEntry, nbytes: int) -> None:
        """Enter a write whose file of `nbytes` is on the disk."""
        row = (entry.number, entry.source, entry.level, nbytes, entry.to_json())
        volume = _volume(entry.source, entry.level)
        bounds = [bound for pair in _ranges(entry.box) for bound in pair]
        bounds += [0.0] * (2 * _AXES - len(bounds))
        placed = (entry.number, volume, volume, *bounds)
        with self.transaction() as connection:
            connection.execute("DELETE FROM reserved WHERE number = ?", (entry.number,))
            connection.execute("INSERT INTO writes (number, source, level, bytes, entry) VALUES (?, ?, ?, ?, ?)", row)
            connection.execute(f"INSERT INTO boxes VALUES ({', '.join('?' * len(placed))})", placed)
            # numbers go on after the highest, also in an index that was lost
            connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'reserved'", (entry.number,))
            connection.execute(
                "INSERT INTO sqlite_sequence SELECT 'reserved', ? "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'reserved')", (entry.number,),
            )  # fmt: skip
            self._changes += 1

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove writes."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM writes WHERE number = ?", [(number,) for number in numbers])
            self._changes += 1

    def note(self, number: int, problem: str, *, refused: bool) -> None:
        """Record why a write could not be replayed."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE writes SET problem = ?, refused = ? WHERE number = ?", (problem, refused, number)
            )

    def retry(self) -> int:
        """Let all writes that could not be replayed be repeated now; return their number."""
        with self.transaction() as connection:
            return connection.execute("UPDATE writes SET retries = retries + 1 WHERE problem != ''").rowcount

    def retries(self, source: str) -> int:
        """Return how often an operator wanted writes of a source to be repeated."""
        row = self.fetch_one("SELECT max(retries) FROM writes WHERE source = ?", (source,))
        return 0 if row is None else row[0] or 0

    def sources(self) -> frozenset[str]:
        """Return the identities of all sources that have writes, of any process."""
        with self._lock:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            state = (version, self._changes)
            if self._sources is None or self._sources[0] != state:
                found = frozenset(row[0] for row in self.fetch("SELECT source FROM totals WHERE writes > 0"))
                self._sources = (state, found)
            return self._sources[1]

    def overlapping(self, source: str, level: int, box: Box) -> list[QueuedWrite]:
        """Return the writes to voxels of `box`, in order."""
        return [one for one in map(_queued, self._find(source, level, box)) if _overlap(one.entry.box, box)]

    def is_behind(self, entry: WriteEntry, number: int) -> bool:
        """Return whether there are writes before `number` to voxels of an entry."""
        found = self._find(entry.source, entry.level, entry.box, number - 1)
        return any(_overlap(_queued(row).entry.box, entry.box) for row in found)

    def _find(self, source: str, level: int, box: Box, last: int = _HIGHEST) -> list[_Row]:
        """Return the writes that may be to voxels of `box`, up to a number, in order."""
        volume = _volume(source, level)
        conditions = "volume >= ? AND volume <= ?"
        bounds: list[float] = [volume, volume]
        for axis, (low, high) in enumerate(_ranges(box)):
            conditions += f" AND low{axis} < ? AND high{axis} > ?"
            bounds += [high, low]
        return self.fetch(
            f"{_SELECT} WHERE number IN (SELECT number FROM boxes WHERE {conditions}) "
            "AND +source = ? AND level = ? AND +number <= ? ORDER BY number",  # with +, by no other index
            (*bounds, source, level, last),
        )  # fmt: skip

    def last(self) -> int:
        """Return the number of the last write; 0 if there is none."""
        row = self.fetch_one("SELECT max(number) FROM writes")
        return 0 if row is None else row[0] or 0

    def queue(
        self, source: str | None = None, after: int = 0, last: int = _HIGHEST, limit: int = -1
    ) -> list[QueuedWrite]:
        """Return the first writes of a source, or of all if None, of those after a number up to another, in order."""
        of_source, parameters = ("", ()) if source is None else ("AND source = ? ", (source,))
        query = f"{_SELECT} WHERE number > ? AND number <= ? {of_source}ORDER BY number LIMIT {limit}"
        return [_queued(row) for row in self.fetch(query, (after, last, *parameters))]

    def backlogs(self) -> list[Backlog]:
        """Return what there is of each source."""
        query = (  # with min(), SQLite takes other columns from the row that has the least
            "SELECT source, count(*), sum(bytes), sum(problem != ''), sum(refused), entry, min(number) "
            "FROM writes GROUP BY source"
        )
        return [
            Backlog(source, count, nbytes, failing - refused, refused, WriteEntry.from_json(oldest))
            for source, count, nbytes, failing, refused, oldest, _ in self.fetch(query)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes of all files, those of writes under way among them."""
        row = self.fetch_one("SELECT ifnull(sum(bytes), 0) FROM totals")
        return 0 if row is None else int(row[0])

    def numbers(self) -> set[int]:
        """Return the numbers of all writes."""
        return {row[0] for row in self.fetch("SELECT number FROM writes")}

    def take_reserved(self, process: int | None = None) -> list[int]:
        """Free what a process with this number, or all if None, has reserved; return the numbers of the writes."""
        condition, parameters = ("", ()) if process is None else (" WHERE process = ?", (process,))
        with self.transaction() as connection:
            rows = connection.execute(f"SELECT number FROM reserved{condition}", parameters).fetchall()
            connection.execute(f"DELETE FROM reserved{condition}", parameters)
        return [row[0] for row in rows]


_SELECT = "SELECT entry, problem, refused, retries FROM writes"
_Row = tuple[str, str, int, int]


def _volume(source: str, level: int) -> int:
    """Return the number of a level, which others may have too."""
    return zlib.crc32(f"{source} {level}".encode()) % _VOLUMES


def _ranges(box: Box) -> Iterator[tuple[float, float]]:
    """Yield the ranges of a box along the axes by which it is found, or somewhat larger ones."""
    for low, high in zip(box.start[-_AXES:], box.stop[-_AXES:], strict=True):
        yield math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


def _overlap(one: Box, other: Box) -> bool:
    return one.ndim == other.ndim and not (one & other).empty


def _queued(row: _Row) -> QueuedWrite:
    return QueuedWrite(WriteEntry.from_json(row[0]), row[1], bool(row[2]), row[3])
