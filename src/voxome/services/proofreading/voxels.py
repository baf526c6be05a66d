"""Ids in the voxels: those of the volume, and those that splits have written, chunk by chunk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.services.proofreading.scan import CHUNK, chunk_box, chunk_numbers
from voxome.services.proofreading.tables import CHUNKS, pack, unpack

EDGE = 32
"""Edge of the chunks in which splits write, in voxels."""
_KEPT = 256
"""Changed chunks that are kept in memory, of 256 KiB each."""
_BATCH = 500
"""Chunks of one query."""

ChangedChunk = tuple[int, NDArray[np.uint64]]
"""Operation that wrote last, and the ids that splits have written (z, y, x); 0 where none has."""


class StoredVoxels:
    """Ids in the voxels of one level, as the last split of any branch has left them.

    Parameters
    ----------
    source : VolumeSource
        Supervoxels at the start.
    level : int
        Level of the pyramid; 0 is the finest.
    """

    def __init__(self, source: VolumeSource, level: int = 0) -> None:
        self.source, self.level = source, level
        self._operations: dict[int, int] = {}
        self._kept: OrderedDict[int, ChangedChunk] = OrderedDict()
        self._known = 0

    def read_start(self, box: Box) -> NDArray[np.uint64]:
        """Return the ids at the start, contiguous, in an array that may be overwritten."""
        voxels: NDArray[Any] = self.source.read(box)
        if voxels.dtype == np.int64:
            voxels = voxels.view(np.uint64)
        if voxels.dtype != np.uint64 or not voxels.flags.c_contiguous or not voxels.flags.writeable:
            return np.array(voxels, np.uint64, order="C")
        return voxels

    def follow(self, connection: sa.Connection) -> None:
        """Take note of the chunks that have changed since the last call."""
        query = sa.select(CHUNKS.c.chunk, CHUNKS.c.operation)
        for chunk, operation in connection.execute(
            query.where(CHUNKS.c.level == self.level, CHUNKS.c.operation > self._known)
        ):
            self._operations[chunk] = operation
            self._known = max(self._known, operation)

    def missing(self, box: Box) -> list[int]:
        """Return the changed chunks in `box` that are not in memory as they are now."""
        return [
            one for one in self._changed(box) if one not in self._kept or self._kept[one][0] != self._operations[one]
        ]

    def load(self, box: Box, connection: sa.Connection) -> None:
        """Read the changed chunks in `box` into memory."""
        for number, rows in read_chunks(connection, self.level, self.missing(box)):
            ids = np.zeros(chunk_box(number, self._domain, EDGE).shape, np.uint64)
            ids.reshape(-1)[rows[:, 0].astype(np.intp)] = rows[:, 1]
            self._kept[number] = self._operations[number], ids
        for number in self._changed(box):
            self._kept.move_to_end(number)
        while len(self._kept) > max(_KEPT, len(self._changed(box))):
            self._kept.popitem(last=False)

    def update(self, voxels: NDArray[np.uint64], box: Box) -> None:
        """Write what splits have changed into the ids at the start, in place; `load` comes first."""
        for number in self._changed(box):
            whole, ids = chunk_box(number, self._domain, EDGE), self._kept[number][1]
            part = whole & box
            written = ids[part.within(whole)]
            np.copyto(voxels[part.within(box)], written, where=written != 0)

    def read(self, box: Box, connection: sa.Connection) -> NDArray[np.uint64]:
        """Return the ids in `box` now."""
        voxels = self.read_start(box)
        self.follow(connection)
        self.load(box, connection)
        self.update(voxels, box)
        return voxels

    @property
    def _domain(self) -> Box:
        return self.source.spec.domain

    def _changed(self, box: Box) -> list[int]:
        if not self._operations:
            return []
        return [one for one in chunk_numbers(box, self._domain, EDGE) if one in self._operations]


def ids_at(voxels: StoredVoxels, connection: sa.Connection, points: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the ids in the voxels at (n, 3) points, reading those that are close to each other at once."""
    ids = np.empty(len(points), np.uint64)
    _, inverse = np.unique(points // CHUNK, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1):
        corner, end = points[part].min(axis=0), points[part].max(axis=0) + 1
        box = Box(tuple(corner.tolist()), tuple(end.tolist()))
        ids[part] = voxels.read(box, connection)[tuple((points[part] - corner).T)]
    return ids


def read_chunks(
    connection: sa.Connection, level: int, numbers: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield chunks and their voxels that have changed: (n, 2) indices in the flat chunk, sorted, and their ids."""
    for at in range(0, len(numbers), _BATCH):
        condition = CHUNKS.c.chunk.in_(numbers[at : at + _BATCH])
        for row in connection.execute(
            sa.select(CHUNKS.c.chunk, CHUNKS.c.data).where(CHUNKS.c.level == level, condition)
        ):
            yield row.chunk, unpack(row.data, 2)


def write_chunk(connection: sa.Connection, level: int, number: int, operation: int, rows: NDArray[np.uint64]) -> None:
    """Change voxels of a chunk; the others keep what earlier splits have written."""
    everything = np.concatenate([rows, *(before for _, before in read_chunks(connection, level, [number]))])
    _, first = np.unique(everything[:, 0], return_index=True)
    connection.execute(CHUNKS.delete().where(CHUNKS.c.level == level, CHUNKS.c.chunk == number))
    row = {"level": level, "chunk": number, "operation": operation, "data": pack(everything[first])}
    connection.execute(CHUNKS.insert(), row)
