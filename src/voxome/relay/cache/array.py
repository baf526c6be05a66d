"""One array that is cached by chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.relay.cache.counters import SourceCounters


@dataclass(frozen=True)
class CachedArray:
    """A level of a source, in one state of it.

    Attributes
    ----------
    source : str
        Identity of the source, whatever its name.
    incarnation : str
        Never used again once the source has been replaced.
    level : int
        Number of the level.
    grid : BlockGrid
        Its chunks.
    dtype : numpy.dtype
        Of its voxels.
    read : function
        Returns the voxels of a box from the source.
    counters : SourceCounters
        Counters of the source.
    epoch : int
        Number of times that the source has expired; chunks of earlier epochs are stale.
    oldest_epoch : int
        Stale chunks of this epoch and later ones are served while the source cannot be reached.
    """

    source: str
    incarnation: str
    level: int
    grid: BlockGrid
    dtype: np.dtype[Any]
    read: Callable[[Box], NDArray[Any]]
    counters: SourceCounters = field(default_factory=SourceCounters)
    epoch: int = 0
    oldest_epoch: int = 0

    @cached_property
    def _digest(self) -> bytes:
        parts = (self.source, self.incarnation, self.level, self.grid.domain, self.grid.block, self.grid.anchor)
        return hashlib.sha256(f"{parts} {self.dtype.str}".encode()).digest()

    def key(self, chunk: int) -> bytes:
        """Return the key of a chunk in the cache."""
        return hashlib.blake2b(chunk.to_bytes(8, "big"), digest_size=16, key=self._digest).digest()

    def name(self, chunk: int) -> str:
        """Return the name of a chunk among all of the source."""
        return f"{self.level}/{chunk}"

    def names(self, box: Box) -> list[str]:
        """Return the names of the chunks that a box touches."""
        return [self.name(chunk) for chunk in self.grid.touching(box)]
