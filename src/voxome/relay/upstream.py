"""A source of a relay and its store: opened when needed, checked again from time to time."""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock, RLock, Thread
from typing import Any, Protocol

from numpy.typing import NDArray

from voxome.contracts.abilities import (
    SupportsLevels,
    SupportsPinnedVersions,
    SupportsRecognise,
    ability,
    most_detailed_version,
)
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.grid import chunk_grid
from voxome.relay.cache.states import SourceState, SourceStates
from voxome.relay.rights import Rights
from voxome.relay.threads import waiting
from voxome.resources.open import canonical, locate, open_source
from voxome.resources.recognition import get_remote
from voxome.storage.hops import hops

_RETRY_S = 1.0
"""Time after a check that failed, or that a failed read has caused, until the next."""
_PATIENCE_S = 2.0
"""Time for which a reader waits for the check of a source that can be served as it was."""
_GROWTH = 2
"""Voxels of a coarser level around those of a written box that its store may compute from them."""
_MOST_HANDLES = 8
"""Ways, through other relays, by which requests come and for which a source is open at the same time."""
_MOST_READERS = 32
"""Reads of one store behind a network, without a cache, at the same time."""
_LIVE = frozenset({"memory", "proofread"})
"""Schemes of sources whose voxels change by more than writes to them."""
_EDITED = frozenset({"proofread"})
"""Schemes of sources that are edited, not written."""
_LOG = logging.getLogger(__name__)


Guard = Callable[[], AbstractContextManager[None]]
"""Returns the context in which the voxels of a source are written."""


