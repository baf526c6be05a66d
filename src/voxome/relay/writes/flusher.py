"""The flusher: one thread for each source, in one process of a relay, that replays the journal."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Protocol

import numpy as np

from voxome.errors import AccessDenied, InvalidInput, ReadOnly, VoxomeError
from voxome.geometry import Box
from voxome.relay.failures import describe_cause
from voxome.relay.file_locks import claimed_file
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.index import QueuedWrite
from voxome.relay.writes.journal import DamagedWrite, Journal, UnreadableWrite
from voxome.relay.writes.replay import hull

REFUSALS = (ReadOnly, InvalidInput, AccessDenied)
"""Errors by which a store refuses a write, so that repeating it alone will not help."""
_NOT_LOADED = (DamagedWrite, UnreadableWrite)
"""Errors of the journal, after which a store got nothing of a write."""
_LOOK_S = 0.1
"""Time between two looks at the journal, and at the lease of another process."""
LEASE_FILE = "flusher.lock"
"""Name of the lease in the folder of the journal."""
_FIRST_WAIT_S, _LONGEST_WAIT_S, _LONGEST_REFUSED_S = 0.5, 30.0, 300.0
"""Waits between two tries are doubled, from the first to the longest."""
_MOST_FAILURES = 3
"""Failures of a store in a row, other than refusals, after which a source is left alone for a while."""
_PAGE = 256
_RUN_BYTES = 2**26
"""Bytes of the largest box that is written at once for several writes."""
_STOP_S = 15.0
_LOG = logging.getLogger(__name__)


class Replayer(Protocol):
    """Writes what is in the journal into stores."""

    def reach(self, entry: WriteEntry) -> Box:
        """Return all voxels that the store may write again with a write."""

    def write(self, entries: Sequence[WriteEntry]) -> None:
        """Write the voxels of writes to one level, in order."""


@dataclass(frozen=True)
class _Failed:
    """Tries that have failed, and the time until the next."""

    count: int
    until: float
    retries: int = 0


class Flusher:
    """Replays the writes of each source in order.

    One process has the lease, a locked file, which the system frees when it dies; another then continues. A write that
    fails stays in the journal and is repeated, after waits that grow. Until then no write to the same chunks is
    replayed, or to the same voxels, if the store has refused it or got nothing, since the file of the write is
    damaged; others are, so that one bad write holds up no other.
    Replaying a write again does no harm, as long as those after it are still to come.

    Parameters
    ----------
    journal : Journal
        The writes.
    lease : Path
        File that is locked.
    replay : Replayer
        Writes them into their stores.
    """

    def __init__(self, journal: Journal, lease: Path, replay: Replayer) -> None:
        self._journal, self._lease, self._replay = journal, lease, replay
        self._stop = Event()
        self._thread = Thread(target=self._run, name="voxome-relay-flusher", daemon=True)
        self._drains: dict[str, Thread] = {}
        self._resting: dict[str, _Failed] = {}
        self._failed: dict[int, _Failed] = {}
        self._reaches: dict[int, tuple[str, int, Box]] = {}
        self._tried: dict[str, int] = {}
        self._lock = Lock()

    def start(self) -> None:
        """Begin to replay, as soon as no other process does."""
        self._thread.start()

    def close(self) -> None:
        """End the writes to stores that are under way; the others stay in the journal."""
        self._stop.set()
        deadline = time.monotonic() + _STOP_S
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        for drain in list(self._drains.values()):
            drain.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with claimed_file(self._lease) as held:
                    while held and not self._stop.is_set():
                        self._look()
                        self._stop.wait(_LOOK_S)
                    for drain in self._drains.values():  # which end before another process begins
                        drain.join()
            except OSError as error:
                _LOG.warning("the journal of writes cannot be replayed: %s", error)
            self._stop.wait(_LOOK_S)

    def _look(self) -> None:
        """Start a thread for each source that has writes and none."""
        try:
            for source in self._journal.index.sources():
                running = self._drains.get(source)
                if (running is None or not running.is_alive()) and self._is_rested(source):
                    drain = Thread(target=self._drain, args=(source,), name="voxome-relay-flush", daemon=True)
                    drain.start()
                    self._drains[source] = drain
            os.utime(self._lease)  # by which all processes see that writes are passed on
        except sqlite3.Error as error:
            _LOG.warning("the journal of writes cannot be read: %s", error)
            self._stop.wait(_FIRST_WAIT_S)
        except Exception:  # no thread can be started, or a fault of ours; it may go well the next time
            _LOG.exception("the writes of a source could not be replayed")
            self._stop.wait(_FIRST_WAIT_S)

    def _is_rested(self, source: str) -> bool:
        resting = self._resting.get(source)
        return (
            resting is None
            or time.monotonic() >= resting.until
            or self._journal.index.retries(source) != resting.retries
        )

    def _drain(self, source: str) -> None:
        before, begun = self._resting.get(source), time.monotonic()
        try:
            fails, retries = self._drain_queue(source), self._journal.index.retries(source)
        except Exception:  # of the journal itself, or a fault of ours: nothing is lost, and it is tried again
            _LOG.exception("the writes of a source could not be replayed")
            fails, retries = True, 0 if before is None else before.retries
        count = (0 if before is None else before.count) + 1 if fails else 0
        now = time.monotonic()
        wait_s = _wait_s(count) if fails else max(_FIRST_WAIT_S, now - begun) if self._failed else 0.0
        self._resting[source] = _Failed(count, now + wait_s, retries)

    def _drain_queue(self, source: str) -> bool:
        """Replay the writes of a source; return whether its store fails again and again.

        Then the next call begins behind those that were tried, which are tried again after all others.
        """
        self._forget_discarded()
        failures, tried = 0, self._tried.pop(source, 0)
        for run in self._runs(source, tried):
            if self._stop.is_set():
                return False
            problem = self._try(run)
            if problem is None:
                self._journal.remove(run)
                self._forget([entry.number for entry in run])
                failures = 0
                continue
            failures += not isinstance(problem, REFUSALS + _NOT_LOADED)
            if failures >= _MOST_FAILURES:
                self._tried[source] = run[-1].number
                return True
        return False

    def _forget(self, numbers: Iterable[int]) -> None:
        with self._lock:
            for number in numbers:
                self._failed.pop(number, None)
                self._reaches.pop(number, None)

    def _forget_discarded(self) -> None:
        """Forget the writes that an operator has discarded, for which no other waits any more."""
        with self._lock:
            failed = set(self._failed)
        if failed:
            self._forget(failed - self._journal.index.numbers())

    def _runs(self, source: str, tried: int) -> Iterator[list[WriteEntry]]:
        """Yield writes that may be replayed now, those to the same chunks that follow each other together.

        Those up to the number `tried` that have failed are left out.
        """
        # a write with a lower number than another may be entered later, but not if the two overlap; so what is entered
        # from now on waits for the next look
        after, last = 0, self._journal.index.last()
        while page := self._journal.index.queue(source, after, last, _PAGE):
            after = page[-1].entry.number
            position = 0
            while position < len(page):
                queued = page[position]
                if not self._is_due(queued, tried) or self._waits(queued.entry, queued.entry.number):
                    position += 1
                    continue
                run = self._run_from(page, position, tried)
                position += len(run)
                yield run

    def _run_from(self, page: list[QueuedWrite], position: int, tried: int) -> list[WriteEntry]:
        """Return a write, with those right behind it if all together fill one box in the chunks of the first.

        A box with gaps would need voxels of the store, which others may be writing.
        """
        first = page[position].entry
        if page[position].problem or first.masked:  # the problem may be that of one of several
            return [first]
        try:
            reach = self._replay.reach(first)
        except (VoxomeError, OSError):
            return [first]
        run = [first]
        for queued in page[position + 1 :]:
            entry = queued.entry
            together = (entry.level, entry.hops, entry.layout) == (first.level, first.hops, first.layout)
            if not together or entry.masked or queued.problem or entry.box not in reach:
                break
            if not self._is_due(queued, tried) or self._waits(entry, first.number):
                break
            run.append(entry)
        while len(run) > 1 and not _fills([entry.box for entry in run], first.voxel_bytes // first.box.size):
            run = run[: len(run) // 2]
        return run

    def _is_due(self, queued: QueuedWrite, tried: int) -> bool:
        """Return whether a write has not failed a moment ago, or is to be repeated now."""
        failed = self._failed.get(queued.entry.number)
        if failed is None or failed.retries != queued.retries:
            return True
        return queued.entry.number > tried and time.monotonic() >= failed.until

    def _waits(self, entry: WriteEntry, first: int) -> bool:
        """Return whether a write has to wait for one before the number `first`, which may still reach its voxels."""
        with self._lock:
            reaches = list(self._reaches.items())
        return any(
            number < first and (source, level) == (entry.source, entry.level) and not (reach & entry.box).empty
            for number, (source, level, reach) in reaches
        ) or self._journal.index.is_behind(entry, first)

    def _try(self, run: list[WriteEntry]) -> Exception | None:
        """Replay writes; return why that was not possible, for each of them on its own."""
        try:
            self._replay.write(run)
            return None
        except Exception as error:  # of any store; it is repeated
            problem = error
        for entry in run:
            self._note(entry, problem)
        return problem

    def _note(self, entry: WriteEntry, problem: Exception) -> None:
        queued = self._journal.find(entry.number)
        if queued is None:  # an operator has discarded it
            self._forget([entry.number])
            return
        refused, text = isinstance(problem, REFUSALS), describe_cause(problem)
        was_sent = not isinstance(problem, _NOT_LOADED)
        reach = self._reach(entry) if was_sent and not refused else None
        with self._lock:
            before = self._failed.get(entry.number)
            count = 1 if before is None or before.retries != queued.retries else before.count + 1
            until = time.monotonic() + _wait_s(count, _LONGEST_REFUSED_S if refused else _LONGEST_WAIT_S)
            self._failed[entry.number] = _Failed(count, until, queued.retries)
            if was_sent:  # else the store may still write what it got before
                self._reaches.pop(entry.number, None)
            if reach is not None:
                self._reaches[entry.number] = (entry.source, entry.level, reach)
        if (queued.problem, queued.refused) != (text, refused):
            self._journal.index.note(entry.number, text, refused=refused)
            level, what = (logging.ERROR, "refused") if refused else (logging.WARNING, "not taken")
            _LOG.log(level, "write %s to %s was %s by its store, and is kept: %s", entry.number, entry.name, what, text)

    def _reach(self, entry: WriteEntry) -> Box | None:
        """Return the voxels that a store which has not answered may still write: whole chunks; None if unknown."""
        try:
            return self._replay.reach(entry)
        except (VoxomeError, OSError):
            return None


def _fills(boxes: Sequence[Box], voxel_bytes: int) -> bool:
    """Return whether boxes leave no gap in the smallest box around them, which is not too large."""
    around = hull(boxes)
    if around.size * voxel_bytes > _RUN_BYTES or sum(box.size for box in boxes) < around.size:
        return False
    filled = np.zeros(around.shape, np.bool_)
    for box in boxes:
        filled[box.within(around)] = True
    return bool(filled.all())


def _wait_s(failures: int, longest: float = _LONGEST_WAIT_S) -> float:
    return min(longest, _FIRST_WAIT_S * 2.0 ** min(failures - 1, 30))
