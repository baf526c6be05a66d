"""Handles of a source that is open, and of its levels."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import Scale
from voxome.relay.cache.array import CachedArray
from voxome.relay.lazy import lazy
from voxome.relay.source_entry import ReadableSource
from voxome.storage.hops import UNNAMED, hops, through

_MOST_OWN = 8
"""Ways, through other relays, by which requests come and that have handles of their own."""


@dataclass
class OpenedSource:
    """Handles of one incarnation of a source, and its levels when it was opened.

    Attributes
    ----------
    incarnation : str
        The incarnation.
    source : ReadableSource
        Its finest level.
    levels : dict of int to ReadableSource
        Other levels that are open.
    arrays : dict of int to CachedArray
        Levels as they are cached.
    hops : tuple of str
        Relays that the handles name to the store.
    is_recalled : bool
        Whether the store could not be opened yet, and is known from the index of the cache.
    """

    incarnation: str
    source: ReadableSource
    levels: dict[int, ReadableSource] = field(default_factory=dict)
    arrays: dict[int, CachedArray] = field(default_factory=dict)
    hops: tuple[str, ...] = ()
    is_recalled: bool = False
    _opening: dict[int, Future[ReadableSource]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @lazy
    def pyramid(self) -> SupportsLevels | None:
        """Return the source as a pyramid, if it is one."""
        return ability(self.source, SupportsLevels)

    @lazy
    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels, which a store may read from its metadata at each call."""
        return ((1, 1, 1),) if self.pyramid is None else tuple(level.scale for level in self.pyramid.levels)

    def level(self, number: int) -> ReadableSource | None:
        """Return a level, opened when it is first used, once for all who wait for it; None if it does not exist."""
        if number == 0:
            return self.source
        if number not in self.levels:
            pyramid = self.pyramid
            if pyramid is None or not 0 < number < len(self.scales):
                return None
            with self._lock:
                is_first = number not in self.levels and number not in self._opening
                opening = self._opening.setdefault(number, Future()) if is_first else self._opening.get(number)
            if opening is not None:
                if is_first:
                    self._open_level(pyramid, number, opening)
                return opening.result()
        return self.levels[number]

    def _open_level(self, pyramid: SupportsLevels, number: int, opening: Future[ReadableSource]) -> None:
        """Open a level, with no lock held: others may have those that are open."""
        try:
            with through(self.hops):
                opened = pyramid.level(number)
        except BaseException as error:
            opening.set_exception(error)
        else:
            self.levels[number] = opened
            opening.set_result(opened)
        finally:
            with self._lock:
                del self._opening[number]


class SourceHandles:
    """Handles of a source by the hops of requests: a handle sends those with which it was opened.

    Anybody can make up hops. So the first ways by which requests come have handles that name their relays, which finds
    loops at once, and keep them; all others share handles, one for each number of relays, that name only this relay.
    A loop then ends when it is too long.

    Attributes
    ----------
    opening : Lock
        Held while the source is opened again.
    """

    def __init__(self) -> None:
        self.opening = Lock()
        self._by_hops: dict[tuple[str, ...], OpenedSource] = {}

    @property
    def current(self) -> OpenedSource | None:
        """Handles for the current request; None if there are none."""
        known = self._by_hops.get(hops())
        return self._by_hops.get(self._way) if known is None else known

    @contextmanager
    def sending(self) -> Iterator[tuple[str, ...]]:
        """Yield the hops that new handles for the current request send, and send them inside the context."""
        way = self._way
        with through(way):
            yield way

    def replace(self, opened: OpenedSource) -> None:
        """Use other handles for requests of which the hops are those of `opened`."""
        self._by_hops[opened.hops] = opened

    def clear(self) -> None:
        """Forget all handles."""
        self._by_hops.clear()

    @property
    def _way(self) -> tuple[str, ...]:
        way = hops()
        if len(way) < 2 or way in self._by_hops or len(self._by_hops) < _MOST_OWN:
            return way
        return (*[UNNAMED] * (len(way) - 1), way[-1])
