"""A source of a relay and its store: opened when needed, checked again from time to time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import Any, TypeVar

from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsPinnedVersions, ability, most_detailed_version
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale
from voxome.errors import VoxomeError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.grid import chunk_grid
from voxome.relay.cache.states import SourceState, SourceStates
from voxome.relay.caching import Caching
from voxome.relay.lazy import lazy
from voxome.relay.memory import share
from voxome.relay.origin import Origin
from voxome.relay.rights import Rights
from voxome.relay.source_checks import SourceChecks
from voxome.relay.source_entry import Guard, ReadableSource, SourceStatus
from voxome.relay.source_handles import OpenedSource, SourceHandles
from voxome.relay.source_memory import SourceMemory
from voxome.relay.threads import waiting
from voxome.relay.virtual.variants import Setting

_GROWTH = 2
"""Voxels of a coarser level around those of a written box that its store may compute from them."""
_MOST_READERS = 32
"""Reads of one store behind a network, without a cache, at the same time; and as many writes."""

T = TypeVar("T")


class Upstream:
    """A source, or the URI from which it is opened when it is first used.

    Parameters
    ----------
    source : str or ReadableSource
        The URI or the source.
    rights : Rights
        Whether it is opened for writing.
    caching : Caching
        How it is cached.
    states : SourceStates
        Its state, shared with other processes.
    counters : SourceCounters
        Counters of its reads.
    write_back : bool
        Whether writes are confirmed when they are in the journal, before the store has them.
    pool : str
        Identity of the source in whose threads it is fetched, if not its own.
    identity : str
        Identity of an object.

    Attributes
    ----------
    is_input : bool
        Whether virtual layers are computed from it, so that it is worth knowing whether its voxels have changed.
    all : function
        Returns all sources of the relay: other names of one volume have one state, and so look for the same changes.
    guard : function
        Returns the context in which voxels are written: no object of a store in which they are changes meanwhile.
    """

    depth = 0

    def __init__(
        self,
        source: str | ReadableSource,
        rights: Rights,
        caching: Caching,
        states: SourceStates,
        counters: SourceCounters,
        *,
        write_back: bool = False,
        pool: str = "",
        identity: str = "",
    ) -> None:
        self.origin = Origin(source, identity)
        self.rights, self.caching, self.counters = rights, caching, counters
        self.write_back, self.is_input, self._pool = write_back, False, pool
        self.all: Callable[[], Iterable[Upstream]] = lambda: ()
        self.guard: Guard = nullcontext
        self._handles = SourceHandles()
        self._memory = SourceMemory(self.origin, states.metadata)
        self._checks = SourceChecks(
            self.origin, caching, states, counters, self._handles, self._memory, self._examine,
            is_patient=not write_back,
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """Digest of the URI, the same for all its spellings and in all processes; given or random for an object."""
        return self.origin.identity

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.origin.is_local

    @property
    def is_cached(self) -> bool:
        """Whether it is cached, if the relay has a cache."""
        return self.origin.is_remote if self.caching.enabled is None else self.caching.enabled

    @property
    def prefetches(self) -> bool:
        """Whether chunks beside those that are read are fetched too."""
        return self.origin.is_remote if self.caching.prefetch is None else self.caching.prefetch

    @property
    def is_overdue(self) -> bool:
        """Whether it could not be checked when that was due."""
        return self._checks.is_overdue

    @lazy
    def _readers(self) -> ThreadPoolExecutor:
        """Threads that a store which does not answer holds up, instead of those of requests."""
        return ThreadPoolExecutor(_MOST_READERS, "voxome-relay-read")

    @lazy
    def _writers(self) -> ThreadPoolExecutor:
        """Threads in which a store is written, which hold the locks until it has ended."""
        return ThreadPoolExecutor(_MOST_READERS, "voxome-relay-write")

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context in which a request reads or writes the store, and lets others work if that is remote."""
        return self.origin.waiting()

    @property
    def is_at_hand(self) -> bool:
        """Whether its voxels are in files of this machine."""
        return self.origin.is_at_hand

    def read(self, source: ReadableSource, box: Box) -> NDArray[Any]:
        """Return voxels of the store, without a cache.

        Raises
        ------
        TimeoutError
            If the store is behind a network, and does not answer in time.
        VoxomeError, OSError
            If it fails.
        """
        return self._in_time(self._readers, partial(source.read, box)) if self.origin.is_remote else source.read(box)

    def write(self, action: Callable[[Event], None]) -> None:
        """Do something that writes the store; one that does not answer in time continues without the request.

        Parameters
        ----------
        action : function
            Given an event that is set when the request is given up: it must not begin to write the store then.

        Raises
        ------
        TimeoutError
            If the store is behind a network, and does not answer in time; it may have a write that had begun, or still
            get it.
        """
        given_up = Event()
        if self.origin.is_remote:
            try:
                self._in_time(self._writers, partial(action, given_up))
            finally:
                given_up.set()
            return
        with waiting(self.identity):
            action(given_up)

    def _in_time(self, threads: ThreadPoolExecutor, action: Callable[[], T]) -> T:
        most_s = None if math.isinf(self.caching.timeout_s) else self.caching.timeout_s

        def act() -> T:
            try:
                return action()
            finally:
                release()

        with self.waiting():
            release = share()  # what the action reads or writes is in memory until it ends
            answer = threads.submit(copy_context().run, act)
            try:
                return answer.result(most_s)
            finally:
                if answer.cancel():
                    release()

    def open(self) -> ReadableSource:
        """Return the source, as it was when it was last checked.

        Raises
        ------
        VoxomeError, OSError
            If it cannot be opened, or cannot be checked for longer than `Caching.stale_s`.
        """
        return self._current()[0].source

    def open_level(self, number: int) -> ReadableSource | None:
        """Return a level; None if it does not exist."""
        return self._level(self._current()[0], number)

    def level_count(self) -> int:
        """Return the number of levels: 1 without a pyramid."""
        return len(self.scales())

    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels."""
        return self._current()[0].scales

    def array(self, number: int) -> CachedArray | None:
        """Return a level as it is cached; None if it does not exist."""
        opened, state = self._current()
        array = opened.arrays.get(number)
        if array is not None and array.epoch == state.epoch:
            return array
        source = self._level(opened, number)
        if source is None:
            return None
        array = opened.arrays[number] = CachedArray(
            self.identity, state.incarnation, number, chunk_grid(source, source.spec), source.spec.dtype,
            source.read, self.counters, state.epoch, self._checks.oldest_epoch(state),
            spatial=tuple(source.spec.spatial), timeout_s=self.caching.timeout_s, pool=self._pool,
        )  # fmt: skip
        return array

    def is_current(self, array: CachedArray) -> bool:
        """Return whether an array is one of the source as it is now, as far as that is known without waiting."""
        return self._checks.is_current(array)

    def version(self, generations: Generations) -> str:
        """Return a text that changes whenever voxels may have changed."""
        _, state = self._current()
        generation = generations.version(self.identity)
        return hashlib.sha256(f"{state.incarnation}/{state.epoch}/{generation}".encode()).hexdigest()[:16]

    def status(self) -> SourceStatus:
        """Return its state, as it was when it was last checked; with each edit of segments it is another one."""
        opened, state = self._current()
        edited = ability(opened.source, SupportsPinnedVersions)
        edit = "" if edited is None else f"@{edited.current_version()}"
        return SourceStatus(f"{state.incarnation}{edit}", state.epoch, self._checks.oldest_epoch(state))

    def check(self) -> bool:
        """Find out whether the source was replaced, once a second at most; return whether it was."""
        return self._checks.check_now()

    def keep(self, key: str, value: str) -> None:
        """Keep a text about the source for as long as it is not replaced."""
        opened, _ = self._current()
        self._memory.keep(opened, key, value)

    def recall(self, key: str) -> tuple[str | None, bool]:
        """Return a text about the source as it is, None if none is kept, and whether it could not be opened yet."""
        opened, _ = self._current()
        return self._memory.get(opened.incarnation, key), opened.is_recalled

    def settings(self) -> tuple[Setting, ...]:
        """Return no parameters: clients change those of virtual layers only."""
        return ()

    def chunks_under(self, box: Box, number: int) -> list[str] | None:
        """Return the names of the cached chunks, of all levels, that a write to `box` may change; None for all."""
        opened, _ = self._current()
        if len(opened.scales) == 1:
            array = self.array(0)
            return None if array is None else array.names(box)
        return None if number else self._chunks_of_levels(box, opened)

    def _chunks_of_levels(self, box: Box, opened: OpenedSource) -> list[str] | None:
        names: list[str] = []
        fine = opened.source.spec
        for number, scale in enumerate(opened.scales):
            try:
                array = self.array(number)
            except (VoxomeError, OSError):
                return None
            if array is None or scale is None or len(fine.spatial) != 3:
                return None
            factors = [1] * box.ndim
            for axis, factor in zip(fine.spatial, scale, strict=True):
                factors[axis] = factor
            grown = box if number == 0 else box.coarsen(factors).grow([_GROWTH] * box.ndim)
            names += array.names(grown & array.grid.domain)
        return names

    def _current(self) -> tuple[OpenedSource, SourceState]:
        """Return the handles and the state of the source, which is checked before if that is due."""
        state = self._checks.state()
        current = self._handles.current
        if current is not None and current.incarnation == state.incarnation:
            return current, state
        with self.waiting(), self._handles.opening:  # all who wait for this lock need these handles
            current = self._handles.current
            if current is None or current.incarnation != state.incarnation:
                with self._handles.sending() as way:
                    current = OpenedSource(state.incarnation, self._open(), hops=way)
                self._handles.replace(current)
            return current, state

    def _level(self, opened: OpenedSource, number: int) -> ReadableSource | None:
        """Return a level, and let other requests work while it is opened."""
        if number == 0 or number in opened.levels:
            return opened.level(number)
        with self.waiting():
            source = opened.level(number)
        self._memory.keep_level(opened, number, source)
        return source

    def _open(self) -> ReadableSource:
        return self.origin.open(writable=bool(self.rights.writers))

    def _examine(self) -> tuple[ReadableSource, Version]:
        """Return the source, opened again, and its version; an object without one never changes."""
        source = self._open()
        if not isinstance(source, VolumeSource):
            return source, Version("", pinned=True)
        same = (one for one in (self, *self.all()) if one is self or one.origin.has_identity(self.identity))
        return source, most_detailed_version(source) if any(map(_depends_on_voxels, same)) else source.version()


def _depends_on_voxels(upstream: Upstream) -> bool:
    return upstream.is_cached or upstream.is_input
