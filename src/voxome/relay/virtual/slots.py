"""A bound on what is computed at the same time: threads and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ComputeSlots:
    """Slots for computations, by their number and the memory that they need. A slot is never held while one waits.

    Parameters
    ----------
    threads : int, optional
        Computations at the same time; by default half of the cores.
    memory_bytes : int
        Estimated peak memory of all of them together.
    """

    def __init__(self, threads: int | None = None, memory_bytes: int = 2**32) -> None:
        self.threads = max(1, (os.cpu_count() or 1) // 2) if threads is None else threads
        self.memory_bytes = memory_bytes
        self._running, self._bytes = 0, 0
        self._changed = Condition()

    @contextmanager
    def hold(self, nbytes: int) -> Iterator[None]:
        """Wait until a computation of `nbytes` may run; one that needs more than there is runs alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._fits(nbytes))
            self._running += 1
            self._bytes += nbytes
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._bytes -= nbytes
                self._changed.notify_all()

    def _fits(self, nbytes: int) -> bool:
        return not self._running or (self._running < self.threads and self._bytes + nbytes <= self.memory_bytes)
