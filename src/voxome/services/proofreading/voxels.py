"""Ids in the voxels: those of the volume, and copies of the chunks that splits have changed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import sqlalchemy as sa
from numcodecs import blosc
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.services.proofreading.scan import CHUNK, chunk_boxes
from voxome.services.proofreading.tables import CHUNKS

_KEPT = 32
"""Changed chunks that are kept in memory, of 2 MB each."""
_SHAPE = (CHUNK,) * 3


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
        self._kept: OrderedDict[int, tuple[int, NDArray[np.uint64]]] = OrderedDict()
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

    def update(self, voxels: NDArray[np.uint64], box: Box, connection: sa.Connection) -> None:
        """Write what splits have changed into the ids at the start, in place; `follow` comes first."""
        if not self._operations:
            return
        for number, whole in chunk_boxes(box, self.source.spec.domain, _SHAPE):
            if number in self._operations:
                part = whole & box
                voxels[part.within(box)] = self._chunk(connection, number, whole)[part.within(whole)]

    def read(self, box: Box, connection: sa.Connection) -> NDArray[np.uint64]:
        """Return the ids in `box` now."""
        voxels = self.read_start(box)
        self.follow(connection)
        self.update(voxels, box, connection)
        return voxels

    def _chunk(self, connection: sa.Connection, number: int, box: Box) -> NDArray[np.uint64]:
        operation, kept = self._operations[number], self._kept.get(number)
        if kept is not None and kept[0] == operation:
            self._kept.move_to_end(number)
            return kept[1]
        query = sa.select(CHUNKS.c.data).where(CHUNKS.c.level == self.level, CHUNKS.c.chunk == number)
        voxels = decode(connection.execute(query).scalar_one(), box)
        self._kept[number] = operation, voxels
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return voxels


def write_chunk(connection: sa.Connection, level: int, number: int, operation: int, voxels: NDArray[np.uint64]) -> None:
    """Write a copy of a chunk, in place of an earlier one."""
    key = (CHUNKS.c.level == level, CHUNKS.c.chunk == number)
    connection.execute(CHUNKS.delete().where(*key))
    row = {"level": level, "chunk": number, "operation": operation, "data": encode(voxels)}
    connection.execute(CHUNKS.insert(), row)


def encode(voxels: NDArray[np.uint64]) -> bytes:
    """Return ids, compressed."""
    return bytes(blosc.compress(np.ascontiguousarray(voxels, "<u8"), b"zstd", 3, blosc.SHUFFLE))


def decode(data: bytes, box: Box) -> NDArray[np.uint64]:
    """Return the ids of a chunk."""
    return np.frombuffer(blosc.decompress(data), "<u8").astype(np.uint64).reshape(box.shape)
