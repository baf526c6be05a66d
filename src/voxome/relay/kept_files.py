"""Files of chunks in memory, which need no thread, store or codec to be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import VoxomeError
from voxome.geometry import Box
from voxome.relay.access_log import note
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.answer import Answer, whole_response
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.kept_file import RECORD_BYTES, KeptFile
from voxome.relay.memory import MemoryExhausted, hold
from voxome.relay.upstream import Upstream
from voxome.relay.writes.write_back import WriteBack


class KeptFiles:
    """Files of chunks in memory, by their paths in URLs.

    One is sent only if everything is as if it were computed: the caller may read the source, which was checked in time
    and not replaced, the chunk was not written, and no other name is served since. Whatever must be waited for is left
    to the ordinary way. Only chunks of stored sources are kept, not those of versions and virtual layers.

    Parameters
    ----------
    cache : ChunkCache or None
        Cache of the chunks.
    upstreams, layers : mapping
        Stored sources and virtual layers by name.
    writes : WriteBack or None
        Writes that stores may not have.
    """

    def __init__(
        self,
        cache: ChunkCache | None,
        upstreams: Mapping[str, Upstream],
        layers: Mapping[str, object],
        writes: WriteBack | None,
    ) -> None:
        self._cache, self._upstreams, self._layers, self._writes = cache, upstreams, layers, writes

    def keep(
        self,
        path: str,
        name: str,
        level: int,
        box: Box,
        voxels: NDArray[Any],
        answer: Answer,
        content: bytes | bytearray | memoryview,
    ) -> None:
        """Keep a file, if it is that of one chunk of the cache.

        Parameters
        ----------
        path : str
            Path of its URL.
        name : str
            Name of the source.
        level : int
            Level of the pyramid.
        box : Box
            Where its voxels are.
        voxels : array
            What the source has returned for `box`; memory of the cache itself, or the file is not kept.
        answer : Answer
            The file with these voxels.
        content : bytes-like
            All of the file.
        """
        entry = self._upstreams.get(name)
        if self._cache is None or entry is None or not entry.is_cached:
            return
        try:
            array = entry.array(level)
        except (VoxomeError, OSError):  # the voxels were read before
            return
        found = None if array is None else self._cache.chunk_of(array, box, voxels)
        if array is None or found is None or self._is_watched(entry):
            return
        index, chunk = found
        response = whole_response(answer, public=PUBLIC in entry.rights.readers)
        nbytes = RECORD_BYTES + (0 if np.may_share_memory(np.frombuffer(content, np.uint8), voxels) else len(content))
        kept = KeptFile(name, self._names, array, index, box, chunk, answer, response, nbytes)
        self._cache.memory.keep_file(array.key(index), path, kept)

    def __contains__(self, path: str) -> bool:
        """Return whether a file is kept, valid or not."""
        return self._cache is not None and self._cache.memory.get_file(path) is not None

    def read(self, path: str, caller: Caller) -> KeptFile | None:
        """Return a file, which counts as a read of its source; None if it has to be computed, or refused."""
        kept = None if self._cache is None else self._cache.memory.get_file(path)
        entry = None if kept is None else self._upstreams.get(kept.source)
        if (
            self._cache is None
            or kept is None
            or entry is None
            or not entry.rights.may_read(caller)
            or kept.names != self._names
            or not entry.is_current(kept.array)
            or not self._cache.is_valid(kept.array, kept.index, kept.chunk)
            or self._is_watched(entry)
        ):
            return None
        try:
            hold(kept.chunk.voxels.nbytes)
        except MemoryExhausted:
            return None
        note(source=kept.source)
        self._cache.count_hit(kept.array)
        if entry.prefetches:
            self._cache.note_read(kept.array, kept.box)
        entry.counters.add("read_bytes", kept.chunk.voxels.nbytes)
        return kept

    @property
    def _names(self) -> int:
        return len(self._upstreams) + len(self._layers)

    def _is_watched(self, entry: Upstream) -> bool:
        return self._writes is not None and self._writes.watches(entry.identity)
