"""Handles of a source that is open, and of its levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import Scale
from voxome.relay.cache.array import CachedArray
from voxome.relay.lazy import lazy
from voxome.relay.source_entry import ReadableSource
from voxome.storage.hops import hops

_MOST_HANDLES = 8
"""Ways, through other relays, by which requests come and for which a source is open at the same time."""


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
    """

    incarnation: str
    source: ReadableSource
    levels: dict[int, ReadableSource] = field(default_factory=dict)
    arrays: dict[int, CachedArray] = field(default_factory=dict)

    @lazy
    def pyramid(self) -> SupportsLevels | None:
        """Return the source as a pyramid, if it is one."""
        return ability(self.source, SupportsLevels)

    @lazy
    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels, which a store may read from its metadata at each call."""
        return ((1, 1, 1),) if self.pyramid is None else tuple(level.scale for level in self.pyramid.levels)

    def level(self, number: int) -> ReadableSource | None:
        """Return a level, opened when it is first used; None if it does not exist."""
        if number == 0:
            return self.source
        if number not in self.levels and self.pyramid is not None and 0 < number < len(self.scales):
            self.levels[number] = self.pyramid.level(number)
        return self.levels.get(number)


class SourceHandles:
    """Handles of a source by the hops of requests: a handle sends those with which it was opened.

    Attributes
    ----------
    lock : RLock
        Held while handles are opened or replaced.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self._by_hops: dict[tuple[str, ...], OpenedSource] = {}

    @property
    def current(self) -> OpenedSource | None:
        """Handles that send the hops of the current request; None if there are none."""
        return self._by_hops.get(hops())

    def replace(self, opened: OpenedSource) -> None:
        """Use other handles for requests with the hops of the current one."""
        while len(self._by_hops) >= _MOST_HANDLES:
            del self._by_hops[next(iter(self._by_hops))]
        self._by_hops[hops()] = opened

    def clear(self) -> None:
        """Forget all handles."""
        self._by_hops.clear()
