"""Writing of a shard: a file with the values of many ids, and their index.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.remotes.precomputed.sharding import Sharding, compress
from voxome.storage.path import StoragePath

ShardValue = tuple[int, bytes] | tuple[int, bytes, bytes]
"""Id and value; optionally bytes that are stored, as they are, directly before it: the fragments of a mesh."""

B = TypeVar("B")

_BATCH = 4096
_BATCH_BYTES = 1 << 24


def write_shard(folder: StoragePath, sharding: Sharding, shard: int, values: Iterable[ShardValue]) -> int:
    """Write all values of a shard, and replace the file that was there.

    The values are written as they come: memory holds a batch of them, and 32 bytes for each id. An object store gets
    the file in one request; until then, memory holds it.

    Parameters
    ----------
    folder : StoragePath
        Contains the shards.
    sharding : Sharding
        Parameters of the folder.
    shard : int
        Number of the shard.
    values : iterable of (id, value) or (id, value, bytes before it)
        In ascending order of ids. Without any, there is no file afterwards.

    Returns
    -------
    int
        Number of values.

    Raises
    ------
    InvalidInput
        If ids are not in ascending order, or belong to another shard; the file that was there is kept.
    AccessDenied, StoreError
        If the file cannot be written.
    """
    return _write(folder, sharding, shard, _batches(iter(values)), _Body.add)


def write_packed_shard(
    folder: StoragePath,
    sharding: Sharding,
    shard: int,
    batches: Iterable[tuple[NDArray[np.uint64], NDArray[Any], bytes]],
) -> int:
    """Write all values of a shard, as `write_shard` does, from values that are joined in batches already.

    Parameters
    ----------
    folder : StoragePath
        Contains the shards.
    sharding : Sharding
        Parameters of the folder, with raw data.
    shard : int
        Number of the shard.
    batches : iterable of (ids, sizes, bytes)
        Ids in ascending order, the bytes of each value, and all values, one after the other.

    Returns
    -------
    int
        Number of values.

    Raises
    ------
    InvalidInput, AccessDenied, StoreError
        As of `write_shard`.
    """
    packed = (batch for batch in batches if len(batch[0]))
    return _write(folder, sharding, shard, packed, lambda body, batch: body.append(*batch))


def _write(
    folder: StoragePath, sharding: Sharding, shard: int, batches: Iterator[B], add: Callable[[_Body, B], None]
) -> int:
    if not 0 <= shard < 1 << sharding.shard_bits:
        raise InvalidInput(f"{shard} is not a shard of {folder}; expected 0 to {(1 << sharding.shard_bits) - 1}")
    file = folder / sharding.file_name(shard)
    first = next(batches, None)
    if first is None:
        file.unlink()
        return 0
    with file.create_file() as stream:
        body = _Body(stream, sharding, shard, str(file))
        for batch in itertools.chain([first], batches):
            add(body, batch)
        return body.finish()


class _Body:
    """The content of a shard file, while it is written.

    Parameters
    ----------
    stream : binary file
        Empty, can seek.
    sharding : Sharding
        Parameters of the folder.
    shard : int
        Number of the shard.
    name : str
        Name of the file, for messages.
    """

    def __init__(self, stream: BinaryIO, sharding: Sharding, shard: int, name: str) -> None:
        self._stream, self._sharding, self._shard, self._name = stream, sharding, shard, name
        self._rows: list[NDArray[np.uint64]] = []
        self._end, self._last = 0, -1
        stream.write(bytes(sharding.index_bytes))

    def add(self, batch: Sequence[ShardValue]) -> None:
        """Append values."""
        ids = np.array([one[0] for one in batch], np.uint64)
        data = [compress(one[1], self._sharding.data_encoding) for one in batch]
        before = [one[2] if len(one) > 2 else b"" for one in batch]
        sizes = np.array([len(one) for one in data], np.uint64)
        joined = b"".join(itertools.chain.from_iterable(zip(before, data, strict=True)))
        self.append(ids, sizes, joined, np.array([len(one) for one in before], np.uint64))

    def append(
        self, ids: NDArray[np.uint64], sizes: NDArray[Any], data: bytes, before: NDArray[np.uint64] | None = None
    ) -> None:
        """Append encoded values of `sizes` bytes each, every one after `before` bytes that are no part of it."""
        minishards = self._check(ids)
        sizes = sizes.astype(np.uint64)
        ends = np.cumsum(sizes if before is None else sizes + before, dtype=np.uint64) + np.uint64(self._end)
        self._stream.write(data)
        self._rows.append(np.stack([minishards, ids, ends - sizes, sizes]))
        self._end, self._last = int(ends[-1]), int(ids[-1])

    def _check(self, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the minishards of ids that may follow those before."""
        if int(ids[0]) <= self._last or (ids[1:] <= ids[:-1]).any():
            raise InvalidInput(f"{self._name}: its values are not in ascending order of ids; sort them before")
        shards, minishards = self._sharding.locate(ids)
        if (elsewhere := np.flatnonzero(shards != np.uint64(self._shard))).size:
            raise InvalidInput(
                f"{self._name}: the value of id {ids[elsewhere[0]]} belongs into shard {shards[elsewhere[0]]}, not "
                f"{self._shard}; pass the values of each shard to it"
            )
        return minishards

    def finish(self) -> int:
        """Write the indices, and return the number of values."""
        rows = np.concatenate(self._rows, axis=1)
        rows = rows[:, np.argsort(rows[0], kind="stable")]
        minishards, starts = np.unique(rows[0], return_index=True)
        entries = np.zeros((1 << self._sharding.minishard_bits, 2), "<u8")
        for minishard, start, stop in zip(minishards, starts, [*starts[1:], rows.shape[1]], strict=True):
            index = compress(_index_of(rows[1:, start:stop]), self._sharding.minishard_index_encoding)
            entries[int(minishard)] = self._end, self._end + len(index)
            self._stream.write(index)
            self._end += len(index)
        self._stream.seek(0)
        self._stream.write(entries.tobytes())
        return rows.shape[1]


def _index_of(rows: NDArray[np.uint64]) -> bytes:
    """Return the index of a minishard: ids and starts as differences, and sizes."""
    ids, starts, sizes = rows
    gaps = starts.copy()
    gaps[1:] -= starts[:-1] + sizes[:-1]
    return np.stack([np.diff(ids, prepend=np.uint64(0)), gaps, sizes]).astype("<u8").tobytes()


def _batches(values: Iterator[ShardValue]) -> Iterator[list[ShardValue]]:
    """Yield values in lists that are neither long nor large; one large value is a list by itself."""
    batch: list[ShardValue] = []
    size = 0
    for one in values:
        batch.append(one)
        size += sum(len(part) for part in one[1:])
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
