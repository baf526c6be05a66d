"""Precomputed meshes, skeletons, annotations and shards, written by hand from the public specification."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "hash": "murmurhash3_x86_128",
    "minishard_bits": 2,
    "shard_bits": 3,
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}
BIG_IDS = (5, 2**53 + 1, 2**63 + 5, 2**64 - 2)


def write_info(folder: Path, info: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "info").write_text(json.dumps(info))


def write_volume(folder: Path, **links: str) -> None:
    """A segmentation of 8 x 8 x 8 voxels of 4 x 8 x 40 nm (x, y, z), without chunks."""
    scale = {
        "key": "0",
        "size": [8, 8, 8],
        "resolution": [4, 8, 40],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [[8, 8, 8]],
        "encoding": "raw",
    }
    write_info(folder, {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "scales": [scale], **links})


def write_shards(folder: Path, sharding: Mapping[str, Any], values: Mapping[int, bytes]) -> None:
    """Write values by tensorstore."""
    folder.mkdir(parents=True, exist_ok=True)
    base = {"driver": "file", "path": f"{folder}/"}
    spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": dict(sharding)}
    store = ts.KvStore.open(spec).result()
    with ts.Transaction() as transaction:
        for id, value in values.items():
            store.with_transaction(transaction)[id.to_bytes(8, "big")] = value


def legacy_fragment(xyz: NDArray[Any], faces: NDArray[Any]) -> bytes:
    return struct.pack("<I", len(xyz)) + xyz.astype("<f4").tobytes() + faces.astype("<u4").tobytes()


def draco(xyz: NDArray[Any], faces: NDArray[Any]) -> bytes:
    return bytes(DracoPy.encode(xyz.astype(np.uint32), faces.astype(np.uint32), preserve_order=True))


def manifest(
    chunk_shape: Sequence[float],
    grid_origin: Sequence[float],
    offsets: Sequence[Sequence[float]],
    levels: Sequence[Sequence[tuple[Sequence[int], int]]],
) -> bytes:
    """A multi-resolution manifest of fragments, each given as its position and its size in bytes."""
    parts = [
        np.array([*chunk_shape, *grid_origin], "<f4").tobytes(),
        struct.pack("<I", len(levels)),
        np.array([2.0**lod for lod in range(len(levels))], "<f4").tobytes(),
        np.array(offsets, "<f4").tobytes(),
        np.array([len(level) for level in levels], "<u4").tobytes(),
    ]
    for level in levels:
        parts.append(np.array([position for position, _ in level], "<u4").T.tobytes())
        parts.append(np.array([size for _, size in level], "<u4").tobytes())
    return b"".join(parts)


def shard_with_gaps(manifests: Mapping[int, tuple[bytes, bytes]]) -> bytes:
    """A shard file of one minishard, in which each manifest (gzip) follows its fragments."""
    data, rows, last, end = b"", [], 0, 0
    for id, (fragments, value) in sorted(manifests.items()):
        packed = gzip.compress(value)
        data += fragments + packed
        rows.append((id - last, len(data) - len(packed) - end, len(packed)))
        last, end = id, len(data)
    index = gzip.compress(np.array(rows, "<u8").T.tobytes())
    return struct.pack("<QQ", len(data), len(data) + len(index)) + data + index


def skeleton(xyz: NDArray[Any], edges: NDArray[Any], *attributes: NDArray[Any]) -> bytes:
    head = struct.pack("<II", len(xyz), len(edges)) + xyz.astype("<f4").tobytes() + edges.astype("<u4").tobytes()
    return head + b"".join(np.ascontiguousarray(values).tobytes() for values in attributes)
