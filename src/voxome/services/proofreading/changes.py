"""What an operation changes: the segments of supervoxels, and the supervoxels of ids in the voxels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxome.services.proofreading.tables import pack, unpack

_NONE = np.empty((0, 3), np.uint64)


@dataclass(frozen=True, eq=False)
class Changes:
    """Changes of one operation; 0 stands for "does not exist".

    Attributes
    ----------
    moves : (n, 3) array of uint64
        Supervoxel, its segment before, its segment after.
    stored : (n, 3) array of uint64
        Id in the voxels, its supervoxel before, its supervoxel after; 0: that of its parent.
    """

    moves: NDArray[np.uint64]
    stored: NDArray[np.uint64]

    @classmethod
    def of(cls, moves: Iterable[tuple[int, int, int]], stored: Iterable[tuple[int, int, int]] = ()) -> Self:
        """Return changes from rows of integers."""
        return cls(_rows(moves), _rows(stored))

    @classmethod
    def unpack(cls, moves: bytes, stored: bytes) -> Self:
        """Return the changes in the binary columns of an operation."""
        return cls(unpack(moves, 3), unpack(stored, 3))

    def pack(self) -> dict[str, bytes]:
        """Return the binary columns of an operation."""
        return {"moves": pack(self.moves), "stored": pack(self.stored)}

    def reversed(self) -> Changes:
        """Return the changes that take these back."""
        return Changes(self.moves[:, [0, 2, 1]], self.stored[:, [0, 2, 1]])

    @cached_property
    def segments(self) -> frozenset[int]:
        """Segments that lose or get a supervoxel."""
        return frozenset(np.unique(self.moves[:, 1:]).tolist()) - {0}


def _rows(rows: Iterable[tuple[int, int, int]]) -> NDArray[np.uint64]:
    values = list(rows)
    return np.array(values, np.uint64).reshape(-1, 3) if values else _NONE
