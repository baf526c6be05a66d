"""Compressions of N5 blocks: what its Java reference writes, in the words that tensorstore takes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorstore as ts
from numcodecs import lz4
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.tensorstore import context, kvstore_spec, translated

_OPTIONS: dict[str, dict[str, Any]] = {
    "raw": {},
    "gzip": {"level": -1, "useZlib": False},
    "bzip2": {"blockSize": 9},
    "xz": {"preset": 6},
    "zstd": {"level": 0},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
}
"""What each takes, and what it takes where nothing is said; Java writes more, which readers do not need."""

_LZ4_MAGIC, _LZ4_HEAD = b"LZ4Block", struct.Struct("<8sBiiI")
_LZ4_STORED, _LZ4_PACKED = 0x10, 0x20


def stored_compression(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The compression that an array's attributes name; N5 before 2.0 had ``compressionType``."""
    compression = attributes.get("compression", attributes.get("compressionType"))
    return {"type": compression} if isinstance(compression, str) else dict(compression or {"type": "raw"})


def plain_compression(compression: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The same compression with just the options that tensorstore takes.

    Raises
    ------
    UnsupportedFormat
        If it is not one of raw, gzip, bzip2, xz, zstd, blosc.
    """
    kind = compression.get("type")
    if kind not in _OPTIONS:
        known = ", ".join([*_OPTIONS, "lz4 (to read)"])
        raise UnsupportedFormat(f"{name}: its blocks are compressed by {kind!r}; voxome knows {known}")
    options = {key: compression.get(key, usual) for key, usual in _OPTIONS[kind].items()}
    if kind == "blosc":
        options["shuffle"] = min(max(options["shuffle"], 0), 2)
    return {"type": kind, **options}


def lz4_store(path: str, attributes: Mapping[str, Any], name: str) -> ts.TensorStore:
    """The array at `path`, whose blocks are LZ4Block streams: to be read only, axes as stored (x first)."""
    dimensions, block = attributes["dimensions"], attributes["blockSize"]
    dtype = np.dtype(attributes["dataType"])
    with translated(name):
        files = ts.KvStore.open(kvstore_spec(path), context=context()).result()

    def read(domain: ts.IndexDomain, out: NDArray[Any], _: Any) -> None:
        index = [a // n for a, n in zip(domain.inclusive_min, block, strict=True)]
        key = "/".join(map(str, index))
        with translated(f"{name}: block {key}"):
            found = files.read(key).result()
        if found.state == "missing":
            out[...] = 0
            return
        voxels = decode_block(bytes(found.value), dtype, f"{name}: block {key}")
        low = [a - i * n for a, i, n in zip(domain.inclusive_min, index, block, strict=True)]
        part = voxels[tuple(slice(a, a + n) for a, n in zip(low, domain.shape, strict=True))]
        if part.shape != out.shape:
            raise CorruptData(f"{name}: block {key} holds {voxels.shape} voxels (x first), too few")
        out[...] = part

    layout = ts.ChunkLayout(read_chunk_shape=block)
    domain = ts.IndexDomain(shape=dimensions)
    return ts.virtual_chunked(read, dtype=dtype, domain=domain, chunk_layout=layout, context=context())


def decode_block(raw: bytes, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Decode one N5 block whose payload is an LZ4Block stream.

    The head is big-endian: mode (uint16), number of axes (uint16), size along each (uint32, x first).

    Returns
    -------
    numpy.ndarray
        Voxels, x first, of the block's own size.

    Raises
    ------
    UnsupportedFormat
        If it is a block of variable length.
    CorruptData
        If its bytes are too few or cannot be decoded.
    """
    try:
        mode, ndim = struct.unpack_from(">HH", raw)
        shape = struct.unpack_from(f">{ndim}I", raw, 4)
        if mode != 0:
            raise UnsupportedFormat(f"{name} has mode {mode} (variable length); voxome reads mode 0")
        payload = unpack_lz4(raw[4 + 4 * ndim :])
        return np.frombuffer(payload, dtype.newbyteorder(">"), int(np.prod(shape))).reshape(shape, order="F")
    except (struct.error, ValueError, RuntimeError) as error:
        if isinstance(error, UnsupportedFormat):
            raise
        raise CorruptData(f"{name} cannot be decoded: {error}") from error


def unpack_lz4(stream: bytes) -> bytes:
    """Decompress a stream of lz4-java's ``LZ4BlockOutputStream``; its checksums are not looked at.

    Each part has a head, little-endian: the magic, a token (upper half: stored or packed), packed size, size, checksum.
    A part of size 0 ends it.

    Raises
    ------
    ValueError
        If it is no such stream, or cut short.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(stream):
        magic, token, packed, size, _ = _LZ4_HEAD.unpack_from(stream, at)
        at += _LZ4_HEAD.size
        if magic != _LZ4_MAGIC or packed < 0 or size < 0 or at + packed > len(stream):
            raise ValueError("not a whole LZ4Block stream")
        if size == 0:
            break
        parts.append(_unpack_part(token & 0xF0, stream[at : at + packed], size))
        at += packed
    return b"".join(parts)


def _unpack_part(method: int, part: bytes, size: int) -> bytes:
    if method not in (_LZ4_STORED, _LZ4_PACKED):
        raise ValueError(f"LZ4Block method {method:#x} is unknown")
    data = part if method == _LZ4_STORED else bytes(lz4.decompress(struct.pack("<I", size) + part))
    if len(data) != size:
        raise ValueError(f"LZ4Block part holds {len(data)} bytes, not {size}")
    return data


def is_lz4(attributes: Mapping[str, Any]) -> bool:
    """Whether the blocks are LZ4Block streams."""
    return bool(stored_compression(attributes).get("type") == "lz4")


def plain_metadata(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What tensorstore needs to know of an array, in words it takes."""
    keys: Sequence[str] = ("dimensions", "blockSize", "dataType")
    plain = {key: attributes[key] for key in keys}
    return {**plain, "compression": plain_compression(stored_compression(attributes), name)}
