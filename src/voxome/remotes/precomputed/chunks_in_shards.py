"""Chunks of a sharded scale: how they are encoded, and by which id the shards have them.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.remotes.precomputed.sharding import compress, decompress
from voxome.remotes.staged_chunks import Index
from voxome.storage.tensorstore import context, result_of


class PrecomputedChunks:
    """Chunks in the shards of a scale.

    Parameters
    ----------
    spec : mapping
        Spec of the scale.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        scale = dict(spec["scale_metadata"])
        sharding = scale.pop("sharding")
        self._size, self._first, self._chunk = scale["size"], scale["voxel_offset"], scale["chunk_size"]
        self._grid = tuple(-(-size // n) for size, n in zip(self._size, self._chunk, strict=True))
        self._key, self._encoding = scale["key"], sharding.get("data_encoding", "raw")
        base = {**spec["kvstore"], "path": f"{spec['kvstore']['path']}{self._key}/"}
        # values are compressed here, not by the driver, which does so in one thread
        metadata = {**sharding, "data_encoding": "raw"}
        self._adapter = {"driver": "neuroglancer_uint64_sharded", "metadata": metadata, "base": base}
        self.plain: Mapping[str, Any] = {
            "driver": "neuroglancer_precomputed",
            "dtype": spec["dtype"],
            "multiscale_metadata": spec["multiscale_metadata"],
            "scale_metadata": scale,
        }

    def index(self, voxel: Sequence[int]) -> Index:
        return tuple((i - a) // n for i, a, n in zip(voxel, self._first, self._chunk, strict=False))

    def file(self, index: Index) -> str:
        axes = zip(index, self._first, self._size, self._chunk, strict=True)
        return f"{self._key}/" + "_".join(f"{a + i * n}-{a + min(i * n + n, size)}" for i, a, size, n in axes)

    def pack(self, content: bytes) -> bytes:
        return compress(content, self._encoding)

    def unpack(self, packed: bytes) -> bytes:
        return decompress(packed, self._encoding)

    def store(self, chunks: Mapping[Index, bytes | None], transaction: ts.Transaction) -> None:
        shards = result_of(ts.KvStore.open(self._adapter, context=context())).with_transaction(transaction)
        for index, packed in chunks.items():
            result_of(shards.write(morton_code(index, self._grid).to_bytes(8, "big"), packed))


def morton_code(index: Sequence[int], grid: Sequence[int]) -> int:
    """Return the compressed Morton code of a chunk (x, y, z): axes have only the bits that their grid needs."""
    code = place = 0
    for bit in range(max(grid).bit_length()):
        for i, n in zip(index, grid, strict=True):
            if 1 << bit < n:
                code |= (i >> bit & 1) << place
                place += 1
    return code


def chunks_in_shards(store: ts.TensorStore) -> PrecomputedChunks | None:
    """Return the chunks in the shards of a scale; None if it has none."""
    spec = store.spec().to_json()
    return PrecomputedChunks(spec) if spec["scale_metadata"].get("sharding") else None
