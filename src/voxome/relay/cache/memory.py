"""The memory tier of the cache."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.kept_file import KeptFile


class MemoryTier:
    """Chunks in memory; the least recently used are dropped. Its methods may be called from several threads.

    Files of a chunk are kept with it, by their paths, and dropped with it.

    Parameters
    ----------
    budget : int
        Bytes of voxels and files that it holds at most.
    gauge : (1,) array of float64, optional
        Where it says how many it holds.
    """

    def __init__(self, budget: int, gauge: NDArray[np.float64] | None = None) -> None:
        self.budget = budget
        self._gauge = np.zeros(1) if gauge is None else gauge
        self._chunks: OrderedDict[bytes, CachedChunk] = OrderedDict()
        self._files: dict[str, tuple[bytes, KeptFile]] = {}
        self._paths: dict[bytes, list[str]] = {}
        self._bytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels and files in it."""
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

    def keep_file(self, key: bytes, path: str, file: KeptFile) -> None:
        """Keep a file of a chunk, if that is here, and there is room for both."""
        with self._lock:
            if self._chunks.get(key) is not file.chunk:
                return
            self._forget_file(path)
            if file.chunk.voxels.nbytes + self._bytes_of_files(key) + file.nbytes > self.budget:
                return
            self._chunks.move_to_end(key)
            self._files[path] = (key, file)
            self._paths.setdefault(key, []).append(path)
            self._bytes += file.nbytes
            while self._bytes > self.budget:
                self._drop(next(iter(self._chunks)))
            self._gauge[0] = self._bytes

    def get_file(self, path: str) -> KeptFile | None:
        """Return the file that has a path; None if it is not here."""
        with self._lock:
            found = self._files.get(path)
            if found is None:
                return None
            self._chunks.move_to_end(found[0])
            return found[1]

    def drop(self, key: bytes) -> None:
        """Drop the chunk of `key`, if it is here."""
        with self._lock:
            self._drop(key)
            self._gauge[0] = self._bytes

    def _drop(self, key: bytes) -> None:
        dropped = self._chunks.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped.voxels.nbytes + self._bytes_of_files(key)
            for path in self._paths.pop(key, ()):
                del self._files[path]

    def _forget_file(self, path: str) -> None:
        if path in self._files:
            key, file = self._files.pop(path)
            self._paths[key].remove(path)
            self._bytes -= file.nbytes

    def _bytes_of_files(self, key: bytes) -> int:
        return sum(self._files[path][1].nbytes for path in self._paths.get(key, ()))
