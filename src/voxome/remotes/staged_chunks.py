"""Voxels of a sharded array that are encoded, chunk by chunk, as they come, and stored in the shards together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.storage.tensorstore import result_of

Index = tuple[int, ...]
"""Position of a chunk in the grid of chunks, with the axes of the driver."""


class ChunksInShards(Protocol):
    """How the chunks of a sharded array are encoded, and where they are stored."""

    @property
    def plain(self) -> Mapping[str, Any]:
        """Spec, but for the store, of an array without shards whose chunks are the same, each in a file of its own."""

    def index(self, voxel: Sequence[int]) -> Index:
        """Return the index of the chunk of a voxel, with the axes of the driver."""

    def file(self, index: Index) -> str:
        """Return the name of the file of a chunk in the array without shards."""

    def pack(self, content: bytes) -> bytes:
        """Return what a shard has for the content of such a file."""

    def unpack(self, packed: bytes) -> bytes:
        """Return the content that was packed."""

    def store(self, chunks: Mapping[Index, bytes | None], transaction: ts.Transaction) -> None:
        """Add packed chunks to a transaction, and the removal of those that are None."""


@dataclass(frozen=True)
class _Part:
    """A chunk of which a part has come: all of its voxels, and which have come."""

    voxels: NDArray[Any]
    present: NDArray[np.bool_]


class StagedChunks:
    """Voxels that are not stored yet; chunks are encoded once all of their voxels have come.

    Parameters
    ----------
    shards : ChunksInShards
        Shards of the array.
    view : tensorstore.IndexTransform
        From the indices of a source to those of the driver.
    domain : Box
        All indices of the source.
    read : function
        Returns the stored voxels of a box.
    """

    def __init__(
        self, shards: ChunksInShards, view: ts.IndexTransform, domain: Box, read: Callable[[Box], NDArray[Any]]
    ) -> None:
        self._shards, self._view, self._domain, self._read = shards, view, domain, read
        own, memory = ts.Context(), {"driver": "memory"}
        spec = {**shards.plain, "kvstore": memory, "assume_metadata": True}
        self._files = result_of(ts.KvStore.open(memory, context=own))
        self._encoder = result_of(ts.open(spec, context=own))[view]
        self._chunk = tuple(self._encoder.chunk_layout.write_chunk.shape)
        self._encoded: dict[Box, bytes | None] = {}
        self._parts: dict[Box, _Part] = {}
        self._lock = Lock()

    def put(self, box: Box, values: NDArray[Any]) -> None:
        """Collect voxels of a box inside the domain; several threads may do so, for boxes that do not overlap."""
        for block in BlockGrid(self._domain, self._chunk, box):
            chunk, part = self._chunk_of(block.write), values[block.write.within(box)]
            if chunk == block.write:
                self._encode(chunk, part)
                continue
            with self._lock:
                complete = self._add(chunk, block.write, part)
            if complete is not None:
                self._encode(chunk, complete)

    def store(self) -> None:
        """Store all of it; of the chunks of which only a part has come, the rest stays as it is in the store."""
        for chunk, part in list(self._parts.items()):
            np.copyto(part.voxels, self._read(chunk), where=~part.present)
            self._encode(chunk, part.voxels)
        with ts.Transaction() as transaction:
            self._shards.store({self._index(chunk): packed for chunk, packed in self._encoded.items()}, transaction)

    def _add(self, chunk: Box, box: Box, values: NDArray[Any]) -> NDArray[Any] | None:
        """Add a part of a chunk; return all voxels of the chunk once they have come."""
        part = self._parts.get(chunk)
        if part is None:
            if chunk in self._encoded:
                part = _Part(self._decode(chunk), np.ones(chunk.shape, np.bool_))
            else:
                part = _Part(np.empty(chunk.shape, values.dtype), np.zeros(chunk.shape, np.bool_))
            self._parts[chunk] = part
        part.voxels[box.within(chunk)] = values
        part.present[box.within(chunk)] = True
        return part.voxels if part.present.all() else None

    def _encode(self, chunk: Box, voxels: NDArray[Any]) -> None:
        """Encode a chunk; one that has only the fill value is none."""
        result_of(self._encoder[_slices(chunk)].write(voxels))
        file = self._shards.file(self._index(chunk))
        found = result_of(self._files.read(file))
        packed = self._shards.pack(bytes(found.value)) if found.state == "value" else None
        del self._files[file]
        with self._lock:
            self._encoded[chunk] = packed
            self._parts.pop(chunk, None)

    def _decode(self, chunk: Box) -> NDArray[Any]:
        """Return the voxels of a chunk that is encoded already."""
        packed, file = self._encoded[chunk], self._shards.file(self._index(chunk))
        if packed is not None:
            self._files[file] = self._shards.unpack(packed)
        voxels: NDArray[Any] = result_of(self._encoder[_slices(chunk)].read(order="C"))
        if packed is not None:
            del self._files[file]
        return voxels

    def _chunk_of(self, box: Box) -> Box:
        """Return the chunk, as far as it is in the domain, that a box is in."""
        first = self._domain.start
        start = tuple(a - (a - low) % n for a, low, n in zip(box.start, first, self._chunk, strict=True))
        return Box.of_shape(self._chunk, start) & self._domain

    def _index(self, chunk: Box) -> Index:
        return self._shards.index(self._view(chunk.start))


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
