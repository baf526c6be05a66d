"""Look-up of the segments of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxome.services.proofreading.mapping import Supervoxels

_DENSE_IDS = 1 << 25
"""Largest id for which a table with a place for every id is kept, of 256 MB."""
_SLAB = 1 << 15
"""Voxels that are looked up at once, so that they stay in the cache of the processor."""


class Lookup(Protocol):
    """Segments by the ids in the voxels."""

    def update(self, segments: Mapping[int, int]) -> None:
        """Set the segments of some ids."""

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        """Replace ids by their segments, in place."""


def make_lookup(start: Supervoxels) -> Lookup:
    """Return the look-up of the mapping at the start; ids that it does not have keep their value."""
    largest = int(start.ids[-1]) if len(start.ids) else 0
    return DenseLookup(start, largest) if largest < _DENSE_IDS else SparseLookup(start)


class DenseLookup:
    """Table with a place for every id.

    Parameters
    ----------
    start : Supervoxels
        The mapping at the start.
    largest : int
        Largest id.
    """

    def __init__(self, start: Supervoxels, largest: int) -> None:
        self._table = np.arange(2 * largest + 1024, dtype=np.uint64)
        if start.segments is not None:
            self._table[start.ids] = start.segments

    def update(self, segments: Mapping[int, int]) -> None:
        rows = np.array(list(segments.items()), np.uint64).reshape(-1, 2)
        if not len(rows):
            return
        largest, size = int(rows[:, 0].max()), len(self._table)
        if largest >= size:
            self._table = np.concatenate([self._table, np.arange(size, 2 * largest, dtype=np.uint64)])
        self._table[rows[:, 0]] = rows[:, 1]

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        for slab in _slabs(voxels):
            np.take(self._table, slab.view(np.int64), out=slab, mode="clip")


class SparseLookup:
    """Sorted table of the ids whose segment is another one.

    Parameters
    ----------
    start : Supervoxels
        The mapping at the start.
    """

    def __init__(self, start: Supervoxels) -> None:
        self._ids = np.empty(0, np.uint64) if start.segments is None else start.ids
        self._segments = np.empty(0, np.uint64) if start.segments is None else start.segments

    def update(self, segments: Mapping[int, int]) -> None:
        rows = np.array(list(segments.items()), np.uint64).reshape(-1, 2)
        ids = np.concatenate([rows[:, 0], self._ids])
        values = np.concatenate([rows[:, 1], self._segments])
        self._ids, first = np.unique(ids, return_index=True)
        self._segments = values[first]

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        if not len(self._ids):
            return
        for slab in _slabs(voxels):
            starts = np.flatnonzero(slab[1:] != slab[:-1]) + 1
            starts = np.concatenate([[0], starts])
            encoded: Any = pc.dictionary_encode(pa.array(slab[starts]))
            ids = encoded.dictionary.to_numpy()
            at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
            segments = np.where(self._ids[at] == ids, self._segments[at], ids)
            if (segments != ids).any():
                values = segments[encoded.indices.to_numpy()]
                slab[...] = np.repeat(values, np.diff(starts, append=len(slab)))


def _slabs(voxels: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    """Yield views of consecutive voxels of a contiguous array."""
    flat = voxels.reshape(-1)
    for start in range(0, len(flat), _SLAB):
        yield flat[start : start + _SLAB]
