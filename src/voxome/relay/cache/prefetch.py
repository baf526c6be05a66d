"""Prefetch: chunks beside those that are read, fetched when nobody waits for the source."""

from __future__ import annotations

import itertools
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic, sleep

from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.storage.hops import hops

MOST_READ = 8
"""Chunks of a read beyond which it is no view that moves, and nothing is prefetched."""
ROOM = 64
"""Chunks that a tier must have room for; in a smaller one prefetched chunks would push out those that are read."""
_THREADS = 2
_QUEUE = 64
_TRAVEL = 3
"""Reads in a row, each a step further, that show a direction."""
_AHEAD = 2
"""Steps that are prefetched in it."""
_REMEMBERED_S = 60.0
"""Time for which a chunk that was prefetched, or was to be, is not looked at again."""
_MOST_REMEMBERED = 4096
_SETTLED_S = 5.0
"""Time for which a read beside which all was prefetched already is not looked at again."""
_PATIENCE_S = 1.0
"""Time after which a chunk is left out, because clients wait for the source all the time."""
_PAUSE_S = 30.0
"""Time after an error in which nothing of the source is prefetched."""
_LOOK_S = 0.02
_LOG = logging.getLogger(__name__)

WITHIN_FETCH: ContextVar[bool] = ContextVar("voxome_relay_within_fetch", default=False)
"""Whether what is read serves the fetch of another chunk, so that it says nothing about the client."""

Cell = tuple[int, ...]


@dataclass(frozen=True)
class _Item:
    array: CachedArray
    chunk: int
    noted: float


