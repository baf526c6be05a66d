"""Parts of a table of groups: the rows of a job, sorted by group, so that those of a group are one range of bytes.

A part begins with an index, of one number more than there are groups: where the rows of each begin, and where those of
the last end. Rows are batches of `voxome.resources.row_bytes`, in the order of the blocks.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from voxome.contracts.id_groups import group_of
from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData, InvalidBox
from voxome.resources.row_bytes import decode_batches, encode_batch, to_batch
from voxome.storage.atomic import storing
from voxome.storage.path import StoragePath

ID = "id"
"""The column that says to which object a row belongs."""
SUFFIX = ".rows"
"""What the names of parts end in."""
_INDEX = np.dtype("<i8")
_AT_ONCE = 1 << 25
"""Bytes of parts that are read at once, unless one range is longer."""
_IN_MEMORY = 1 << 24
"""Bytes from which on a temporary file is on the disk."""


class Spool:
    """Bytes in a temporary file, in memory as long as they are few; the file is removed with the object."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="voxome-rows-")  # noqa: SIM115
        self._close = weakref.finalize(self, self._file.close)
        self._path = Path(tempfile.gettempdir())
        self.size = 0

    def append(self, data: bytes) -> None:
        """Write bytes at the end."""
        with storing(self._path):
            self._file.seek(self.size)
            self._file.write(data)
        self.size += len(data)

    def read(self, start: int, stop: int) -> bytes:
        """Return some of the bytes."""
        with storing(self._path):
            self._file.seek(start)
            return self._file.read(stop - start)

    def close(self) -> None:
        """Remove the file."""
        self._close()


class PartWriter:
    """The rows of the blocks of a job; memory holds those of a block.

    An object store gets the part in one request; until then, memory holds it, compressed.

    Parameters
    ----------
    columns : mapping of str to str
        Names and dtypes.
    groups : int
        Number of groups of ids.
    """

    def __init__(self, columns: Mapping[str, str], groups: int) -> None:
        self._columns, self._groups = columns, groups
        self.clear()

    def clear(self) -> None:
        """Discard all rows."""
        self._spool = Spool()
        self._segments: list[tuple[int, int, int]] = []

    def append(self, rows: Rows) -> None:
        """Take the rows of a block."""
        groups = group_of(rows[ID], self._groups)
        order = np.argsort(groups, kind="stable")
        batch = to_batch({name: rows[name][order] for name in self._columns}, self._columns)
        present, starts = np.unique(groups[order], return_index=True)
        for group, (start, stop) in zip(present.tolist(), pairwise([*starts.tolist(), len(order)]), strict=True):
            begin = self._spool.size
            self._spool.append(encode_batch(batch.slice(start, stop - start)))
            self._segments.append((group, begin, self._spool.size))

    def write(self, path: StoragePath) -> None:
        """Write the part, and discard the rows."""
        self._segments.sort(key=lambda segment: segment[0])
        sizes = np.zeros(self._groups + 1, np.int64)
        for group, start, stop in self._segments:
            sizes[group + 1] += stop - start
        index = np.cumsum(sizes) + len(sizes) * _INDEX.itemsize
        with path.create_file() as file:
            file.write(index.astype(_INDEX).tobytes())
            for _, start, stop in self._segments:
                file.write(self._spool.read(start, stop))
        self._spool.close()
        self.clear()


def read_group(folder: StoragePath, names: Sequence[str], group: int, columns: Mapping[str, str]) -> Iterator[Rows]:
    """Yield the rows of a group, part by part; of each part two ranges are read, its entry of the index and the rows.

    Parameters
    ----------
    folder : StoragePath
        Contains the parts.
    names : sequence of str
        Names of the parts.
    group : int
        Number of the group.
    columns : mapping of str to str
        Names and dtypes.

    Raises
    ------
    CorruptData
        If a part is missing or damaged.
    """
    at = group * _INDEX.itemsize
    entries = _read(folder, [(name, at, at + 2 * _INDEX.itemsize) for name in names])
    ranges = []
    for name, entry in zip(names, entries, strict=True):
        start, stop = np.frombuffer(entry, _INDEX).tolist()
        if start != stop:
            ranges.append((name, start, stop))
    for batch in _batches(ranges):
        for (name, *_), data in zip(batch, _read(folder, batch), strict=True):
            try:
                yield from decode_batches(data, columns)
            except ValueError as error:
                raise _damaged(folder, name, str(error)) from error


def _read(folder: StoragePath, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
    try:
        found = folder.read_ranges(ranges)
    except InvalidBox as error:
        raise CorruptData(f"a part of {folder} is cut short; remove it, and rerun what computes it") from error
    for (name, *_), data in zip(ranges, found, strict=True):
        if data is None:
            raise _damaged(folder, name, "it is missing")
    return [data for data in found if data is not None]


def _damaged(folder: StoragePath, name: str, problem: str) -> CorruptData:
    return CorruptData(f"the part {name} of {folder} is damaged: {problem}; remove it, and rerun what computes it")


def _batches(ranges: Sequence[tuple[str, int, int]]) -> Iterator[list[tuple[str, int, int]]]:
    """Yield ranges in lists of not too many bytes."""
    batch: list[tuple[str, int, int]] = []
    size = 0
    for one in ranges:
        if batch and size + one[2] - one[1] > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one[2] - one[1]
    if batch:
        yield batch
