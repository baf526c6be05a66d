"""Threads for parts of jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_Result = TypeVar("_Result")


class TaskPool:
    """Threads that do the tasks of one caller after those of another.

    Parameters
    ----------
    threads : int
        Their number.
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._turn = ThreadPoolExecutor(threads), threading.Lock()

    def results(self, tasks: Iterable[Callable[[], _Result]]) -> Iterator[_Result]:
        """Yield the result of each task, in order; none is running at the end, whatever happens."""
        with self._turn:
            futures = [self._threads.submit(task) for task in tasks]
        try:
            while futures:
                yield futures[0].result()
                del futures[0]
        finally:
            for future in futures:
                future.cancel()
            wait(futures)
