"""One array copied to another, block by block: what a worker needs to know, as JSON values."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from voxome.services.transfer.blocks import Blocks

TARGET_BYTES = 1 << 25
"""Approximate size of blocks of small chunks; the setting ``VOXOME_TRANSFER_BLOCK_BYTES`` overrides it."""
COVER_BYTES = 1 << 27
"""Maximum size to which blocks grow in order to contain complete chunks of the source."""


@dataclass(frozen=True, kw_only=True)
class Copy(Blocks):
    """One array copied to another, block by block.

    Attributes
    ----------
    name : str
        Name to display.
    source, target : str
        URIs.
    dtype : str
        Data type of the target.
    shift : tuple of int
        Offset from indices of the source to those of the target.
    source_name : str
        Name of the source in the key of the copy, if its URI may change; empty for the URI.
    """

    name: str
    source: str
    target: str
    dtype: str
    shift: tuple[int, ...]
    source_name: str = ""

    @cached_property
    def key(self) -> str:
        """Key of the copy in the ledger."""
        decisive = {**asdict(self), "source": self.source_name or self.source}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Copy:
        """Return the copy that `dataclasses.asdict` turned into `data`."""
        return cls(**{**data, **{name: tuple(data[name]) for name in ("block", "shift")}})


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