class Prefetcher:
    """Fetches chunks along the direction of travel if the last reads show one, else the neighbours along each axis.

    The queue is short and the newest chunks come first. Only the relay that is nearest to the client prefetches: in
    a row of relays each would multiply the reads of the one before. Errors are counted, and nobody sees them.

    Parameters
    ----------
    fetch : function
        Fetches a chunk of an array into the cache, and returns whether it was not there.
    is_busy : function
        Returns whether clients wait for chunks of a source, by its identity.
    """

    def __init__(self, fetch: Callable[[CachedArray, int], bool], is_busy: Callable[[str], bool]) -> None:
        self._fetch, self._is_busy = fetch, is_busy
        self._queue: deque[_Item] = deque()
        self._tracks: OrderedDict[tuple[str, str, int], deque[Cell]] = OrderedDict()
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._settled: dict[tuple[object, ...], float] = {}
        self._paused: dict[str, float] = {}
        self._condition = Condition()
        self._threads: list[Thread] = []
        self._is_closed = False

    def note(self, array: CachedArray, box: Box) -> None:
        """Note that a client has read a box, and enter the chunks beside it in the queue."""
        if WITHIN_FETCH.get() or len(hops()) > 1:
            return
        low, high = _cells(array, box)
        if math.prod(b - a + 1 for a, b in zip(low, high, strict=True)) > MOST_READ:
            return
        with self._condition:
            track = self._track(array)
            if track and track[-1] == low:
                return
            track.append(low)
            step, now = _step(track), monotonic()
            read = (array.source, array.incarnation, array.level, low, high, step)
            if now < self._settled.get(read, 0.0):
                return
            entered = [self._enter(array, array.grid.index_at(cell)) for cell in _beside(array, low, high, step)]
            if any(entered):
                self._start()
            else:
                self._settle(read, now)

    def add(self, array: CachedArray, chunks: Sequence[int]) -> None:
        """Enter chunks that are not in the cache any more in the queue."""
        with self._condition:
            for chunk in chunks:
                self._remembered.pop(array.key(chunk), None)
                self._enter(array, chunk)
            self._start()

    def close(self) -> None:
        """Leave out what is in the queue, and wait for what is under way."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _track(self, array: CachedArray) -> deque[Cell]:
        key = (array.source, array.incarnation, array.level)
        if key not in self._tracks:
            while len(self._tracks) >= _QUEUE:
                self._tracks.popitem(last=False)
            self._tracks[key] = deque(maxlen=_TRAVEL)
        return self._tracks[key]

    def _settle(self, read: tuple[object, ...], now: float) -> None:
        if len(self._settled) >= _MOST_REMEMBERED:
            self._settled.clear()
        self._settled[read] = now + _SETTLED_S

    def _enter(self, array: CachedArray, chunk: int) -> bool:
        """Enter a chunk in the queue; return False if it was, or was to be, prefetched a moment ago."""
        key, now = array.key(chunk), monotonic()
        if now - self._remembered.pop(key, -math.inf) < _REMEMBERED_S or now < self._paused.get(array.source, 0.0):
            return False
        self._remembered[key] = now
        while len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        self._queue.append(_Item(array, chunk, now))
        if len(self._queue) > _QUEUE:
            self._leave_out(self._queue.popleft())
        return True

    def _start(self) -> None:
        """Wake the threads, or start them."""
        self._condition.notify_all()
        while self._queue and len(self._threads) < _THREADS and not self._is_closed:
            self._threads.append(Thread(target=self._run, name="voxome-relay-prefetch", daemon=True))
            self._threads[-1].start()

    def _run(self) -> None:
        WITHIN_FETCH.set(True)
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._is_closed)
                if self._is_closed:
                    return
                item = self._queue.pop()
            if self._wait_until_idle(item):
                self._prefetch(item)
            else:
                self._leave_out(item)

    def _wait_until_idle(self, item: _Item) -> bool:
        """Return whether nobody waits for the source, before the item is too old."""
        while not self._is_closed and monotonic() - item.noted < _PATIENCE_S:
            if not self._is_busy(item.array.source):
                return monotonic() >= self._paused.get(item.array.source, 0.0)
            sleep(_LOOK_S)
        return False

    def _prefetch(self, item: _Item) -> None:
        array = item.array
        try:
            if self._fetch(array, item.chunk):
                array.counters.add("prefetched")
        except Exception as error:  # of any store: the client who reads the chunk will see it
            self._paused[array.source] = monotonic() + _PAUSE_S
            _LOG.debug("a chunk could not be prefetched: %s", error)

    def _leave_out(self, item: _Item) -> None:
        self._remembered.pop(item.array.key(item.chunk), None)
        item.array.counters.add("prefetch_dropped")


def _cells(array: CachedArray, box: Box) -> tuple[Cell, Cell]:
    """Return the first and the last position in the grid that a box touches."""
    grid = array.grid
    first = tuple((d - o) // n for d, o, n in zip(grid.domain.start, grid.anchor, grid.block, strict=True))
    sides = list(zip(box.start, box.stop, grid.anchor, grid.block, first, strict=True))
    low = tuple((start - o) // n - f for start, _, o, n, f in sides)
    return low, tuple((stop - 1 - o) // n - f for _, stop, o, n, f in sides)


def _step(track: deque[Cell]) -> Cell | None:
    """Return the step between reads if the last ones are as far apart; None if they show no direction."""
    if len(track) < _TRAVEL:
        return None
    steps = {tuple(b - a for a, b in zip(one, next_one, strict=True)) for one, next_one in itertools.pairwise(track)}
    return steps.pop() if len(steps) == 1 else None


def _beside(array: CachedArray, low: Cell, high: Cell, step: Cell | None) -> Iterator[Cell]:
    """Yield the positions to prefetch, the nearest last, since the newest of the queue comes first."""
    if step is not None:
        shifts = [tuple(n * s for s in step) for n in range(_AHEAD, 0, -1)]
    else:
        axes = array.spatial or range(len(low))
        extents = [b - a + 1 for a, b in zip(low, high, strict=True)]
        shifts = [
            tuple(side * extents[axis] if axis == other else 0 for other in range(len(low)))
            for axis in axes
            for side in (-1, 1)
        ]
    for shift in shifts:
        ranges = [range(a + s, b + s + 1) for a, b, s in zip(low, high, shift, strict=True)]
        for cell in itertools.product(*ranges):
            if all(0 <= i < n for i, n in zip(cell, array.grid.shape, strict=True)):
                yield cell
