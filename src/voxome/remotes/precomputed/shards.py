"""Byte range of a value in a sharded folder.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxome.errors import CorruptData
from voxome.remotes.precomputed.sharding import ENTRY_BYTES, Sharding, decompress
from voxome.storage.path import StoragePath


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


def locate_value(folder: StoragePath, parameters: Mapping[str, Any], id: int) -> Location | None:
    """Return the location of the value of `id`, still encoded; None if it does not exist.

    Raises
    ------
    CorruptData
        If the parameters are incomplete, or the index of the shard cannot be decoded.
    UnsupportedFormat
        If the hash is unknown.
    """
    sharding = Sharding.from_json(parameters, folder)
    shard, minishard = (int(number[0]) for number in sharding.locate(np.array([id], np.uint64)))
    file = folder / sharding.file_name(shard)
    entry = file.read_range(ENTRY_BYTES * minishard, ENTRY_BYTES * (minishard + 1))
    if entry is None:
        return None
    base = sharding.index_bytes
    start, stop = (base + int(offset) for offset in np.frombuffer(entry, "<u8"))
    if start == stop:
        return None
    index = file.read_range(start, stop) or b""
    try:
        index = decompress(index, sharding.minishard_index_encoding)
        ids, gaps, sizes = np.frombuffer(index, "<u8").reshape(3, -1)
    except (zlib.error, ValueError) as error:
        raise CorruptData(f"{file}: cannot decode index {minishard} of the shard: {error}") from error
    row = np.flatnonzero(np.cumsum(ids, dtype=np.uint64) == np.uint64(id))
    if not row.size:
        return None
    ends = base + np.cumsum(gaps + sizes, dtype=np.uint64)
    return Location(file, int(ends[row[0]] - sizes[row[0]]), int(ends[row[0]]))
