"""Chunks inside the shards of zarr v3, still encoded."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import tensorstore as ts

from voxome.errors import CorruptData
from voxome.remotes.zarr.chunk_keys import Key
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of

_OPEN_SHARDS = 64
_DECODERS = 4


class Shards:
    """The shards of an array, of which tensorstore reads the indices and the bytes of chunks.

    It does so in a context of its own: indices are decoded by threads of limited number, and those of the context that
    all stores share may all be waiting for one.

    Parameters
    ----------
    folder : StoragePath
        The array.
    key : function
        Names a shard.
    sharding : mapping
        Configuration of the codec ``sharding_indexed``, normalized.
    shard : tuple of int
        Shape of a shard in voxels.

    Raises
    ------
    ValueError
        If shards are not multiples of chunks.
    """

    def __init__(self, folder: StoragePath, key: Key, sharding: Mapping[str, Any], shard: tuple[int, ...]) -> None:
        self.chunk: tuple[int, ...] = tuple(sharding["chunk_shape"])
        self._grid = tuple(whole // part for whole, part in zip(shard, self.chunk, strict=True))
        if any(whole % part for whole, part in zip(shard, self.chunk, strict=True)):
            raise ValueError(f"shards of {shard} are not multiples of chunks of {self.chunk}")
        self._folder, self._key = folder, key
        self._context = ts.Context({"data_copy_concurrency": {"limit": _DECODERS}})
        self._spec = {
            "driver": "zarr3_sharding_indexed",
            "grid_shape": list(self._grid),
            "index_codecs": sharding["index_codecs"],
            "index_location": sharding.get("index_location", "end"),
        }
        self._open = lru_cache(_OPEN_SHARDS)(self._open_shard)

    def read(self, index: tuple[int, ...]) -> bytes | None:
        """Return the encoded chunk of an index in the grid of chunks; None if it is not stored.

        Raises
        ------
        CorruptData
            If the index of its shard cannot be decoded.
        """
        shard, inside = self._split(index)
        with map_errors(f"{self._folder}/{self._key(shard)}", invalid=CorruptData):
            found = result_of(self._open(shard).read(struct.pack(f">{len(inside)}I", *inside)))
        return bytes(found.value) if found.state == "value" else None

    def name(self, index: Sequence[int]) -> str:
        """Return what to call a chunk."""
        shard, inside = self._split(index)
        return f"{self._key(shard)}, chunk {inside}"

    def _split(self, index: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the index of the shard of a chunk, and that of the chunk inside it."""
        pairs = [divmod(i, n) for i, n in zip(index, self._grid, strict=True)]
        return tuple(shard for shard, _ in pairs), tuple(inside for _, inside in pairs)

    def _open_shard(self, index: tuple[int, ...]) -> ts.KvStore:
        base = self._folder.spec()
        file = {**base, "path": f"{base['path']}{self._key(index)}"}
        return result_of(ts.KvStore.open({**self._spec, "base": file}, context=self._context))
