"""One array copied to another, block by block: what a worker needs to know, as JSON values."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from voxome.contracts.downsampling import Method
from voxome.geometry import BlockGrid, Box
from voxome.services.transfer.choices import Verify

MAX_JOBS = 1 << 17
"""Approximate maximum number of jobs of a copy; up to this number, jobs have one block each."""
TARGET_BYTES = 1 << 25
"""Approximate size of blocks of small chunks; the setting ``VOXOME_TRANSFER_BLOCK_BYTES`` overrides it."""
COVER_BYTES = 1 << 27
"""Maximum size to which blocks grow in order to contain complete chunks of the source."""
_SAMPLE_EVERY = 16


@dataclass(frozen=True)
class Copy:
    """One array copied to another, block by block.

    Attributes
    ----------
    name : str
        Name to display.
    source, target : str
        URIs.
    domain, box : str
        Domain of the target, and the box to write.
    block : tuple of int
        Block shape, a multiple of the target's write chunk; blocks start at the start of the domain.
    dtype : str
        Data type of the target.
    shift : tuple of int
        Offset from indices of the source to those of the target.
    factors : tuple of int
        Downsampling factors.
    method : str or None
        Downsampling method; None if voxels are copied.
    source_name : str
        Name of the source in the key of the copy, if its URI may change; empty for the URI.
    """

    name: str
    source: str
    target: str
    domain: str
    box: str
    block: tuple[int, ...]
    dtype: str
    shift: tuple[int, ...]
    factors: tuple[int, ...]
    method: Method | None = None
    source_name: str = ""

    @cached_property
    def key(self) -> str:
        """Key of the copy in the ledger."""
        decisive = {**asdict(self), "source": self.source_name or self.source}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def verified_key(self) -> str:
        """Key in the ledger of the jobs of which every block was read back."""
        return f"{self.key}-verified"

    @cached_property
    def grid(self) -> BlockGrid:
        """Grid of blocks."""
        return BlockGrid(Box.parse(self.domain), self.block, Box.parse(self.box))

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return -(-len(self.grid) // self._span)

    def blocks(self, job: int) -> range:
        """Return the indices of the blocks of a job."""
        return range(job * self._span, min((job + 1) * self._span, len(self.grid)))

    def where(self, job: int) -> str:
        """Return the boxes of a job as text to display."""
        first, *rest = self.blocks(job)
        return str(self.grid[first].write) + (f" to {self.grid[rest[-1]].write}" if rest else "")

    @property
    def _span(self) -> int:
        return -(-len(self.grid) // MAX_JOBS)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Copy:
        """Return the copy that `dataclasses.asdict` turned into `data`."""
        return cls(**{**data, **{name: tuple(data[name]) for name in ("block", "shift", "factors")}})


def is_verified(verify: Verify, seed: int, index: int, count: int) -> bool:
    """Return whether block `index` of `count` is read back; a sample has the first, the last and one in 16 others."""
    if verify != "sampled":
        return verify == "all"
    return index in (0, count - 1) or zlib.crc32(f"{seed}/{index}".encode()) % _SAMPLE_EVERY == 0


def count_verified(copies: Iterable[Copy], verify: Verify, seed: int) -> int:
    """Return how many blocks of finished copies were read back."""
    counts = (len(copy.grid) for copy in copies)
    return sum(is_verified(verify, seed, index, count) for count in counts for index in range(count))


def block_shape(
    write_chunk: Sequence[int],
    extent: Sequence[int],
    itemsize: int,
    read_chunk: Sequence[int],
    target_bytes: int = TARGET_BYTES,
) -> tuple[int, ...]:
    """Return a block shape that is a multiple of the write chunk and, if possible, of the read chunk.

    Parameters
    ----------
    write_chunk : sequence of int
        Chunk of the target; no two blocks share one.
    extent : sequence of int
        Number of voxels along every axis; blocks may exceed it at no cost.
    itemsize : int
        Bytes per voxel.
    read_chunk : sequence of int
        Chunk of the source. Blocks contain complete ones, if that takes at most `COVER_BYTES`, so that each is read
        once.
    target_bytes : int
        Size up to which blocks grow.

    Examples
    --------
    >>> block_shape((64, 64, 64), (640, 640, 640), 1, (1, 640, 640))
    (64, 640, 640)
    """
    block = list(write_chunk)
    for axis in reversed(range(len(block))):
        fits = COVER_BYTES // (block_bytes(block, extent, itemsize) // min(block[axis], extent[axis]))
        unit, read = write_chunk[axis], read_chunk[axis]
        length = min(math.lcm(unit, read), 2 * _round_up(read, unit), _round_up(extent[axis], unit))
        block[axis] = max(unit, min(length, fits // unit * unit))
    for axis in reversed(range(len(block))):
        while block[axis] < extent[axis] and 2 * block_bytes(block, extent, itemsize) <= target_bytes:
            block[axis] *= 2
    return tuple(block)


def block_bytes(block: Sequence[int], extent: Sequence[int], itemsize: int) -> int:
    """Return the number of bytes of a block within the extent."""
    return math.prod(min(n, e) for n, e in zip(block, extent, strict=True)) * itemsize


def _round_up(length: int, unit: int) -> int:
    return -(-length // unit) * unit
