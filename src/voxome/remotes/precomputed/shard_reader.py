"""Reading of many values of a sharded folder: the indices are kept, and values that lie together are read at once.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidBox
from voxome.remotes.precomputed.sharding import Sharding, decompress
from voxome.storage.path import StoragePath

_GAP_BYTES = 1 << 16
"""Values that are less apart are read as one range."""
_RANGE_BYTES = 1 << 24
_KEPT = 4096
"""Indices of minishards that are kept."""
_NO_ROWS = np.empty((3, 0), np.int64)


@dataclass(frozen=True, eq=False)
class _Index:
    """Index of a minishard: ids (ascending), first bytes and sizes of its values."""

    ids: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


_Indices = Mapping[tuple[int, int], _Index]
"""Index by shard and minishard."""


class ShardReader:
    """Reads values of a sharded folder. Methods may be called from several threads.

    Parameters
    ----------
    folder : StoragePath
        Contains the shards.
    sharding : Sharding
        Parameters of the folder.
    """

    def __init__(self, folder: StoragePath, sharding: Sharding) -> None:
        self._folder, self._sharding = folder, sharding
        self._entries: dict[int, NDArray[np.int64] | None] = {}
        self._indices: OrderedDict[tuple[int, int], _Index] = OrderedDict()
        self._lock = threading.Lock()

    def read_all(self, ids: NDArray[np.uint64]) -> list[bytes | None]:
        """Return the values of ids, None for each that does not exist.

        Raises
        ------
        CorruptData
            If an index or a value cannot be decoded.
        AccessDenied, StoreError
            If the store refuses, or fails.
        """
        values: list[bytes | None] = [None] * len(ids)
        shards, minishards = self._sharding.locate(ids)
        indices = self._load(shards, minishards)
        for shard in np.unique(shards):
            rows = np.flatnonzero(shards == shard)
            which, starts, sizes = _locate(indices, int(shard), minishards[rows], ids[rows])
            order = np.argsort(starts, kind="stable")
            found = self._read(int(shard), starts[order], sizes[order])
            for row, data in zip(rows[which[order]].tolist(), found, strict=True):
                values[row] = data
        return values

    def _read(self, shard: int, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[bytes]:
        """Return values, which begin at ascending bytes."""
        ranges = list(_ranges(starts, starts + sizes))
        spans = [(int(starts[first]), int((starts[first:last] + sizes[first:last]).max())) for first, last in ranges]
        values: list[bytes] = []
        for (first, last), (begin, _), data in zip(ranges, spans, self._read_ranges(shard, spans), strict=True):
            low = starts[first:last] - begin
            high = low + sizes[first:last]
            values += [data[start:stop] for start, stop in zip(low.tolist(), high.tolist(), strict=True)]
        encoding = self._sharding.data_encoding
        return values if encoding == "raw" else [self._decompress(value, encoding, shard) for value in values]

    def _read_ranges(self, shard: int, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of bytes of a shard, which must exist; all are read at once."""
        name = self._sharding.file_name(shard)
        wrong = next((span for span in spans if not 0 <= span[0] <= span[1]), None)
        if wrong is not None:
            raise CorruptData(f"{self._folder}/{name}: an index names the bytes {wrong[0]} to {wrong[1]}")
        try:
            found = self._folder.read_ranges([(name, begin, end) for begin, end in spans])
        except InvalidBox as error:
            raise CorruptData(f"{self._folder}/{name} is cut short: {error}") from error
        if any(data is None or len(data) != end - begin for data, (begin, end) in zip(found, spans, strict=True)):
            raise CorruptData(f"{self._folder}/{name} is cut short, or was removed while it was read")
        return [data or b"" for data in found]

    def _load(self, shards: NDArray[np.uint64], minishards: NDArray[np.uint64]) -> _Indices:
        """Return the indices of minishards, and read those that are not kept; a shard may not exist."""
        wanted = sorted({(int(s), int(m)) for s, m in np.unique(np.stack([shards, minishards]), axis=1).T})
        with self._lock:
            self._load_entries(sorted({shard for shard, _ in wanted} - self._entries.keys()))
            missing = [key for key in wanted if key not in self._indices and self._entries[key[0]] is not None]
            for shard in sorted({shard for shard, _ in missing}):
                self._load_indices(shard, [minishard for one, minishard in missing if one == shard])
            found = {key: self._indices[key] for key in wanted if key in self._indices}
            while len(self._indices) > max(_KEPT, len(wanted)):
                self._indices.popitem(last=False)
        return found

    def _load_entries(self, shards: Sequence[int]) -> None:
        size = self._sharding.index_bytes
        names = [self._sharding.file_name(shard) for shard in shards]
        for shard, data in zip(shards, self._folder.read_ranges([(name, 0, size) for name in names]), strict=True):
            self._entries[shard] = None if data is None else np.frombuffer(data, "<i8").reshape(-1, 2) + size

    def _load_indices(self, shard: int, minishards: Sequence[int]) -> None:
        entries = self._entries[shard]
        assert entries is not None, "the indices of shards that exist"
        spans = [(int(entries[one, 0]), int(entries[one, 1])) for one in minishards]
        filled = [(one, span) for one, span in zip(minishards, spans, strict=True) if span[0] != span[1]]
        for one in minishards:
            self._indices[shard, one] = _Index(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        for (one, _), data in zip(filled, self._read_ranges(shard, [span for _, span in filled]), strict=True):
            self._indices[shard, one] = self._parse(data, shard)

    def _parse(self, data: bytes, shard: int) -> _Index:
        plain = self._decompress(data, self._sharding.minishard_index_encoding, shard)
        try:
            gaps, steps, sizes = np.frombuffer(plain, "<u8").reshape(3, -1)
        except ValueError as error:
            raise CorruptData(f"{self._folder}: cannot decode an index of shard {shard}: {error}") from error
        ids = np.cumsum(gaps, dtype=np.uint64)
        ends = np.cumsum(steps + sizes, dtype=np.uint64).astype(np.int64) + self._sharding.index_bytes
        order = np.argsort(ids, kind="stable")
        lengths = sizes.astype(np.int64)
        return _Index(ids[order], (ends - lengths)[order], lengths[order])

    def _decompress(self, data: bytes, encoding: str, shard: int) -> bytes:
        try:
            return decompress(data, encoding)
        except zlib.error as error:
            raise CorruptData(f"{self._folder}: cannot decode a part of shard {shard}: {error}") from error


def _locate(
    indices: _Indices, shard: int, minishards: NDArray[np.uint64], ids: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the ids of one shard exist, and the first bytes and sizes of their values."""
    parts = [_NO_ROWS]
    for minishard in np.unique(minishards):
        rows = np.flatnonzero(minishards == minishard)
        index = indices.get((shard, int(minishard)))
        if index is None or not len(index.ids):
            continue
        at = np.minimum(np.searchsorted(index.ids, ids[rows]), len(index.ids) - 1)
        there = index.ids[at] == ids[rows]
        parts.append(np.stack([rows[there], index.starts[at[there]], index.sizes[at[there]]]))
    which, starts, sizes = np.concatenate(parts, axis=1)
    return which, starts, sizes


def _ranges(starts: NDArray[Any], ends: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yield the first row, and one past the last, of values that are read as one range of bytes."""
    if not len(starts):
        return
    cuts = (np.flatnonzero(starts[1:] - np.maximum.accumulate(ends)[:-1] > _GAP_BYTES) + 1).tolist()
    for first, last in zip([0, *cuts], [*cuts, len(starts)], strict=True):
        begin = first
        for row in np.flatnonzero(np.diff((ends[first:last] - starts[first]) // _RANGE_BYTES)).tolist():
            yield begin, first + row + 1
            begin = first + row + 1
        yield begin, last
