"""Chunks of the cache that a write replaces, kept for a time when their store cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.entry import CachedChunk


class ReplacedChunks:
    """What is known of chunks after a write without reading them: what was cached, with what was written over it.

    The word of the store counts while it can be read, which need not have what was written to it voxel by voxel (a
    lossy codec). So they are kept as stale chunks, which are served only when it cannot.

    Parameters
    ----------
    cache : ChunkCache
        The cache.
    array : CachedArray
        The array that is about to be written.
    box : Box
        Voxels that will be written.
    is_alone : bool
        Whether nobody else writes `covered(array, box)` before `keep` has returned; else only the chunks are known
        all of whose voxels are written.
    """

    def __init__(self, cache: ChunkCache, array: CachedArray, box: Box, *, is_alone: bool) -> None:
        self._cache, self._array, self._box, self._is_alone = cache, array, box, is_alone
        self._source = cache.generations.of_source(array.source)
        self._before = {index: array.generation(index, cache.generations) for index in array.grid.touching(box)}

    def keep(self, written: NDArray[Any]) -> list[int]:
        """Keep the chunks after the write; return those that only the store has.

        Parameters
        ----------
        written : array
            The voxels of the box. The chunks have new generations already.
        """
        unknown = []
        for index, before in self._before.items():
            generation = self._array.generation(index, self._cache.generations)
            if self._cache.generations.of_source(self._array.source) != self._source:
                return list(self._before)  # any chunk may have changed since
            known = self._merge(index, before, written)
            if known is None:
                unknown.append(index)
            else:
                voxels, epoch = known
                voxels.flags.writeable = False
                self._put(index, CachedChunk(voxels, generation, min(epoch, self._array.epoch - 1)))
        return unknown

    def _merge(self, index: int, before: int, written: NDArray[Any]) -> tuple[NDArray[Any], int] | None:
        """Return the voxels of a chunk after the write and their epoch; None if some are not known."""
        chunk_box = self._array.grid[index].write
        part = chunk_box & self._box
        if part == chunk_box:
            return np.array(written[part.within(self._box)], order="C"), self._array.epoch
        base = self._cache.chunk_at(self._array, index, before) if self._is_alone else None
        if base is None:
            return None
        voxels = base.voxels.copy()
        voxels[part.within(chunk_box)] = written[part.within(self._box)]
        return voxels, base.epoch

    def _put(self, index: int, chunk: CachedChunk) -> None:
        key, disk = self._array.key(index), self._cache.disk
        if disk is None or not disk.put(key, chunk):
            self._cache.memory.put(key, chunk)


def covered(array: CachedArray, box: Box) -> Box:
    """Return all voxels of the chunks that a box touches."""
    grid = array.grid
    return box.shift([-n for n in grid.anchor]).snap(grid.block).shift(grid.anchor) & grid.domain
