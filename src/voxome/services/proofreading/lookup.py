"""Look-up of the segments of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.sorted_table import SortedTable, insert_rows, set_segments

_DENSE_IDS = 1 << 25
"""Largest id for which a table with a place for every id is kept, of 256 MB."""
_CACHE_BITS = 18
"""Logarithm of the places of a cache, of 6 MB."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ divided by the golden ratio."""
_SLAB = 1 << 15
"""Voxels that are looked up at once, so that they stay in the cache of the processor."""


class Lookup(Protocol):
    """Segments by the ids in the voxels; 0, the background, is kept."""

    def updated(self, segments: Mapping[int, int]) -> Lookup:
        """Set the segments of some ids, and return the look-up that has them from now on."""

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        """Replace ids by their segments, in place.

        Raises
        ------
        UnknownId
            If one has no segment.
        """


class UnknownId(LookupError):
    """An id without a segment.

    Parameters
    ----------
    id : int
        The id.
    """

    def __init__(self, id: int) -> None:
        self.id = id


def make_lookup(start: Supervoxels) -> Lookup:
    """Return the look-up of the mapping at the start."""
    segments = start.ids if start.segments is None else start.segments
    largest = int(start.ids[-1]) if len(start.ids) else 0
    return (DenseLookup if largest < _DENSE_IDS else SparseLookup)(start.ids, segments)


class DenseLookup:
    """Table with a place for every id; 0 where there is no such id, as in the last place.

    Parameters
    ----------
    ids : (n,) array of uint64
        Ids, sorted.
    segments : (n,) array of uint64
        Their segments.
    """

    def __init__(self, ids: NDArray[np.uint64], segments: NDArray[np.uint64]) -> None:
        largest = int(ids[-1]) if len(ids) else 0
        self._table = np.zeros(2 * largest + 1024, np.uint64)
        self._table[ids] = segments

    def updated(self, segments: Mapping[int, int]) -> Lookup:
        rows = _rows(segments)
        if not len(rows):
            return self
        largest = int(rows[:, 0].max())
        if largest >= _DENSE_IDS:
            ids = np.flatnonzero(self._table)
            return SparseLookup(ids.astype(np.uint64), self._table[ids]).updated(segments)
        if largest + 1 >= len(self._table):
            self._table = np.concatenate([self._table, np.zeros(2 * largest + 1024 - len(self._table), np.uint64)])
        self._table[rows[:, 0]] = rows[:, 1]
        return self

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        for slab in _slabs(voxels):
            segments = np.take(self._table, slab.view(np.int64), mode="clip")
            if np.count_nonzero(segments) != np.count_nonzero(slab):
                raise UnknownId(int(slab[(segments == 0) & (slab != 0)][0]))
            slab[...] = segments


class SparseLookup:
    """Sorted table of the ids at the start, one of those that came later, by splits, and a cache.

    Each id has one place in the cache, which it shares with others: what was looked up last stays there.

    Parameters
    ----------
    ids : (n,) array of uint64
        Ids, sorted.
    segments : (n,) array of uint64
        Their segments.
    """

    def __init__(self, ids: NDArray[np.uint64], segments: NDArray[np.uint64]) -> None:
        self._start, self._added = (ids, segments), (np.empty(0, np.uint64), np.empty(0, np.uint64))
        self._shared = True
        self._cached_ids, self._cached_segments = (np.zeros(1 << _CACHE_BITS, np.uint64) for _ in range(2))
        self._numbers = np.empty(1 << _CACHE_BITS, np.intp)

    def updated(self, segments: Mapping[int, int]) -> Lookup:
        rows = _rows(segments)
        if len(rows):
            places = _places(rows[:, 0])
            self._cached_ids[places] = self._cached_segments[places] = 0
            rows = set_segments(self._added, set_segments(self._own_start(), rows))
            self._added = insert_rows(self._added, rows)
        return self

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        for slab in _slabs(voxels):
            starts = np.concatenate([[0], np.flatnonzero(slab[1:] != slab[:-1]) + 1])
            ids = slab[starts]
            places = _places(ids)
            segments = np.take(self._cached_segments, places)
            rest = np.flatnonzero(np.take(self._cached_ids, places) != ids)
            while len(rest):
                missing, at = ids[rest], places[rest]
                self._load(missing, at)
                is_there = self._cached_ids[at] == missing
                segments[rest[is_there]] = self._cached_segments[at[is_there]]
                rest = rest[~is_there]
            if (segments != ids).any():
                slab[...] = np.repeat(segments, np.diff(starts, append=len(slab)))

    def _load(self, ids: NDArray[np.uint64], places: NDArray[np.int64]) -> None:
        """Put one of the ids that share a place into the cache, for each place."""
        numbers = np.arange(len(ids))
        self._numbers[places] = numbers
        is_last = self._numbers[places] == numbers
        ids, places = ids[is_last], places[is_last]
        segments = np.zeros(len(ids), np.uint64)
        for table in (self._start, self._added):
            _look_up(ids, table, segments)
        unknown = (segments == 0) & (ids != 0)
        if unknown.any():
            raise UnknownId(int(ids[unknown].min()))
        self._cached_ids[places], self._cached_segments[places] = ids, segments

    def _own_start(self) -> SortedTable:
        """Return the table of the start, with segments that nobody else uses."""
        if self._shared:
            self._start, self._shared = (self._start[0], self._start[1].copy()), False
        return self._start


def _places(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places of ids in a cache, by Fibonacci hashing; that of 0 is 0."""
    return ((ids * _GOLDEN) >> np.uint64(64 - _CACHE_BITS)).view(np.int64)


def _look_up(ids: NDArray[np.uint64], table: SortedTable, segments: NDArray[np.uint64]) -> None:
    """Write the segments of the ids that a table has."""
    keys, values = table
    if len(keys):
        at = np.minimum(np.searchsorted(keys, ids), len(keys) - 1)
        has = keys[at] == ids
        segments[has] = values[at[has]]


def _rows(segments: Mapping[int, int]) -> NDArray[np.uint64]:
    return np.array(list(segments.items()), np.uint64).reshape(-1, 2)


def _slabs(voxels: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    """Yield views of consecutive voxels of a contiguous array."""
    flat = voxels.reshape(-1)
    for start in range(0, len(flat), _SLAB):
        yield flat[start : start + _SLAB]
