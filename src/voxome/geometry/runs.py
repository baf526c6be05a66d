"""Sets of voxels as runs along x: a table of them, a mask, their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import InvalidInput
from voxome.geometry.box import Box


@dataclass(frozen=True, eq=False)
class Runs:
    """Set of voxels (or of blocks) as runs along x.

    Attributes
    ----------
    table : (n, 4) array of int64
        z, y, x0, x1 of each run, x1 exclusive; sorted, and no two runs touch.
    """

    table: NDArray[np.int64]

    @classmethod
    def from_table(cls, table: ArrayLike) -> Runs:
        """Create runs from an (n, 4) table of z, y, x0, x1 (x1 exclusive) in any order; touching runs are merged.

        Raises
        ------
        InvalidInput
            If it is not such a table of integers, or a run is empty.
        """
        runs = np.asarray(table)
        if runs.size == 0:
            return cls(np.empty((0, 4), np.int64))
        if runs.ndim != 2 or runs.shape[1] != 4 or runs.dtype.kind not in "iu":
            raise InvalidInput(f"runs are rows of four integers z, y, x0, x1, not {runs.dtype} of shape {runs.shape}")
        runs = runs.astype(np.int64)
        empty = np.flatnonzero(runs[:, 3] <= runs[:, 2])
        if empty.size:
            raise InvalidInput(
                f"run {runs[empty[0]].tolist()} (row {empty[0]}) is empty; expected x0 < x1, with x1 exclusive"
            )
        return cls(_merge_runs(runs[np.lexsort((runs[:, 2], runs[:, 1], runs[:, 0]))]))

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_], start: tuple[int, int, int] = (0, 0, 0)) -> Runs:
        """Create the runs of a (z, y, x) mask whose first voxel is at `start`."""
        if mask.ndim != 3:
            raise InvalidInput(f"expected a mask with axes z, y, x, not of shape {mask.shape}")
        steps = np.diff(mask.astype(np.int8), axis=2, prepend=0, append=0)
        first, last = np.argwhere(steps == 1), np.argwhere(steps == -1)
        return cls(np.column_stack([first, last[:, 2]]) + np.array([*start, start[2]], np.int64))

    def __len__(self) -> int:
        return len(self.table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and np.array_equal(self.table, other.table)

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """Number of voxels."""
        return int((self.table[:, 3] - self.table[:, 2]).sum())

    @property
    def box(self) -> Box:
        """Bounding box (z, y, x); empty, at the origin, without voxels."""
        if not len(self):
            return Box.of_shape((0, 0, 0))
        low, high = self.table.min(axis=0), self.table.max(axis=0)
        return Box((low[0], low[1], low[2]), (high[0] + 1, high[1] + 1, high[3]))

    def clip(self, box: Box) -> Runs:
        """Return the voxels inside `box`."""
        z, y, x0, x1 = self.table.T
        x0, x1 = np.maximum(x0, box.start[2]), np.minimum(x1, box.stop[2])
        keep = (x0 < x1) & (z >= box.start[0]) & (z < box.stop[0]) & (y >= box.start[1]) & (y < box.stop[1])
        return Runs(np.column_stack([z, y, x0, x1])[keep])

    def mask(self, box: Box | None = None) -> NDArray[np.bool_]:
        """Return a (z, y, x) mask of `box`; of `self.box` if None."""
        box = self.box if box is None else box
        z, y, x0, x1 = (self.clip(box).table - np.array([*box.start, box.start[2]])).T
        steps = np.zeros((*box.shape[:2], box.shape[2] + 1), np.int8)
        steps[z, y, x0] = 1
        steps[z, y, x1] = -1
        return np.cumsum(steps[..., :-1], axis=2, dtype=np.int8).view(np.bool_)

    def points(self) -> NDArray[np.int64]:
        """Return the voxels as sorted rows of z, y, x."""
        lengths = self.table[:, 3] - self.table[:, 2]
        points = np.repeat(self.table[:, :3], lengths, axis=0)
        points[:, 2] += np.arange(len(points)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return points

    def difference(self, other: Runs) -> Runs:
        """Return the voxels that are not in `other`."""
        edges = np.concatenate([_edges(self.table, 1), _edges(other.table, -2)])
        edges = edges[np.lexsort((edges[:, 2], edges[:, 1], edges[:, 0]))]
        inside = np.cumsum(edges[:, 3])[:-1] == 1
        same_row = (np.diff(edges[:, :2], axis=0) == 0).all(axis=1)
        rest = np.column_stack([edges[:-1, :3], edges[1:, 2]])[inside & same_row]
        return Runs.from_table(rest[rest[:, 3] > rest[:, 2]])


def _merge_runs(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge sorted runs that touch or overlap."""
    span = int(runs[:, 3].max() - runs[:, 2].min()) + 1
    row = np.cumsum(np.any(np.diff(runs[:, :2], axis=0, prepend=runs[:1, :2]) != 0, axis=1))
    reach = np.maximum.accumulate(runs[:, 3] + row * span)
    first = np.ones(len(runs), bool)
    first[1:] = runs[1:, 2] + row[1:] * span > reach[:-1]
    first[1:] |= row[1:] != row[:-1]
    starts = np.flatnonzero(first)
    joined = runs[starts]
    joined[:, 3] = np.maximum.reduceat(runs[:, 3], starts)
    return joined


def _edges(runs: NDArray[np.int64], weight: int) -> NDArray[np.int64]:
    """Return the starts (z, y, x, weight) and ends (z, y, x, -weight) of runs."""
    up, down = np.full(len(runs), weight), np.full(len(runs), -weight)
    return np.concatenate([np.column_stack([runs[:, :3], up]), np.column_stack([runs[:, [0, 1, 3]], down])])
