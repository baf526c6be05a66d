"""One array that is cached by chunks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import ENTERED, Generations, entered
from voxome.relay.lazy import lazy


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
    origins : function, optional
        Of an array that is computed: box → the stored arrays, and their boxes, on which its voxels depend.
    depth : int
        Number of arrays, each computed from the next, down to a stored one.
    pool : str
        Arrays with the same share the threads that fetch; by default those of a source.
    spatial : tuple of int
        Its axes in space, along which chunks are prefetched; all if empty.
    timeout_s : float
        Time in which at least one chunk must come while some are waited for.
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
    origins: Callable[[Box], Sequence[tuple[CachedArray, Box]]] | None = None
    depth: int = 0
    pool: str = ""
    spatial: tuple[int, ...] = ()
    timeout_s: float = math.inf

    @lazy
    def _digest(self) -> bytes:
        parts = (self.source, self.incarnation, self.level, self.grid.domain, self.grid.block, self.grid.anchor)
        return hashlib.sha256(f"{parts} {self.dtype.str}".encode()).digest()

    def key(self, chunk: int) -> bytes:
        """Return the key of a chunk in the cache."""
        return hashlib.blake2b(chunk.to_bytes(8, "big"), digest_size=16, key=self._digest).digest()

    def name(self, chunk: int) -> str:
        """Return the name of a chunk among all of the source."""
        return f"{self.level}/{chunk}"

    def origins_of(self, box: Box) -> Sequence[tuple[CachedArray, Box]]:
        """Return the stored arrays, and their boxes, on which the voxels of a box depend."""
        return [(self, box)] if self.origins is None else self.origins(box)

    def generation(self, chunk: int, generations: Generations) -> int:
        """Return a number that changes when the chunk, or one from which it is computed, is written."""
        if self.origins is None:
            return generations.of(self.source, self.name(chunk))
        digest = hashlib.blake2b(digest_size=8)
        for array, box in self.origins(self.grid[chunk].write):
            names = [array.name(other) for other in array.grid.touching(box)]
            for name in (*names, *map(entered, names), ENTERED):
                digest.update(generations.of(array.source, name).to_bytes(8, "big"))
        return int.from_bytes(digest.digest(), "big") >> 1  # 63 bits, as SQLite takes

    def names(self, box: Box) -> list[str]:
        """Return the names of the chunks that a box touches."""
        return [self.name(chunk) for chunk in self.grid.touching(box)]
