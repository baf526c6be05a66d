"""Reads of a source: its voxels through the journal and the cache, and its abilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, ability
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, NotFound, StoreError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.replaced import ReplacedChunks
from voxome.relay.cache.status import record
from voxome.relay.source_entry import ReadableSource, SourceEntry
from voxome.relay.source_errors import SourceUnavailable, open_errors, store_errors
from voxome.relay.writes.write_back import WriteBack

T = TypeVar("T")


class _NotAtHand(Exception):
    """The store behind a source has to be read."""


class SourceReader:
    """Reads voxels of sources.

    Parameters
    ----------
    cache : ChunkCache or None
        Cache of the sources that are cached.
    writes : WriteBack or None
        Writes that the stores do not have yet, which are laid over what they have.
    """

    def __init__(self, cache: ChunkCache | None, writes: WriteBack | None) -> None:
        self._cache, self._writes = cache, writes

    def is_cached(self, entry: SourceEntry) -> bool:
        """Return whether a source is read through the cache."""
        return self._cache is not None and entry.is_cached

    def array(self, entry: SourceEntry, level: int) -> CachedArray | None:
        """Return a level as it is cached; None if it is not."""
        return entry.array(level) if self.is_cached(entry) else None

    def replaced(self, array: CachedArray, box: Box, *, is_alone: bool) -> ReplacedChunks | None:
        """Return the cached chunks that a write to a box replaces; see `ReplacedChunks`."""
        return None if self._cache is None or box.empty else ReplacedChunks(self._cache, array, box, is_alone=is_alone)

    def fetch_ahead(self, entry: SourceEntry, array: CachedArray, chunks: Sequence[int]) -> None:
        """Fetch chunks into the cache when nobody waits for the source, unless it is configured not to prefetch."""
        if self._cache is not None and entry.prefetches:
            self._cache.fetch_ahead(array, chunks)

    def read(self, entry: SourceEntry, box: Box, level: int, *, cached: bool = True) -> NDArray[Any]:
        """Return the voxels of a box of a level; the array may not be writable.

        Unless `cached`, they are read from the store; those of virtual layers are cached always.

        Raises
        ------
        VoxomeError, OSError
            If the store fails.
        """
        try:
            return self._read_once(entry, box, level, cached)
        except (CorruptData, NotFound):
            if not entry.check():
                raise
            return self._read_once(entry, box, level, cached)  # the source was replaced; its metadata were the old ones

    def read_at_hand(self, entry: SourceEntry, box: Box, level: int, spec: VolumeSpec) -> NDArray[Any] | None:
        """Return the voxels of a box of a level that are in the cache or the journal; None if not all are there."""

        def read_cache(part: Box) -> NDArray[Any]:
            array = self.array(entry, level)
            found = None if self._cache is None or array is None else self._cache.read_at_hand(array, part)
            if found is None:
                raise _NotAtHand
            return found

        with suppress(_NotAtHand):
            if self._writes is None or not self._writes.has_writes(entry.identity):
                return read_cache(box)
            return self._writes.read(entry.identity, level, spec, box, read_cache)
        return None

    def _read_once(self, entry: SourceEntry, box: Box, level: int, cached: bool) -> NDArray[Any]:
        if self._writes is None or box.empty or not self._writes.has_writes(entry.identity):
            return self._read_store(entry, box, level, cached)
        source = _open_level(entry, level)
        record("hit")  # by the journal; what the store has to add is recorded too
        return self._writes.read(
            entry.identity, level, source.spec, box, lambda part: self._read_store(entry, part, level, cached)
        )

    def _read_store(self, entry: SourceEntry, box: Box, level: int, cached: bool) -> NDArray[Any]:
        through_cache = self.is_cached(entry) and not box.empty and (cached or entry.depth > 0)
        array = entry.array(level) if through_cache else None
        if self._cache is not None and array is not None:
            voxels = self._cache.read(array, box)
            if entry.prefetches:
                self._cache.note_read(array, box)
            return voxels
        source = _open_level(entry, level)
        record("bypass")
        try:
            return entry.read(source, box)
        except (StoreError, OSError) as error:
            entry.counters.observe_error(error)
            raise


def use_ability(name: str, entry: SourceEntry, protocol: type[Ability], action: Callable[[Ability], T]) -> T | None:
    """Return what `action` does with an ability of a source; None if the source does not have it.

    Raises
    ------
    NotFound
        If the action looks for something that does not exist.
    SourceUnavailable
        If the store behind the source fails.
    """
    with open_errors(name):
        source = entry.open()
    try:
        with store_errors(name, "read"):
            provided = ability(source, protocol)
            if provided is None:
                return None
            with entry.waiting():
                return action(provided)
    except SourceUnavailable as error:
        if isinstance(error.__cause__, NotFound):
            raise NotFound(f"the source {name} has nothing of this id") from error
        raise


def _open_level(entry: SourceEntry, level: int) -> ReadableSource:
    source = entry.open_level(level)
    if source is None:
        raise StoreError(f"level {level} no longer exists")
    return source
