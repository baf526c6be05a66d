"""Changes of chunks by a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.services.proofreading.scan import chunk_boxes
from voxome.services.proofreading.voxels import EDGE, write_chunk


@dataclass(frozen=True, eq=False)
class ChunkEdit:
    """Change of one chunk by a split.

    Attributes
    ----------
    level, number : int
        Level of the pyramid, and number of the chunk.
    at : (n,) array of intp
        Voxels in the flat chunk.
    new : (n,) array of int32
        Position of the new id, from 1.
    """

    level: int
    number: int
    at: NDArray[np.intp]
    new: NDArray[np.int32]

    def write(self, connection: sa.Connection, operation: int, ids: Sequence[int]) -> None:
        """Write the chunk, with these new ids."""
        rows = np.column_stack([self.at.astype(np.uint64), np.array(ids, np.uint64)[self.new - 1]])
        write_chunk(connection, self.level, self.number, operation, rows)


def chunk_edits(domain: Box, level: int, box: Box, new: NDArray[np.int32]) -> Iterator[ChunkEdit]:
    """Yield the changes of the chunks of a level in which anything changes.

    Parameters
    ----------
    domain : Box
        Extent of the level.
    level : int
        Its number.
    box : Box
        What may change.
    new : (z, y, x) array of int32
        Positions of the new ids in `box`, from 1; 0 where nothing changes.
    """
    for number, whole in chunk_boxes(box, domain, EDGE):
        part = whole & box
        voxels = np.argwhere(new[part.within(box)])
        if len(voxels):
            inside = tuple((voxels + np.subtract(part.start, box.start)).T)
            at = np.ravel_multi_index(tuple((voxels + np.subtract(part.start, whole.start)).T), whole.shape)
            yield ChunkEdit(level, number, at, new[inside])


def bounding_box(mask: NDArray[np.bool_], box: Box) -> Box:
    """Return the box around what is true in `mask`, which covers `box`."""
    ends = []
    for axis, start in enumerate(box.start):
        inside = np.flatnonzero(mask.any(axis=tuple(one for one in range(3) if one != axis)))
        ends.append((start + int(inside[0]), start + int(inside[-1]) + 1))
    return Box(tuple(a for a, _ in ends), tuple(b for _, b in ends))
