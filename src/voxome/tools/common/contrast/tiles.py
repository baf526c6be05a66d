"""Grid of tiles over a domain, and histograms of their grey values.

Tiles are anchored at the start of the domain and have a physical size. The last tile along an axis ends with the
domain and is between half and one and a half times as long as the others. The grid depends neither on blocks nor on the
box of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.geometry import Box

BINS = 256
"""Bins of a histogram, over the range of grey values."""


@dataclass(frozen=True)
class TileGrid:
    """Tiles over a domain.

    Attributes
    ----------
    domain : Box
        Domain (z, y, x).
    edges : (z, y, x)
        Length of a tile, in voxels.
    """

    domain: Box
    edges: tuple[int, ...]

    @classmethod
    def of(cls, domain: Box, tile_um: float, scale_nm: Sequence[float]) -> TileGrid:
        """Return the grid of tiles of a physical size."""
        return cls(domain, tuple(max(1, round(tile_um * 1000.0 / size)) for size in scale_nm))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(
            max(1, (2 * n + edge) // (2 * edge)) for n, edge in zip(self.domain.shape, self.edges, strict=True)
        )

    def indices(self, axis: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the tile of each voxel from `start` to `stop` of an axis."""
        relative = np.arange(start, stop, dtype=np.int64) - self.domain.start[axis]
        return np.minimum(relative // self.edges[axis], self.shape[axis] - 1)

    def numbers(self, box: Box) -> NDArray[np.int64]:
        """Return the number of the tile of each voxel (z, y, x) of a box."""
        z, y, x = (self.indices(axis, *ends) for axis, ends in enumerate(zip(box.start, box.stop, strict=True)))
        numbers: NDArray[np.int64] = self.number(z[:, None, None], y[:, None], x)
        return numbers

    def number(self, z: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of tiles at positions in the grid."""
        return (z * self.shape[1] + y) * self.shape[2] + x

    def neighbours(
        self, axis: int, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return the two tiles between whose centres each voxel of an axis is, and the weight of the second one.

        Beyond the centre of the first or last tile, both are that tile.
        """
        count, edge = self.shape[axis], self.edges[axis]
        first = np.arange(count) * edge
        last = np.append(first[1:], self.domain.shape[axis])
        centres = (first + last - 1) / 2.0
        relative = np.arange(start, stop) - self.domain.start[axis]
        upper = np.searchsorted(centres, relative)
        low, high = np.clip(upper - 1, 0, count - 1), np.clip(upper, 0, count - 1)
        gap = centres[high] - centres[low]
        weight = np.where(gap > 0, (relative - centres[low]) / np.where(gap > 0, gap, 1.0), 0.0)
        return low, high, weight.astype(np.float32)


def quantize(image: NDArray[np.generic], low: float, high: float) -> NDArray[np.int64]:
    """Return the bin of each grey value; those outside the range are in the first or last bin."""
    scale = np.float32(BINS / (high - low))
    bins = np.floor((image.astype(np.float32) - np.float32(low)) * scale)
    return np.clip(bins, 0, BINS - 1).astype(np.int64)


def count_bins(tiles: NDArray[np.int64], bins: NDArray[np.int64]) -> Rows:
    """Return the voxels of each tile and bin, sorted; rows of several blocks add up.

    Parameters
    ----------
    tiles, bins : (n,) int64
        Tile and bin of each voxel.

    Returns
    -------
    Rows
        ``tile`` (uint64), ``bin`` (int64), ``voxels`` (int64).
    """
    codes, voxels = np.unique(tiles * BINS + bins, return_counts=True)
    return {"tile": (codes // BINS).astype(np.uint64), "bin": codes % BINS, "voxels": voxels.astype(np.int64)}


def histograms(rows: Rows, tiles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the histograms (n, BINS) of sorted tiles (n,), with zeros for tiles that have no rows."""
    out = np.zeros((len(tiles), BINS), np.int64)
    at = np.searchsorted(tiles, rows["tile"].astype(np.int64))
    known = at < len(tiles)
    known[known] = tiles[at[known]] == rows["tile"][known].astype(np.int64)
    out[at[known], rows["bin"][known]] = rows["voxels"][known]
    return out
