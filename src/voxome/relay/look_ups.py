"""Look-ups that search many voxels: in threads of their own, and ended when the client leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio import CapacityLimiter, to_thread
from numpy.typing import NDArray
from starlette.requests import Request

from voxome.config.machine import available_cpus
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.relay.permitted import PermittedSources
from voxome.relay.source_errors import SourceUnavailable

MOST_WAITING = 64
"""Look-ups that wait for a thread; further ones are to be repeated."""

_PIECE_BYTES = 2**22
"""Bytes that a look-up reads at once, unless a chunk has more."""

T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for the result any longer."""


class SearchedLevel:
    """A level of a source, whose reads raise `Abandoned` as soon as nobody waits for the result.

    Parameters
    ----------
    sources : PermittedSources
        Sources of the caller.
    name : str
        Name of the source.
    level : int
        Number of the level.
    gone : Event
        Set when the client has left.
    """

    def __init__(self, sources: PermittedSources, name: str, level: int, gone: Event) -> None:
        self._sources, self._name, self._number, self._gone = sources, name, level, gone
        self.spec: VolumeSpec = sources.spec(name, level=level)
        self._origin = self.spec.domain.start

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box, which are read in small pieces, so that other requests come between them."""
        voxels: NDArray[Any] = np.empty(box.shape, self.spec.dtype)
        for block in BlockGrid(box, self._piece(), anchor=self._origin):
            if self._gone.is_set():
                raise Abandoned
            part = self._sources.read(self._name, block.write, level=self._number)
            voxels[block.write.within(box)] = part
        return voxels

    def _piece(self) -> tuple[int, ...]:
        """Return a shape of about `_PIECE_BYTES`, of whole chunks where there are any."""
        shape = self.spec.domain.shape
        piece = list(self.spec.read_chunk or (1,) * len(shape))
        for axis in reversed(range(len(piece))):
            nbytes = math.prod(piece) * self.spec.dtype.itemsize
            piece[axis] *= max(1, min(-(-shape[axis] // piece[axis]), _PIECE_BYTES // nbytes))
        return tuple(piece)


class LookUps:
    """Threads of the look-ups of all dialects, of which few run at the same time: other requests need cores too.

    Parameters
    ----------
    threads : int, optional
        Look-ups at the same time; by default one for four cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = CapacityLimiter(threads or max(1, available_cpus() // 4))

    async def run(self, request: Request, search: Callable[[Event], T]) -> T:
        """Return what `search` finds; the event that it is given is set when the client leaves, or the server stops.

        Raises
        ------
        Abandoned
            If the client leaves.
        SourceUnavailable
            If too many wait for a thread.
        """
        if self._threads.statistics().tasks_waiting >= MOST_WAITING:
            raise SourceUnavailable("too many look-ups are under way; repeat the request later")
        gone = Event()
        result: list[T] = []
        failures: list[Exception] = []

        async def watch(scope: anyio.CancelScope) -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone.set()
            scope.cancel()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch, tasks.cancel_scope)
                try:
                    result.append(await to_thread.run_sync(search, gone, limiter=self._threads))
                except Exception as error:
                    failures.append(error)
                tasks.cancel_scope.cancel()
        finally:
            gone.set()
        if failures:
            raise failures[0]
        if not result:
            raise Abandoned
        return result[0]
