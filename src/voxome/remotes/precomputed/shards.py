"""Byte range of a value in a sharded folder.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.rst
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.storage.path import StoragePath

_MASK = 0xFFFFFFFF
_ENTRY_BYTES = 16
_KEY_BITS = 64
_BITS = ("preshift_bits", "minishard_bits", "shard_bits")


@dataclass(frozen=True)
class Location:
    """A range of bytes of a shard file.

    Attributes
    ----------
    file : StoragePath
        The shard file.
    start, stop : int
        First byte, and one past the last.
    """

    file: StoragePath
    start: int
    stop: int


def locate_value(folder: StoragePath, sharding: Mapping[str, Any], id: int) -> Location | None:
    """Return the location of the value of `id`, still encoded; None if it does not exist.

    Raises
    ------
    CorruptData
        If the parameters are incomplete, or the index of the shard cannot be decoded.
    UnsupportedFormat
        If the hash is unknown.
    """
    preshift_bits, minishard_bits, shard_bits = (_bits(folder, sharding, name) for name in _BITS)
    hash = _HASHES.get(str(sharding.get("hash")))
    if hash is None:
        raise UnsupportedFormat(
            f"{folder}: the hash {sharding.get('hash')!r} of its shards is unknown; expected {' or '.join(_HASHES)}"
        )
    hashed = hash(id >> preshift_bits)
    minishard = hashed & ((1 << minishard_bits) - 1)
    shard = (hashed >> minishard_bits) & ((1 << shard_bits) - 1)
    file = folder / f"{shard:0{-(-shard_bits // 4)}x}.shard"
    entry = file.read_range(_ENTRY_BYTES * minishard, _ENTRY_BYTES * (minishard + 1))
    if entry is None:
        return None
    base = _ENTRY_BYTES << minishard_bits
    start, stop = (base + int(offset) for offset in np.frombuffer(entry, "<u8"))
    if start == stop:
        return None
    index = file.read_range(start, stop) or b""
    try:
        if sharding.get("minishard_index_encoding", "raw") == "gzip":
            index = zlib.decompress(index, wbits=31)
        ids, gaps, sizes = np.frombuffer(index, "<u8").reshape(3, -1)
    except (zlib.error, ValueError) as error:
        raise CorruptData(f"{file}: cannot decode index {minishard} of the shard: {error}") from error
    row = np.flatnonzero(np.cumsum(ids, dtype=np.uint64) == np.uint64(id))
    if not row.size:
        return None
    ends = base + np.cumsum(gaps + sizes, dtype=np.uint64)
    return Location(file, int(ends[row[0]] - sizes[row[0]]), int(ends[row[0]]))


def _bits(folder: StoragePath, sharding: Mapping[str, Any], name: str) -> int:
    value = sharding.get(name)
    if not isinstance(value, int) or not 0 <= value <= _KEY_BITS:
        raise CorruptData(
            f"{folder}: {name} of its shards is {value!r}; expected an integer from 0 to {_KEY_BITS}; correct the info "
            "file, or write it again"
        )
    return value


def _murmurhash3_x86_128(key: int) -> int:
    """Return the low 64 bits of the hash of a key of 8 bytes.

    Source: A. Appleby, MurmurHash3.cpp (public domain), ``MurmurHash3_x86_128`` with seed 0.
    """
    low, high = key & _MASK, key >> 32
    second = (_rotate((high * 0xAB0E9789) & _MASK, 16) * 0x38B34AE5) & _MASK
    first = (_rotate((low * 0x239B961B) & _MASK, 15) * 0xAB0E9789) & _MASK
    words = [first ^ 8, second ^ 8, 8, 8]
    words = _mix_words(words)
    words = _mix_words([_finalize(word) for word in words])
    return words[0] | words[1] << 32


def _rotate(word: int, by: int) -> int:
    return ((word << by) | (word >> (32 - by))) & _MASK


def _mix_words(words: list[int]) -> list[int]:
    total = sum(words) & _MASK
    return [total, *((word + total) & _MASK for word in words[1:])]


def _finalize(word: int) -> int:
    word = ((word ^ word >> 16) * 0x85EBCA6B) & _MASK
    word = ((word ^ word >> 13) * 0xC2B2AE35) & _MASK
    return word ^ word >> 16


_HASHES = {"identity": lambda key: key, "murmurhash3_x86_128": _murmurhash3_x86_128}
