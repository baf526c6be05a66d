"""Functions from grey values to corrected ones, for each tile, and their interpolation between tiles."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.contrast.tiles import BINS, TileGrid, histograms, quantize


def equalizations(counts: NDArray[np.int64], clip_limit: float) -> NDArray[np.float32]:
    """Return the contrast-limited equalization of each histogram (Zuiderveld 1994, Graphics Gems IV).

    Parameters
    ----------
    counts : (n, BINS) int64
        Histograms.
    clip_limit : float
        Largest number of voxels of a bin, in multiples of the mean; what is above is spread over all bins.

    Returns
    -------
    (n, BINS) float32
        Output from 0 to 1 at the middle of every bin. That of a constant tile is its own grey value, to within
        ``clip_limit / (2 * BINS)``.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    kept = np.minimum(shares, clip_limit / BINS)
    kept += (1.0 - kept.sum(axis=1, keepdims=True)) / BINS
    return (np.cumsum(kept, axis=1) - kept / 2.0).astype(np.float32)


def medians(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the median of each histogram (n, BINS) as a position from 0 to 1."""
    cumulative = np.cumsum(counts, axis=1)
    half = cumulative[:, -1:] / 2.0
    at = np.minimum((cumulative < half).sum(axis=1), BINS - 1)
    rows = np.arange(len(counts))
    below = cumulative[rows, at] - counts[rows, at]
    inside = (half[:, 0] - below) / np.maximum(counts[rows, at], 1)
    return ((at + inside) / BINS).astype(np.float32)


def tiles_around(grid: TileGrid, box: Box) -> NDArray[np.int64]:
    """Return the sorted numbers of the tiles between whose centres the voxels of a box are."""
    ranges = []
    for axis, (start, stop) in enumerate(zip(box.start, box.stop, strict=True)):
        low, high, _ = grid.neighbours(axis, start, stop)
        ranges.append(np.arange(low[0], high[-1] + 1))
    z, y, x = ranges
    return grid.number(z[:, None, None], y[:, None], x).ravel()


def read_histograms(table: TableFile, tiles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the histograms (n, BINS) of sorted tiles (n,); only their rows are read."""
    rows: Rows = table.lookup("tile", tiles.astype(np.uint64))
    return histograms(rows, tiles)


def interpolate(
    grid: TileGrid, box: Box, tiles: NDArray[np.int64], values: NDArray[np.float32], filled: NDArray[Any],
    bins: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Interpolate linearly between the values of the eight tiles around each voxel; those without data do not count.

    Parameters
    ----------
    grid : TileGrid
        Tiles.
    box : Box
        Box of the result.
    tiles : (n,) int64
        Sorted numbers of tiles.
    values : (n,) or (n, BINS) float32
        Their values, or their values at each bin.
    filled : (n,) bool
        Tiles with data.
    bins : (z, y, x) int64, optional
        Bin of each voxel, if `values` has bins.

    Returns
    -------
    (z, y, x) float32
        0 where none of the tiles has data.
    """
    ends = zip(box.start, box.stop, strict=True)
    sides = [grid.neighbours(axis, start, stop) for axis, (start, stop) in enumerate(ends)]
    total: NDArray[Any] = np.zeros(box.shape, np.float32)
    weights: NDArray[Any] = np.zeros(box.shape, np.float32)
    for corner in itertools.product((0, 1), repeat=3):
        z, y, x = (side[1] if which else side[0] for side, which in zip(sides, corner, strict=True))
        at = np.searchsorted(tiles, grid.number(z[:, None, None], y[:, None], x))
        wz, wy, wx = (side[2] if which else 1 - side[2] for side, which in zip(sides, corner, strict=True))
        weight: NDArray[Any] = wz[:, None, None] * wy[:, None] * wx * filled[at]
        total += weight * (values[at] if bins is None else values[at, bins])
        weights += weight
    mean: NDArray[Any] = total / np.where(weights > 0, weights, np.float32(1))
    return mean


def equalize(
    image: NDArray[np.generic], table: TableFile, grid: TileGrid, box: Box, limits: tuple[float, float],
    clip_limit: float,
) -> NDArray[np.float32]:  # fmt: skip
    """Return an image (z, y, x) from 0 to 1, equalized by the histograms of the tiles around each voxel."""
    tiles = tiles_around(grid, box)
    counts = read_histograms(table, tiles)
    maps = equalizations(counts, clip_limit)
    return interpolate(grid, box, tiles, maps, np.any(counts, axis=1), quantize(image, *limits))


def background(table: TableFile, grid: TileGrid, box: Box) -> NDArray[np.float32]:
    """Return the background (z, y, x) of a box, from 0 to 1: medians of tiles, and between their centres linear."""
    tiles = tiles_around(grid, box)
    counts = read_histograms(table, tiles)
    return interpolate(grid, box, tiles, medians(counts), np.any(counts, axis=1))
