"""Local mean and standard deviation of grey values, from the sums of small tiles.

A Gaussian window would need a halo of several times its width around every block. Sums of tiles need none, and are
whole numbers, so that they do not depend on blocks. They do depend on where tiles start, which is at position 0 nm, so
that a border without data changes nothing if the offset of the volume takes it into account. If not, as a border of 7
voxels in tiles of 15, one voxel in six of a probability was found to change, by at most a tenth; borders of whole tiles
change nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.geometry import Box
from voxome.kinds.block_arrays import BlockArraysReader
from voxome.tools.common.contrast.tile_sums import count_from_zero, read_sums
from voxome.tools.common.density.grid import DensityGrid

_TRUNCATE = 3.0
"""Radius of a window, in standard deviations."""
Sums = NDArray[np.float64]


def local_moments(
    moments: BlockArraysReader, grid: DensityGrid, box: Box, window_um: float, window_z_um: float | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation around each voxel.

    Sums of tiles are weighted by a Gaussian, and are linear between the centres of tiles, as is their number of voxels.

    Parameters
    ----------
    moments : BlockArraysReader
        From ``common.tile_moments``; only what is within the windows around the box is read.
    grid : DensityGrid
        Its tiles.
    box : Box
        Voxels of the result.
    window_um : float
        Standard deviation of the Gaussian in micrometres.
    window_z_um : float, optional
        That of the mean along z, if not `window_um`. The standard deviation is then that of the differences from this
        mean, in the window of `window_um` along all axes: sections that differ in brightness do not raise it.

    Returns
    -------
    mean, deviation : (z, y, x) float32
        NaN where there are no data within the window.
    """
    voxels = count_from_zero(box, grid.frame)
    tiles = voxels.coarsen(grid.factors).grow((1, 1, 1))
    window = _in_tiles(grid, window_um, window_um)
    read = tiles.grow(_radii(window))
    if window_z_um is None:
        sums = read_sums(moments, grid, read)
        count, total, squares = (_smooth(one, window)[tiles.within(read)] for one in sums)
        mean = _mean_at(voxels, tiles, grid, total, count)
        variance = _mean_at(voxels, tiles, grid, squares, count) - mean**2
    else:
        mean_window = _in_tiles(grid, window_z_um, window_um)
        read = read.grow(_radii(mean_window))
        sums = read_sums(moments, grid, read)
        near_count, near_total = (_smooth(one, mean_window) for one in sums[:2])
        squares = _smooth(_squared_differences(sums, near_total / np.where(near_count > 0, near_count, 1.0)), window)
        count = _smooth(sums[0], window)
        inner = tiles.within(read)
        mean = _mean_at(voxels, tiles, grid, near_total[inner], near_count[inner])
        variance = _mean_at(voxels, tiles, grid, squares[inner], count[inner])
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 0.0)).astype(np.float32)


def _in_tiles(grid: DensityGrid, z_um: float, other_um: float) -> tuple[float, ...]:
    """Return the standard deviations (z, y, x) of a window, from micrometres to tiles."""
    return tuple((1000 * np.array([z_um, other_um, other_um]) / grid.edges_nm).tolist())


def _radii(window: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(math.ceil(_TRUNCATE * sigma) for sigma in window)


def _smooth(sums: Sums, window: tuple[float, ...]) -> Sums:
    for axis, (sigma, radius) in enumerate(zip(window, _radii(window), strict=True)):
        sums = ndimage.gaussian_filter1d(sums, sigma, axis=axis, mode="constant", radius=radius)
    return sums


def _squared_differences(sums: Sums, mean: Sums) -> Sums:
    """Return the sum over each tile of the squared differences of its voxels from a mean (z, y, x).

    `sums` (3, z, y, x) are those of the powers 0 to 2 of its voxels.
    """
    count, total, squares = sums
    result: Sums = squares - 2 * mean * total + mean**2 * count
    return result


def _mean_at(voxels: Box, tiles: Box, grid: DensityGrid, sums: Sums, count: Sums) -> Sums:
    """Return sums by counts of a box of tiles, at each voxel of a box; NaN where there is nothing."""
    sums, count = _interpolate(sums, grid, tiles, voxels), _interpolate(count, grid, tiles, voxels)
    known = count > 0
    return np.where(known, sums / np.where(known, count, 1.0), np.nan)


def _interpolate(sums: Sums, grid: DensityGrid, tiles: Box, voxels: Box) -> Sums:
    """Return sums of a box of tiles at each voxel of a box: linear between the centres of tiles."""
    for axis, factor in enumerate(grid.factors):
        at = (np.arange(voxels.start[axis], voxels.stop[axis]) + 0.5) / factor - 0.5 - tiles.start[axis]
        low = np.floor(at).astype(np.int64)
        shape = [-1 if one == axis else 1 for one in range(3)]
        weight = (at - low).reshape(shape)
        sums = sums.take(low, axis) * (1 - weight) + sums.take(low + 1, axis) * weight
    return sums
