"""Threads in which requests are handled: those that wait for a store hold up no others."""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, from_thread, to_thread

from voxome.errors import StoreError

MOST_WAITING = 256
"""Requests of one process that wait for the same source; more are refused."""

T = TypeVar("T")


class _Current(threading.local):
    """The slot that this thread holds."""

    slot: _Slot | None = None


_CURRENT = _Current()


class RequestThreads:
    """Runs the handlers of requests in threads, of which a limited number work at the same time.

    A handler that waits for a store (see `waiting`) gives its slot to another, so a store that does not answer holds
    up only those who read from it.

    Parameters
    ----------
    working : int, optional
        Handlers that work at the same time; by default twice the number of cores, and at least 8.
    waiting : int
        Handlers that wait for the same source at the same time.
    """

    def __init__(self, working: int | None = None, waiting: int = MOST_WAITING) -> None:
        self._slots = CapacityLimiter(working or max(8, 2 * (os.cpu_count() or 1)))
        self._threads = CapacityLimiter(math.inf)
        self._most_waiting = waiting
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return ``function(*arguments)``, called in a thread as soon as there is a slot."""
        slot = _Slot(self)
        await slot.acquire()
        try:
            return await to_thread.run_sync(slot.run, function, arguments, limiter=self._threads)
        finally:
            slot.release()

    def enter(self, source: str) -> None:
        """Count a handler that begins to wait for a source.

        Raises
        ------
        StoreError
            If too many wait for it.
        """
        with self._lock:
            if self._waiting[source] >= self._most_waiting:
                raise StoreError(f"{self._most_waiting} requests wait for the source already; try again later")
            self._waiting[source] += 1

    def leave(self, source: str) -> None:
        """Count a handler that has ended to wait for a source."""
        with self._lock:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]


class _Slot:
    """The right of one handler to work."""

    def __init__(self, threads: RequestThreads) -> None:
        self.threads, self.held = threads, False

    async def acquire(self) -> None:
        await self.threads._slots.acquire_on_behalf_of(self)
        self.held = True

    def release(self) -> None:
        if self.held:
            self.held = False
            self.threads._slots.release_on_behalf_of(self)

    def run(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        _CURRENT.slot = self
        try:
            return function(*arguments)
        finally:
            _CURRENT.slot = None


@contextmanager
def waiting(source: str) -> Iterator[None]:
    """Let another handler work while this thread waits for a source; in other threads nothing happens.

    Parameters
    ----------
    source : str
        Identity of the source.

    Raises
    ------
    StoreError
        If too many handlers wait for it.
    """
    slot = _CURRENT.slot
    if slot is None or not slot.held:
        yield
        return
    slot.threads.enter(source)
    try:
        from_thread.run_sync(slot.release)
        try:
            yield
        finally:
            from_thread.run(slot.acquire)
    finally:
        slot.threads.leave(source)
