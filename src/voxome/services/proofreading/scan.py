"""Scan of a label volume for its supervoxels, before it is proofread."""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.storage.atomic import storing

CHUNK = 64
"""Edge of the chunks of the index, in voxels."""
_BLOCK = 256
"""Edge of the blocks that are read at once, in voxels."""
_HEAD = Struct("<q8sq")
"""Number, digest and number of supervoxels of a chunk."""
_UNSORTED = 1 << 20
"""Supervoxels of chunks that wait to be sorted among the others, at least."""


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


class ScannedChunk(NamedTuple):
    """A chunk with supervoxels: its number, these, sorted, without 0, and the digest of its voxels."""

    number: int
    ids: NDArray[np.uint64]
    digest: bytes


class Scan:
    """Supervoxels of a volume; those of its chunks wait in a temporary file, which goes with the object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._ids, self._new = np.empty(0, np.uint64), array("Q")

    def add(self, chunk: ScannedChunk) -> None:
        """Add a chunk.

        Raises
        ------
        StoreError
            If the folder of temporary files is full.
        """
        content = chunk.ids.tobytes()
        with storing(Path(tempfile.gettempdir())):
            self._file.write(_HEAD.pack(chunk.number, chunk.digest, len(chunk.ids)) + content)
        self._new.frombytes(content)
        if len(self._new) > max(_UNSORTED, len(self._ids)):
            self._sort()

    def chunks(self) -> Iterator[ScannedChunk]:
        """Yield the chunks that were added; chunks of zeros are left out."""
        with storing(Path(tempfile.gettempdir())):
            self._file.seek(0)
            while head := self._file.read(_HEAD.size):
                number, digest, count = _HEAD.unpack(head)
                yield ScannedChunk(number, np.frombuffer(self._file.read(8 * count), np.uint64), digest)

    @property
    def ids(self) -> NDArray[np.uint64]:
        """All supervoxels, sorted."""
        self._sort()
        return self._ids

    def _sort(self) -> None:
        self._ids = np.union1d(self._ids, np.frombuffer(self._new, np.uint64))
        self._new = array("Q")


def scan(source: VolumeSource, name: str) -> Scan:
    """Return the supervoxels of a volume, which is read block by block.

    Raises
    ------
    InvalidInput
        If it has negative labels; names the first chunk that does.
    StoreError
        If the folder of temporary files is full.
    """
    result = Scan()
    for number, box, voxels in read_chunks(source):
        if voxels.dtype.kind == "i" and voxels.size and voxels.min() < 0:
            raise InvalidInput(
                f"{name} has the negative label {int(voxels.min())} in {box}; expected labels of 0 and more"
            )
        ids = _unique(voxels)
        if len(ids):
            result.add(ScannedChunk(number, ids, digest_chunk(voxels)))
    return result


def read_chunks(source: VolumeSource) -> Iterator[tuple[int, Box, NDArray[Any]]]:
    """Yield number, box and voxels of all chunks of a volume, which is read block by block."""
    domain = source.spec.domain
    for block in BlockGrid(domain, (_BLOCK,) * 3):
        voxels = source.read(block.write)
        for number, box in chunk_boxes(block.write, domain, CHUNK):
            yield number, box, voxels[box.within(block.write)]


def digest_chunk(voxels: NDArray[Any]) -> bytes:
    """Return a digest of labels, which is the same for all dtypes that hold them."""
    return hashlib.blake2b(np.ascontiguousarray(voxels, "<u8").data, digest_size=8).digest()


def _unique(voxels: NDArray[Any]) -> NDArray[np.uint64]:
    flat = np.ascontiguousarray(voxels).reshape(-1).astype(np.uint64)
    ids = np.sort(pc.unique(pa.array(flat)).to_numpy())
    return ids[ids != 0]
