"""Checks of a source: when they are due, who waits for them, and what they find."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from threading import Lock, Thread

from voxome.contracts.source import Version, VolumeSource
from voxome.errors import NotFound, StoreError, VoxomeError
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.states import SourceState, SourceStates
from voxome.relay.caching import Caching
from voxome.relay.origin import Origin
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_handles import OpenedSource, SourceHandles
from voxome.relay.source_memory import SourceMemory

_RETRY_S = 1.0
"""Time after a check that failed, or that a failed read has caused, until the next."""
_PATIENCE_S = 2.0
"""Time for which a reader waits for the check of a source that can be served as it was."""
_SHORT_PATIENCE_S = 0.1
"""The same for a store that is known to be away, and where clients are answered without it."""
_LOG = logging.getLogger(__name__)


class SourceChecks:
    """Finds out from time to time whether a source is still what it was.

    A source that cannot be checked is served as it was, for `Caching.stale_s`.

    Parameters
    ----------
    origin : Origin
        Where the source comes from.
    caching : Caching
        How long a check is valid.
    states : SourceStates
        Where what was found is, shared with other processes.
    counters : SourceCounters
        Counters of checks that fail.
    handles : SourceHandles
        Handles of the source, replaced by those that a check has opened.
    memory : SourceMemory
        What is known of the source while it cannot be opened.
    examine : function
        Opens the source and returns it with its version.
    is_patient : bool
        Whether a reader waits for a check while there is something to serve; not where clients are answered without
        the store.
    """

    def __init__(
        self,
        origin: Origin,
        caching: Caching,
        states: SourceStates,
        counters: SourceCounters,
        handles: SourceHandles,
        memory: SourceMemory,
        examine: Callable[[], tuple[ReadableSource, Version]],
        *,
        is_patient: bool = True,
    ) -> None:
        self.caching, self._is_patient = caching, is_patient
        self._origin, self._states, self._counters, self._handles = origin, states, counters, handles
        self._memory, self._examine = memory, examine
        self._checking, self._starting = Lock(), Lock()
        self._next_check = 0.0
        self._failure: tuple[float, Exception] | None = None
        self._background: tuple[float, Future[None]] | None = None

    def state(self) -> SourceState:
        """Return the state of the source, which is checked before if that is due.

        Raises
        ------
        VoxomeError, OSError
            If it cannot be opened, or cannot be checked for longer than `Caching.stale_s`.
        """
        state = self._known()
        if self._handles.current is None or state is None or self._needs_check(state):
            with self._origin.waiting():
                return self._checked(state)
        return state

    def is_current(self, array: CachedArray) -> bool:
        """Return whether an array is one of the source as it is now, as far as that is known without waiting."""
        state = self._states.peek(self._origin.identity)
        return (
            state is not None
            and (state.incarnation, state.epoch) == (array.incarnation, array.epoch)
            and (not self._origin.may_change or _age_s(state) < self.caching.ttl_s)
        )

    def oldest_epoch(self, state: SourceState) -> int:
        """Return the first epoch whose chunks are still served while the source cannot be reached."""
        return state.epoch - math.ceil(self.caching.stale_s / self.caching.ttl_s)

    @property
    def is_overdue(self) -> bool:
        """Whether the source could not be checked when that was due."""
        state = self._known()
        return state is not None and self._origin.may_change and _age_s(state) >= self.caching.ttl_s

    def check_now(self) -> bool:
        """Find out whether the source was replaced, once a second at most; return whether it was."""
        if time.monotonic() < self._next_check or not self._checking.acquire(blocking=False):
            return False
        try:
            before = self._known()
            self._next_check = time.monotonic() + _RETRY_S
            self._check(before)
        except (VoxomeError, OSError):
            return False
        finally:
            self._checking.release()
        after = self._known()
        return after is not None and (before is None or after.incarnation != before.incarnation)

    def _known(self) -> SourceState | None:
        return self._states.get(self._origin.identity)

    def _checked(self, state: SourceState | None) -> SourceState:
        """Check the source, once for all who wait; with something to serve, none waits for long."""
        if state is None or (self._handles.current is None and not self._recall(state)):
            self._check_first()
        else:
            begun, check = self._background_check()
            with suppress(TimeoutError):
                check.result(max(0.0, begun + self._patience_s(state) - time.monotonic()))
        found = self._known()
        if found is None or (self._origin.may_change and self._is_too_old(found)):
            raise StoreError("the source could not be checked for too long")
        return found

    def _patience_s(self, state: SourceState) -> float:
        if self._is_too_old(state):  # and cannot be served as it was
            return _PATIENCE_S
        return _PATIENCE_S if self._is_patient and not self._counters.is_away else _SHORT_PATIENCE_S

    def _check_first(self) -> None:
        begin = time.monotonic()
        with self._checking:
            if self._failure is not None and self._failure[0] >= begin:
                raise self._failure[1]
            current = self._known()
            if self._handles.current is None or current is None:
                self._check(current)

    def _background_check(self) -> tuple[float, Future[None]]:
        """Return when the check that is under way has begun, and its end; start one if there is none."""
        with self._starting:
            if self._background is None or self._background[1].done():
                self._background = (time.monotonic(), Future())
                run = copy_context().run
                Thread(target=run, args=(self._run_check, self._background[1]), daemon=True).start()
            return self._background

    def _run_check(self, ended: Future[None]) -> None:
        try:
            with self._checking:
                current = self._known()
                if current is None or self._needs_check(current):
                    self._check(current)
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def _recall(self, state: SourceState) -> bool:
        """Use what is known of the source until it is open; return whether that is enough."""
        if self._is_too_old(state):
            return False
        opened = self._memory.recall(state.incarnation, lambda number: self._open_level(state.incarnation, number))
        if opened is None:
            return False
        with self._handles.sending() as opened.hops:
            self._handles.replace(opened)
        return True

    def _open_level(self, incarnation: str, number: int) -> VolumeSource:
        """Return a level of a source that was only recalled, once its store can be opened.

        Raises
        ------
        TimeoutError
            If that takes longer than the store has to answer.
        VoxomeError, OSError
            If it cannot be opened.
        """
        most_s = None if math.isinf(self.caching.timeout_s) else self.caching.timeout_s
        with self._origin.waiting():
            for _ in range(2):  # a check that is under way may be that of requests which come through other relays
                self._background_check()[1].result(most_s)
                opened = self._handles.current
                if opened is not None and not opened.is_recalled:
                    level = opened.level(number) if opened.incarnation == incarnation else None
                    if not isinstance(level, VolumeSource):
                        raise StoreError("the source was replaced while its store was away; repeat the request")
                    return level
        raise StoreError("the source could not be opened since this relay has started")

    def _needs_check(self, state: SourceState) -> bool:
        """Return whether the source is to be checked, or opened if it is only recalled."""
        opened = self._handles.current
        is_open = opened is None or not opened.is_recalled
        return self._is_due(state) or (not is_open and time.monotonic() >= self._next_check)

    def _is_due(self, state: SourceState) -> bool:
        now = time.monotonic()
        return now - state.checked >= self.caching.ttl_s and now >= self._next_check and self._origin.may_change

    def _is_too_old(self, state: SourceState) -> bool:
        return _age_s(state) > self.caching.ttl_s + self.caching.stale_s

    def _check(self, state: SourceState | None) -> None:
        """Find out whether the source is still what it was; not to be able to is no reason to drop what is cached."""
        try:
            with self._handles.sending() as way:
                source, version = self._examine()
        except NotFound as error:
            self._failure = (time.monotonic(), error)
            self._counters.observe_error(error)
            self._handles.clear()
            if state is not None:
                self._put(SourceState.new(""))
            raise
        except (VoxomeError, OSError) as error:
            now = time.monotonic()
            self._failure, self._next_check = (now, error), now + _RETRY_S
            self._counters.observe_error(error)
            if self._handles.current is None or state is None or self._is_too_old(state):
                raise
            _LOG.warning("a source could not be checked, and is served as it was: %s", error)
            return
        self._counters.observe_success()
        if state is None or state.token != version.token:
            state = SourceState.new(version.token)
            self._put(state)
        elif version.pinned or version.covers_voxels:
            self._put(state.confirmed())
        elif self._is_due(state):
            self._put(state.expired())
        opened = OpenedSource(state.incarnation, source, hops=way)  # with the levels that the store has now
        self._handles.replace(opened)
        self._memory.keep_opened(opened)

    def _put(self, state: SourceState) -> None:
        self._states.put(self._origin.identity, state)


def _age_s(state: SourceState) -> float:
    return time.monotonic() - state.checked
