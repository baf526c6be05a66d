"""A sparse mask as its runs along x, which other steps only look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.geometry import Box
from voxome.tools.common.vessels.runs import count_voxels

_VOXELS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class RunMask:
    """The runs of a mask in a box, in 12 bytes each.

    Attributes
    ----------
    box : Box
        Box of the mask.
    first : (runs,) int64
        First voxel of every run, as a C-order index in `box`; sorted.
    length : (runs,) int32
        Voxels of every run.
    """

    box: Box
    first: NDArray[np.int64]
    length: NDArray[np.int32]

    @classmethod
    def of_runs(cls, runs: Rows, box: Box) -> RunMask:
        """Return the mask of sorted runs, whole along x."""
        first = np.zeros(len(runs["z"]), np.int64)
        for name, start, extent in zip(("z", "y", "start"), box.start, box.shape, strict=True):
            first *= extent
            first += runs[name]
            first -= start
        return cls(box, first, count_voxels(runs).astype(np.int32))

    def contains(self, points: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether voxels (n, 3), anywhere, are in the mask."""
        relative = points - self.box.start
        inside = ((relative >= 0) & (relative < self.box.shape)).all(axis=1)
        result = np.zeros(len(points), bool)
        if not len(self.first):
            return result
        index = np.ravel_multi_index(tuple(relative[inside].T), self.box.shape)
        run = np.searchsorted(self.first, index, side="right") - 1
        result[inside] = (run >= 0) & (index - self.first[run] < self.length[run])
        return result

    def voxels(self) -> Iterator[NDArray[np.int64]]:
        """Yield the voxels (n, 3) of the mask in C order, about 2¹⁸ at a time."""
        ends = np.cumsum(self.length, dtype=np.int64)
        cuts = np.searchsorted(ends, np.arange(_VOXELS_AT_ONCE, ends[-1] if len(ends) else 0, _VOXELS_AT_ONCE))
        for first, length in zip(np.split(self.first, cuts), np.split(self.length, cuts), strict=True):
            last = np.cumsum(length, dtype=np.int64)
            index = np.arange(length.sum()) + np.repeat(first - last + length, length)
            yield np.stack(np.unravel_index(index, self.box.shape), axis=1) + self.box.start
