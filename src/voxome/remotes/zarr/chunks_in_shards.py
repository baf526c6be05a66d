"""Chunks of a sharded array of zarr v3: how they are encoded, and where in which shard they are."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.remotes.staged_chunks import Index
from voxome.remotes.zarr.chunk_keys import chunk_key
from voxome.storage.tensorstore import context, result_of


class ZarrChunks:
    """Chunks in shards whose only codec is ``sharding_indexed``.

    Parameters
    ----------
    spec : mapping
        Spec of the array.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        document = spec["metadata"]
        ((codec,), grid) = document["codecs"], document["chunk_grid"]["configuration"]
        sharding = codec["configuration"]
        self._base = spec["kvstore"]
        self._key = chunk_key({**document, "chunk_key_encoding": _complete(document["chunk_key_encoding"])})
        self._chunk: Index = tuple(sharding["chunk_shape"])
        self._grid = tuple(whole // part for whole, part in zip(grid["chunk_shape"], self._chunk, strict=True))
        self._adapter = {
            "driver": "zarr3_sharding_indexed",
            "grid_shape": list(self._grid),
            "index_codecs": sharding["index_codecs"],
            "index_location": sharding.get("index_location", "end"),
        }
        plain = {
            **document,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self._chunk)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": sharding["codecs"],
        }
        self.plain: Mapping[str, Any] = {"driver": "zarr3", "metadata": plain}

    def index(self, voxel: Sequence[int]) -> Index:
        return tuple(i // n for i, n in zip(voxel, self._chunk, strict=True))

    def file(self, index: Index) -> str:
        return "/".join(("c", *map(str, index)))

    def pack(self, content: bytes) -> bytes:
        return content

    def unpack(self, packed: bytes) -> bytes:
        return packed

    def store(self, chunks: Mapping[Index, bytes | None], transaction: ts.Transaction) -> None:
        shards: dict[Index, ts.KvStore] = {}
        for index, packed in chunks.items():
            pairs = [divmod(i, n) for i, n in zip(index, self._grid, strict=True)]
            shard = tuple(shard for shard, _ in pairs)
            if shard not in shards:
                shards[shard] = self._open(shard).with_transaction(transaction)
            result_of(shards[shard].write(struct.pack(f">{len(pairs)}I", *(inside for _, inside in pairs)), packed))

    def _open(self, shard: Index) -> ts.KvStore:
        file = {**self._base, "path": f"{self._base['path']}{self._key(shard)}"}
        return result_of(ts.KvStore.open({**self._adapter, "base": file}, context=context()))


def _complete(encoding: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how chunks are named with the separator that the specification has as default."""
    separator = "/" if encoding["name"] == "default" else "."
    return {**encoding, "configuration": {"separator": separator, **encoding.get("configuration", {})}}


def chunks_in_shards(store: ts.TensorStore) -> ZarrChunks | None:
    """Return the chunks in the shards of an array; None if it has none, or its shards are encoded as a whole."""
    spec = store.spec().to_json()
    codecs = spec["metadata"].get("codecs", ()) if spec["driver"] == "zarr3" else ()
    return ZarrChunks(spec) if [one["name"] for one in codecs] == ["sharding_indexed"] else None
