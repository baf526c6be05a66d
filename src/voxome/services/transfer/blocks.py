"""Jobs over the blocks of an array that is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

from voxome.geometry import BlockGrid, Box
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.verification import is_verified

MAX_JOBS = 1 << 17
"""Approximate maximum number of jobs; up to this number, jobs have one block each."""


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Jobs over the blocks of an array.

    Attributes
    ----------
    domain, box : str
        Domain of the array to write, and the part of it to fill.
    block : tuple of int
        Block shape, a multiple of its write chunk; blocks start at the start of the domain.
    """

    domain: str
    box: str
    block: tuple[int, ...]

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

    @cached_property
    def key(self) -> str:
        """Key in the ledger."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def verified_key(self) -> str:
        """Key in the ledger of the jobs of which every block was read back."""
        return f"{self.key}-verified"

    @property
    def _span(self) -> int:
        return -(-len(self.grid) // MAX_JOBS)


def count_verified(parts: Iterable[Blocks], verify: Verify, seed: int) -> int:
    """Return how many blocks of finished parts were read back."""
    counts = (len(one.grid) for one in parts)
    return sum(is_verified(verify, seed, index, count) for count in counts for index in range(count))
