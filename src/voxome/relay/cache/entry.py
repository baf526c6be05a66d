"""A chunk in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class CachedChunk:
    """The voxels of a chunk, as its source sent them.

    Attributes
    ----------
    voxels : array
        Not writable.
    generation : int
        Generation that the chunk had before it was fetched; another one now means that it was written since.
    epoch : int
        Number of times that its source had expired.
    """

    voxels: NDArray[Any]
    generation: int
    epoch: int
