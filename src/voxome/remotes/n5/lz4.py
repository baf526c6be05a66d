"""N5 blocks that lz4-java packed as LZ4Block streams, which tensorstore does not know: unpacked into memory for it."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorstore as ts

from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.remotes.decompression import decompress_lz4, require_lz4_size
from voxome.remotes.n5.codecs import to_tensorstore_metadata
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors

_MAGIC, _HEAD = b"LZ4Block", struct.Struct("<8sBiiI")
_STORED, _PACKED = 0x10, 0x20


def unpacked_part(
    folder: StoragePath, attributes: Mapping[str, Any], start: Sequence[int], stop: Sequence[int], name: str
) -> ts.TensorStore:
    """Return the array in `folder` as one in memory, with only the blocks between `start` and `stop` (stored order).

    Raises
    ------
    CorruptData
        If a block cannot be unpacked.
    UnsupportedFormat
        If it is packed in another way than Java's.
    """
    touched = Box(tuple(start), tuple(stop)).coarsen(attributes["blockSize"])
    spans = [range(a, b) for a, b in zip(touched.start, touched.stop, strict=True)]
    keys = ["/".join(map(str, index)) for index in itertools.product(*spans)]
    separate = ts.Context({"cache_pool": {"total_bytes_limit": 0}})
    memory = {"driver": "memory"}
    blocks = zip(keys, folder.read_all(keys), strict=True)
    size = math.prod(attributes["blockSize"]) * np.dtype(attributes["dataType"]).itemsize
    with map_errors(name):
        unpacked = ts.KvStore.open(memory, context=separate).result()
        for key, block in blocks:
            if block is not None:
                unpacked[key] = _unpack_block(block, size, f"{name}: block {key}")
        spec = {"driver": "n5", "kvstore": memory, "metadata": to_tensorstore_metadata(attributes, name)}
        return ts.open({**spec, "assume_metadata": True}, context=separate).result()


def _unpack_block(block: bytes, size: int, name: str) -> bytes:
    """Return the same block uncompressed: its head is two bytes of mode, two of rank, and four per axis."""
    try:
        rank = struct.unpack_from(">HH", block)[1]
        head = 4 + 4 * rank
        if not block.startswith(_MAGIC, head):
            raise UnsupportedFormat(f"{name} is packed by lz4, but not as the LZ4Block stream that Java writes")
        return block[:head] + unpack_lz4(block[head:], size)
    except VoxomeError:
        raise
    except (struct.error, ValueError) as error:
        raise CorruptData(f"{name} cannot be unpacked: {error}") from error


def unpack_lz4(stream: bytes, limit: int) -> bytes:
    """Decompress a stream of lz4-java's ``LZ4BlockOutputStream``; its checksums are not verified.

    Each part has a head, little-endian: the magic, a token (upper half: stored or packed), packed size, size, checksum.
    A part of size 0 ends it.

    Parameters
    ----------
    stream : bytes
        The stream.
    limit : int
        Most bytes that it may have when decompressed.

    Raises
    ------
    ValueError
        If it is not such a stream, or truncated, or would have more bytes.
    """
    parts: list[bytes] = []
    at, left = 0, limit
    while at < len(stream):
        magic, token, packed, size, _ = _HEAD.unpack_from(stream, at)
        at += _HEAD.size
        if magic != _MAGIC or packed < 0 or size < 0 or at + packed > len(stream):
            raise ValueError("not a complete LZ4Block stream")
        if size == 0:
            break
        if size > left:
            raise ValueError(f"its parts have more than the {limit:,} bytes of a block")
        parts.append(_unpack_part(token & 0xF0, stream[at : at + packed], size))
        at, left = at + packed, left - size
    return b"".join(parts)


def _unpack_part(method: int, part: bytes, size: int) -> bytes:
    if method not in (_STORED, _PACKED):
        raise ValueError(f"LZ4Block method {method:#x} is unknown")
    if method == _PACKED:
        require_lz4_size(size, len(part))
        return decompress_lz4(part, size)
    if len(part) != size:
        raise ValueError(f"LZ4Block part has {len(part)} bytes, not {size}")
    return part
