"""Scan of a label volume for its supervoxels, before it is proofread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box

CHUNK = 64
"""Edge of the chunks of the index, in voxels."""
_BLOCK = 256
"""Edge of the blocks that are read at once, in voxels."""


def chunk_numbers(box: Box, domain: Box, chunk: int) -> Iterator[int]:
    """Yield the numbers of the chunks that meet `box`; chunks of this edge begin at the corner of the domain."""
    _, y, x = (-(-extent // chunk) for extent in domain.shape)
    ends = zip(box.start, box.stop, domain.start, strict=True)
    planes, rows, columns = (range((a - low) // chunk, -((low - b) // chunk)) for a, b, low in ends)
    for plane in planes:
        for row in rows:
            first = (plane * y + row) * x
            yield from range(first + columns.start, first + columns.stop)


def chunk_boxes(box: Box, domain: Box, chunk: int) -> Iterator[tuple[int, Box]]:
    """Yield number and box of the chunks that meet `box`."""
    for number in chunk_numbers(box, domain, chunk):
        yield number, chunk_box(number, domain, chunk)


def chunk_box(number: int, domain: Box, chunk: int) -> Box:
    """Return the box of a chunk."""
    y, x = (-(-extent // chunk) for extent in domain.shape[1:])
    at = (number // (y * x), number // x % y, number % x)
    start = tuple(low + i * chunk for low, i in zip(domain.start, at, strict=True))
    return Box.of_shape((chunk,) * 3, start) & domain


@dataclass
class Scan:
    """Supervoxels of a volume.

    Attributes
    ----------
    by_chunk : dict
        Number of a chunk → its supervoxels, sorted, without 0.
    """

    by_chunk: dict[int, NDArray[np.uint64]] = field(default_factory=dict)

    @property
    def ids(self) -> NDArray[np.uint64]:
        """All supervoxels, sorted."""
        parts = list(self.by_chunk.values())
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def scan(source: VolumeSource, name: str) -> Scan:
    """Return the supervoxels of a volume, which is read block by block.

    Raises
    ------
    InvalidInput
        If it has negative labels; names the first block that does.
    """
    domain, found = source.spec.domain, Scan()
    for block in BlockGrid(domain, (_BLOCK,) * 3):
        voxels = source.read(block.write)
        if voxels.dtype.kind == "i" and voxels.size and voxels.min() < 0:
            raise InvalidInput(
                f"{name} has the negative label {int(voxels.min())} in {block.write}; expected labels of 0 and more"
            )
        for number, box in chunk_boxes(block.write, domain, CHUNK):
            ids = _unique(voxels[box.within(block.write)])
            if len(ids):
                found.by_chunk[number] = ids
    return found


def digest_voxels(source: VolumeSource) -> str:
    """Return a digest of all voxels, which is the same for all dtypes that hold the labels."""
    digest = hashlib.blake2b(digest_size=16)
    for block in BlockGrid(source.spec.domain, (_BLOCK,) * 3):
        digest.update(np.ascontiguousarray(source.read(block.write).astype("<u8")).data)
    return digest.hexdigest()


def _unique(voxels: NDArray[np.generic]) -> NDArray[np.uint64]:
    flat = np.ascontiguousarray(voxels).reshape(-1).astype(np.uint64)
    ids = np.sort(pc.unique(pa.array(flat)).to_numpy())
    return ids[ids != 0]
