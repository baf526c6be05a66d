"""The flusher: one thread for each source, in one process of a relay, that replays the journal."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
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
from voxome.relay.writes.journal import Journal
from voxome.relay.writes.replay import hull

REFUSALS = (ReadOnly, InvalidInput, AccessDenied)
"""Errors by which a store refuses a write, so that repeating it alone will not help."""
_LOOK_S = 0.1
"""Time between two looks at the journal, and at the lease of another process."""
_FIRST_WAIT_S, _LONGEST_WAIT_S, _LONGEST_REFUSED_S = 0.5, 30.0, 300.0
"""Waits between two tries are doubled, from the first to the longest."""
_MOST_FAILURES = 3
"""Failures in a row after which a source is left alone for a while."""
_PAGE = 256
_MOST_HELD = 4096
"""Writes that wait for others, beyond which the rest is left for later."""
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
    replayed, or to the same voxels, if the store has refused it; others are, so that one bad write holds up no other.
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
                    self._drains[source] = drain
                    drain.start()
        except sqlite3.Error as error:
            _LOG.warning("the journal of writes cannot be read: %s", error)
            self._stop.wait(_FIRST_WAIT_S)

    def _is_rested(self, source: str) -> bool:
        resting = self._resting.get(source)
        return (
            resting is None
            or time.monotonic() >= resting.until
            or self._journal.index.retries(source) != resting.retries
        )

    def _drain(self, source: str) -> None:
        before = self._resting.get(source)
        try:
            fails, retries = self._drain_queue(source), self._journal.index.retries(source)
        except Exception:  # of the journal itself, or a fault of ours: nothing is lost, and it is tried again
            _LOG.exception("the writes of a source could not be replayed")
            fails, retries = True, 0 if before is None else before.retries
        count = (0 if before is None else before.count) + 1 if fails else 0
        wait_s = _wait_s(count) if fails else _FIRST_WAIT_S if self._failed else 0.0
        self._resting[source] = _Failed(count, time.monotonic() + wait_s, retries)

    def _drain_queue(self, source: str) -> bool:
        """Replay the writes of a source; return whether its store fails again and again."""
        held: list[tuple[int, Box]] = []
        failures = 0
        for run in self._runs(source, held):
            if self._stop.is_set():
                return False
            problem = self._try(run)
            if problem is None:
                self._journal.remove(run)
                self._forget(run)
                failures = 0
                continue
            failures += 1
            held += [(entry.level, self._reach(entry, problem)) for entry in run]
            if failures >= _MOST_FAILURES:
                return True
        return False

    def _forget(self, entries: Sequence[WriteEntry]) -> None:
        with self._lock:
            for entry in entries:
                self._failed.pop(entry.number, None)

    def _runs(self, source: str, held: list[tuple[int, Box]]) -> Iterator[list[WriteEntry]]:
        """Yield writes that may be replayed now, those to the same chunks that follow each other together."""
        # a write with a lower number than another may be entered later, but not if the two overlap; so what is entered
        # from now on waits for the next look
        after, last = 0, self._journal.index.last()
        while len(held) < _MOST_HELD:
            page = self._journal.index.queue(source, after, last, _PAGE)
            if not page:
                return
            after = page[-1].entry.number
            position = 0
            while position < len(page):
                queued = page[position]
                if not self._may_go(queued, held):
                    held.append((queued.entry.level, queued.entry.box))
                    position += 1
                    continue
                run = self._run_from(page, position, held)
                position += len(run)
                yield run

    def _run_from(self, page: list[QueuedWrite], position: int, held: list[tuple[int, Box]]) -> list[WriteEntry]:
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
            if not self._may_go(queued, held):
                break
            run.append(entry)
        while len(run) > 1 and not _fills([entry.box for entry in run], first.voxel_bytes // first.box.size):
            run = run[: len(run) // 2]
        return run

    def _may_go(self, queued: QueuedWrite, held: list[tuple[int, Box]]) -> bool:
        """Return whether no earlier write to the same voxels waits, and it has not failed a moment ago."""
        entry = queued.entry
        if any(level == entry.level and not (box & entry.box).empty for level, box in held):
            return False
        failed = self._failed.get(entry.number)
        return failed is None or failed.retries != queued.retries or time.monotonic() >= failed.until

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
            self._forget([entry])
            return
        refused, text = isinstance(problem, REFUSALS), describe_cause(problem)
        with self._lock:
            before = self._failed.get(entry.number)
            count = 1 if before is None or before.retries != queued.retries else before.count + 1
            until = time.monotonic() + _wait_s(count, _LONGEST_REFUSED_S if refused else _LONGEST_WAIT_S)
            self._failed[entry.number] = _Failed(count, until, queued.retries)
        if (queued.problem, queued.refused) != (text, refused):
            self._journal.index.note(entry.number, text, refused=refused)
            level, what = (logging.ERROR, "refused") if refused else (logging.WARNING, "not taken")
            _LOG.log(level, "write %s to %s was %s by its store, and is kept: %s", entry.number, entry.name, what, text)

    def _reach(self, entry: WriteEntry, problem: Exception) -> Box:
        """Return the voxels that no later write may reach before `entry`, which has failed.

        A store that has refused a write will not do it; one that has not answered may still write its whole chunks.
        """
        if isinstance(problem, REFUSALS):
            return entry.box
        try:
            return self._replay.reach(entry)
        except (VoxomeError, OSError):
            return entry.box


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
