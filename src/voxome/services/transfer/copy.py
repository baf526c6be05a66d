"""One array written from another: all that a worker needs to know, as JSON values."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from voxome.geometry import BlockGrid, Box
from voxome.resources.coarsening import Method

Verify = Literal["none", "sampled", "all"]
MOST_JOBS = 1 << 17
"""A copy is cut into at most about this many jobs; one block each, as long as that is enough."""
_ONE_OF = 16


@dataclass(frozen=True)
class Copy:
    """One array written from another, block by block.

    Attributes
    ----------
    name : str
        For people to read.
    source, target : str
        URIs.
    domain, box : str
        All voxels of the target, and those that are written.
    block : tuple of int
        A multiple of the target's write chunk, from the start of its domain on.
    dtype : str
        Of the target.
    shift : tuple of int
        What an index of the target is more than that of the source.
    factors : tuple of int
        Voxels of the source along one of the target.
    method : str or None
        How they become one; None if the voxels are copied.
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

    @cached_property
    def key(self) -> str:
        """By which the ledger knows it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def grid(self) -> BlockGrid:
        """Its blocks."""
        return BlockGrid(Box.parse(self.domain), self.block, Box.parse(self.box))

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return -(-len(self.grid) // self._span)

    def blocks(self, job: int) -> range:
        """The blocks of a job."""
        return range(job * self._span, min((job + 1) * self._span, len(self.grid)))

    def where(self, job: int) -> str:
        """The boxes of a job, for people to read."""
        first, *others = self.blocks(job)
        return str(self.grid[first].write) + (f" to {self.grid[others[-1]].write}" if others else "")

    @property
    def _span(self) -> int:
        return -(-len(self.grid) // MOST_JOBS)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Copy:
        """From what `dataclasses.asdict` gave."""
        return cls(**{**data, **{name: tuple(data[name]) for name in ("block", "shift", "factors")}})


def is_verified(verify: Verify, seed: int, index: int, count: int) -> bool:
    """Whether block `index` of `count` is read back: of a sample the first, the last and one of 16 between."""
    if verify != "sampled":
        return verify == "all"
    return index in (0, count - 1) or zlib.crc32(f"{seed}/{index}".encode()) % _ONE_OF == 0