class ReadableSource(Protocol):
    """A stored volume, or one computed when it is read. Its methods may be called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""


@dataclass(frozen=True)
class Caching:
    """How a source is cached.

    Attributes
    ----------
    enabled : bool or None
        Whether it is cached; if None, unless it is on this machine.
    ttl_s : float
        Time after which the source is checked for changes.
    stale_s : float
        Time beyond that for which cached voxels are served while the store cannot be reached.
    prefetch : bool or None
        Whether chunks beside those that are read are fetched too; if None, unless it is on this machine.
    timeout_s : float
        Time after which a read of the store, or of one chunk of it, is given up.
    """

    enabled: bool | None = None
    ttl_s: float = 600.0
    stale_s: float = 86400.0
    prefetch: bool | None = None
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise InvalidInput(f"timeout_s is {self.timeout_s}; expected more than 0 s")
        if not self.ttl_s > 0 or not 0 <= self.stale_s < math.inf:
            raise InvalidInput(
                f"ttl_s is {self.ttl_s} and stale_s {self.stale_s}; expected more than 0 s, and a finite time"
            )


CACHE_REMOTE = Caching()
"""Sources behind a network are cached."""


@dataclass(frozen=True)
class SourceStatus:
    """What the chunks that are computed from a source depend on, besides writes to it.

    Attributes
    ----------
    incarnation : str
        Never used again once the source has been replaced.
    epoch : int
        Number of times that it has expired.
    oldest_epoch : int
        First epoch whose chunks are still served while it cannot be reached.
    """

    incarnation: str
    epoch: int
    oldest_epoch: int


@dataclass
class _Opened:
    """Handles of one incarnation of a source, and its levels when it was opened."""

    incarnation: str
    source: ReadableSource
    levels: dict[int, ReadableSource] = field(default_factory=dict)
    arrays: dict[int, CachedArray] = field(default_factory=dict)

    @cached_property
    def pyramid(self) -> SupportsLevels | None:
        """The source as a pyramid, if it is one."""
        return ability(self.source, SupportsLevels)

    @cached_property
    def scales(self) -> tuple[Scale | None, ...]:
        """Scales of all levels, which a store may read from its metadata at each call."""
        return ((1, 1, 1),) if self.pyramid is None else tuple(level.scale for level in self.pyramid.levels)

    def level(self, number: int) -> ReadableSource | None:
        """Return a level, opened when it is first used; None if it does not exist."""
        if number == 0:
            return self.source
        if number not in self.levels and self.pyramid is not None and 0 < number < len(self.scales):
            self.levels[number] = self.pyramid.level(number)
        return self.levels.get(number)


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
    guard : function
        Context in which voxels are written.

    Attributes
    ----------
    is_input : bool
        Whether virtual layers are computed from it, so that it is worth knowing whether its voxels have changed.
    """

    depth = 0

    def __init__(
        self,
        source: str | ReadableSource,
        rights: Rights,
        caching: Caching,
        states: SourceStates,
        counters: SourceCounters,
        guard: Guard = nullcontext,
    ) -> None:
        self.rights, self.caching, self.counters, self.guard = rights, caching, counters, guard
        self.is_input = False
        self._uri = source if isinstance(source, str) else ""
        self._given: ReadableSource | None = None if isinstance(source, str) else source
        self._states = states
        self._by_hops: dict[tuple[str, ...], _Opened] = {}
        self._lock, self._checking = RLock(), Lock()
        self._next_check = 0.0
        self._failure: tuple[float, Exception] | None = None
        self._background: tuple[float, Future[None]] | None = None

    @cached_property
    def identity(self) -> str:
        """Digest of the URI, the same for all its spellings and in all processes; random for an object."""
        if not self._uri:
            return secrets.token_hex(16)
        return hashlib.sha256(canonical(locate(self._uri).reveal()).reveal().encode()).hexdigest()[:32]

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        """Threads that a store which does not answer holds up, instead of those of requests."""
        return ThreadPoolExecutor(_MOST_READERS, "voxome-relay-read")

    @cached_property
    def is_remote(self) -> bool:
        """Whether its store is behind a network, and its voxels change only by writes to them."""
        return _is_remote(self._uri)

    @cached_property
    def is_cached(self) -> bool:
        """Whether it is cached, if the relay has a cache."""
        return self.is_remote if self.caching.enabled is None else self.caching.enabled

    @cached_property
    def prefetches(self) -> bool:
        """Whether chunks beside those that are read are fetched too."""
        return self.is_remote if self.caching.prefetch is None else self.caching.prefetch

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context in which a request reads or writes the store, and lets others work if that is remote."""
        return waiting(self.identity) if self.is_remote else nullcontext()

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return "://" not in locate(self._uri).path if self._uri else True

    @property
    def is_at_hand(self) -> bool:
        """Whether its voxels are in files of this machine."""
        return bool(self._uri) and self.is_local and not self.is_remote

    def read(self, source: ReadableSource, box: Box) -> NDArray[Any]:
        """Return voxels of the store, without a cache.

        Raises
        ------
        TimeoutError
            If the store is behind a network, and does not answer in time.
        VoxomeError, OSError
            If it fails.
        """
        if not self.is_remote:
            return source.read(box)
        with self.waiting():
            answer = self._readers.submit(copy_context().run, source.read, box)
            try:
                return answer.result(None if math.isinf(self.caching.timeout_s) else self.caching.timeout_s)
            finally:
                answer.cancel()

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
        opened, _ = self._current()
        if number == 0 or number in opened.levels:
            return opened.level(number)
        with self.waiting(), self._lock:
            return opened.level(number)

    def level_count(self) -> int:
        """Return the number of levels: 1 without a pyramid."""
        return len(self._current()[0].scales)

    def array(self, number: int) -> CachedArray | None:
        """Return a level as it is cached; None if it does not exist."""
        opened, state = self._current()
        array = opened.arrays.get(number)
        if array is not None and array.epoch == state.epoch:
            return array
        with self.waiting(), self._lock:
            array = opened.arrays.get(number)
            if array is None or array.epoch != state.epoch:
                source = opened.level(number)
                if source is None:
                    return None
                array = opened.arrays[number] = CachedArray(
                    self.identity, state.incarnation, number, chunk_grid(source, source.spec), source.spec.dtype,
                    source.read, self.counters, state.epoch, self._oldest_epoch(state),
                    spatial=tuple(source.spec.spatial),
                    timeout_s=self.caching.timeout_s,
                )  # fmt: skip
            return array

    @property
    def is_overdue(self) -> bool:
        """Whether it could not be checked when that was due."""
        state = self._states.get(self.identity)
        return state is not None and _may_change(self._given) and self._age_s(state) >= self.caching.ttl_s

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
        return SourceStatus(f"{state.incarnation}{edit}", state.epoch, self._oldest_epoch(state))

    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels."""
        return self._current()[0].scales

    def _oldest_epoch(self, state: SourceState) -> int:
        return state.epoch - math.ceil(self.caching.stale_s / self.caching.ttl_s)

    def check(self) -> bool:
        """Find out whether the source was replaced, once a second at most; return whether it was."""
        if time.monotonic() < self._next_check or not self._checking.acquire(blocking=False):
            return False
        try:
            before = self._states.get(self.identity)
            self._next_check = time.monotonic() + _RETRY_S
            self._check(before)
        except (VoxomeError, OSError):
            return False
        finally:
            self._checking.release()
        after = self._states.get(self.identity)
        return after is not None and (before is None or after.incarnation != before.incarnation)

    @property
    def _opened(self) -> _Opened | None:
        """Handles that send the hops of the current request; a handle sends those with which it was opened."""
        return self._by_hops.get(hops())

    @_opened.setter
    def _opened(self, opened: _Opened) -> None:
        while len(self._by_hops) >= _MOST_HANDLES:
            del self._by_hops[next(iter(self._by_hops))]
        self._by_hops[hops()] = opened

    def chunks_under(self, box: Box, number: int) -> list[str] | None:
        """Return the names of the cached chunks, of all levels, that a write to `box` may change; None for all."""
        opened, _ = self._current()
        if len(opened.scales) == 1:
            array = self.array(0)
            return None if array is None else array.names(box)
        return None if number else self._chunks_of_levels(box, opened)

    def _chunks_of_levels(self, box: Box, opened: _Opened) -> list[str] | None:
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

    def _current(self) -> tuple[_Opened, SourceState]:
        """Return the handles and the state of the source, which is checked before if that is due."""
        state = self._states.get(self.identity)
        if self._opened is None or state is None or self._is_due(state):
            with self.waiting():
                state = self._checked(state)
        current = self._opened
        if current is not None and current.incarnation == state.incarnation:
            return current, state
        with self.waiting(), self._lock:
            current = self._opened
            if current is None or current.incarnation != state.incarnation:
                current = self._opened = _Opened(state.incarnation, self._open_source())
            return current, state

    def _checked(self, state: SourceState | None) -> SourceState:
        """Check the source, once for all who wait; with something to serve, none waits for long."""
        if state is None or self._opened is None:
            self._check_first()
        else:
            begun, check = self._background_check()
            with suppress(TimeoutError):
                check.result(max(0.0, begun + _PATIENCE_S - time.monotonic()))
        found = self._states.get(self.identity)
        if found is None or (
            _may_change(self._given) and self._age_s(found) > self.caching.ttl_s + self.caching.stale_s
        ):
            raise StoreError("the source could not be checked for too long")
        return found

    def _age_s(self, state: SourceState) -> float:
        return time.monotonic() - state.checked

    def _check_first(self) -> None:
        begin = time.monotonic()
        with self._checking:
            if self._failure is not None and self._failure[0] >= begin:
                raise self._failure[1]
            current = self._states.get(self.identity)
            if self._opened is None or current is None:
                self._check(current)

    def _background_check(self) -> tuple[float, Future[None]]:
        """Return when the check that is under way has begun, and its end; start one if there is none."""
        with self._lock:
            if self._background is None or self._background[1].done():
                self._background = (time.monotonic(), Future())
                run = copy_context().run
                Thread(target=run, args=(self._run_check, self._background[1]), daemon=True).start()
            return self._background

    def _run_check(self, ended: Future[None]) -> None:
        try:
            with self._checking:
                current = self._states.get(self.identity)
                if current is None or self._is_due(current):
                    self._check(current)
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def _is_due(self, state: SourceState) -> bool:
        now = time.monotonic()
        return now - state.checked >= self.caching.ttl_s and now >= self._next_check and _may_change(self._given)

    def _open_source(self) -> ReadableSource:
        if self._given is not None:
            return self._given
        return open_source(self._uri, mode="r+" if self.rights.writers and not is_edited(self._uri) else "r")

    def _check(self, state: SourceState | None) -> None:
        """Find out whether the source is still what it was; not to be able to is no reason to drop what is cached."""
        try:
            source = self._open_source()
            version = _version(source, detailed=self.is_cached or self.is_input)
        except NotFound as error:
            self._failure = (time.monotonic(), error)
            self.counters.observe_error(error)
            self._by_hops.clear()
            if state is not None:
                self._states.put(self.identity, SourceState.new(""))
            raise
        except (VoxomeError, OSError) as error:
            now = time.monotonic()
            self._failure, self._next_check = (now, error), now + _RETRY_S
            self.counters.observe_error(error)
            if self._opened is None or state is None or now - state.checked > self.caching.ttl_s + self.caching.stale_s:
                raise
            _LOG.warning("a source could not be checked, and is served as it was: %s", error)
            return
        self.counters.observe_success()
        if state is None or state.token != version.token:
            state = SourceState.new(version.token)
            self._states.put(self.identity, state)
        elif version.pinned or version.covers_voxels:
            self._states.put(self.identity, state.confirmed())
        elif self._is_due(state):
            self._states.put(self.identity, state.expired())
        with self._lock:
            self._opened = _Opened(state.incarnation, source)  # with the levels that the store has now


def is_edited(uri: str) -> bool:
    """Return whether the voxels of a URI change by edits of segments, for which it is not opened for writing."""
    return Uri.parse(uri).scheme in _EDITED


def _may_change(given: ReadableSource | None) -> bool:
    return given is None or isinstance(given, VolumeSource)


def _version(source: ReadableSource, *, detailed: bool) -> Version:
    """Return the version of a source; an object without one never changes."""
    if not isinstance(source, VolumeSource):
        return Version("", pinned=True)
    return most_detailed_version(source) if detailed else source.version()


def _is_remote(uri: str) -> bool:
    """Return whether the store of a URI is behind a network, and voxels change only by writes to them."""
    if not uri:
        return False
    located = locate(uri)
    local = "://" not in located.path and isinstance(get_remote(located.scheme), SupportsRecognise)
    return not local and located.scheme not in _LIVE
