"""The memory tier of the cache."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from voxome.relay.cache.entry import CachedChunk


class MemoryTier:
    """Chunks in memory; the least recently used are dropped. Its methods may be called from several threads.

    Parameters
    ----------
    budget : int
        Bytes of voxels that it holds at most.
    gauge : (1,) array of float64, optional
        Where it says how many it holds.
    """

    def __init__(self, budget: int, gauge: NDArray[np.float64] | None = None) -> None:
        self.budget = budget
        self._gauge = np.zeros(1) if gauge is None else gauge
        self._chunks: OrderedDict[bytes, CachedChunk] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels in it."""
        return self._bytes

    def get(self, key: bytes) -> CachedChunk | None:
        """Return the chunk of `key`; None if it is not here."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: bytes, chunk: CachedChunk) -> bool:
        """Keep a chunk, and drop others until the budget holds; return whether it fits at all."""
        with self._lock:
            self._drop(key)
            if chunk.voxels.nbytes > self.budget:
                return False
            self._chunks[key] = chunk
            self._bytes += chunk.voxels.nbytes
            while self._bytes > self.budget:
                self._drop(next(iter(self._chunks)))
            self._gauge[0] = self._bytes
            return True

    def drop(self, key: bytes) -> None:
        """Drop the chunk of `key`, if it is here."""
        with self._lock:
            self._drop(key)
            self._gauge[0] = self._bytes

    def _drop(self, key: bytes) -> None:
        dropped = self._chunks.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped.voxels.nbytes
