"""Sizes, boxes, and sums of positions and of their products, by label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.segments.runs import Index, Runs, end_of

PRODUCTS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""The axes of each sum of products."""


@dataclass(frozen=True)
class Moments:
    """Of every label, in the order of the ids of the runs, with indices from the corner of the block.

    Attributes
    ----------
    voxels : (n,) int64
        Number of voxels.
    low, high : (n, 3) int64
        Bounding box: first index, and the one after the last.
    sums : (n, 3) array
        Sums of indices: int64, or Python integers where these do not suffice.
    products : (n, 6) array
        Sums of products of two indices, in the order `PRODUCTS`.
    """

    voxels: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    sums: NDArray[Any]
    products: NDArray[Any]

    @classmethod
    def of(cls, runs: Runs, inner: tuple[int, int, int]) -> Moments:
        """Return the moments of the part of a block that has the shape `inner`, at its corner."""
        voxels, low, high, sums, products = _add(
            runs.first, runs.start, runs.label, len(runs.ids), runs.shape, runs.order(inner)
        )
        places = {axis: place for place, axis in enumerate(runs.axes)}
        pairs = [tuple(sorted((places[a], places[b]))) for a, b in PRODUCTS]
        which = [PRODUCTS.index((a, b)) for a, b in pairs]
        return cls(voxels, runs.restore(low), runs.restore(high), runs.restore(sums), products[:, which])

    def shift(self, origin: tuple[int, ...]) -> Moments:
        """Return the moments with indices from a point that is `origin` before the corner of the block.

        There must be a label.
        """
        voxels, sums, products = self.voxels, self.sums, self.products
        extent = max(int(n) + abs(o) for n, o in zip(self.high.max(axis=0), origin, strict=True))
        if extent**2 * int(voxels.max()) >= 1 << 61:
            voxels, sums, products = (each.astype(object) for each in (voxels, sums, products))
        moved = [
            products[:, at] + origin[a] * sums[:, b] + origin[b] * sums[:, a] + origin[a] * origin[b] * voxels
            for at, (a, b) in enumerate(PRODUCTS)
        ]
        offset = np.array(origin, np.int64)
        return Moments(
            self.voxels,
            self.low + offset,
            self.high + offset,
            np.stack([sums[:, axis] + origin[axis] * voxels for axis in range(3)], axis=1),
            np.stack(moved, axis=1),
        )

    def select(self, rows: NDArray[Any]) -> Moments:
        """Return those of some labels."""
        return Moments(self.voxels[rows], self.low[rows], self.high[rows], self.sums[rows], self.products[rows])


@numba.njit(cache=True, nogil=True)
def _add(
    first: NDArray[np.int64], start: Index, label: Index, count: int, shape: tuple[int, ...], inner: tuple[int, ...]
) -> tuple[NDArray[np.int64], ...]:
    voxels = np.zeros(count, np.int64)
    low = np.full((count, 3), np.iinfo(np.int64).max)
    high = np.zeros((count, 3), np.int64)
    sums = np.zeros((count, 3), np.int64)
    products = np.zeros((count, 6), np.int64)
    for z in range(inner[0]):
        for y in range(inner[1]):
            row = z * shape[1] + y
            for run in range(first[row], first[row + 1]):
                a = np.int64(start[run])
                if a >= inner[2]:
                    break
                b = min(end_of(start, run, first[row + 1], shape[2]), inner[2])
                n, at = b - a, label[run]
                x = n * (a + b - 1) // 2
                voxels[at] += n
                low[at, 0] = min(low[at, 0], z)
                low[at, 1] = min(low[at, 1], y)
                low[at, 2] = min(low[at, 2], a)
                high[at, 0] = max(high[at, 0], z + 1)
                high[at, 1] = max(high[at, 1], y + 1)
                high[at, 2] = max(high[at, 2], b)
                sums[at, 0] += n * z
                sums[at, 1] += n * y
                sums[at, 2] += x
                products[at, 0] += n * z * z
                products[at, 1] += n * z * y
                products[at, 2] += z * x
                products[at, 3] += n * y * y
                products[at, 4] += y * x
                products[at, 5] += (b - 1) * b * (2 * b - 1) // 6 - (a - 1) * a * (2 * a - 1) // 6
    return voxels, low, high, sums, products
