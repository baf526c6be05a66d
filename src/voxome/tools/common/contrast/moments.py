"""Local mean and standard deviation of grey values, from the sums of small tiles.

A Gaussian window would need a halo of several times its width around every block. Sums of tiles need none, and are
whole numbers, so that they do not depend on blocks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.contracts.kinds import Rows
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import DensityGrid

FRACTIONS = 1024
"""Sums of floats count multiples of 1/`FRACTIONS`."""
LARGEST = 65_536
"""Largest float that is summed: more would not fit into the squares of a tile."""
_TRUNCATE = 3.0
"""Radius of the window, in standard deviations."""


def local_moments(
    table: TableFile, grid: DensityGrid, box: Box, window_um: float, unit: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation around each voxel.

    Sums of tiles are weighted by a Gaussian, and are linear between the centres of tiles, as is their number of voxels.

    Parameters
    ----------
    table : TableFile
        From ``common.tile_moments``; only the layers of tiles around the box are read.
    grid : DensityGrid
        Its tiles.
    box : Box
        Box of the result.
    window_um : float
        Standard deviation of the Gaussian in micrometres.
    unit : float
        Grey value of a sum of 1: 1 for integers, 1 / `FRACTIONS` for floats.

    Returns
    -------
    mean, deviation : (z, y, x) float32
        NaN where there are no data within the window.
    """
    sigmas = [1000 * window_um / edge for edge in grid.edges_nm]
    reach = [math.ceil(_TRUNCATE * sigma) for sigma in sigmas]
    inner = box.coarsen(grid.factors).grow((1, 1, 1))
    cells = inner.grow(reach)
    rows = table.lookup("z", np.arange(cells.start[0], cells.stop[0], dtype=np.int64))
    smooth = []
    for name in ("voxels", "total", "squares"):
        sums = _fill(rows, name, cells)
        for axis, (sigma, radius) in enumerate(zip(sigmas, reach, strict=True)):
            sums = ndimage.gaussian_filter1d(sums, sigma, axis=axis, mode="constant", radius=radius)
        smooth.append(_between(sums[inner.within(cells)], grid, inner, box))
    voxels, total, squares = smooth
    known = voxels > 0
    count = np.where(known, voxels, 1.0)
    mean = np.where(known, total / count * unit, np.nan)
    variance = np.maximum(squares / count * unit - mean**2, 0.0)
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _fill(rows: Rows, name: str, cells: Box) -> NDArray[np.float64]:
    index = np.stack([rows[axis] for axis in "zyx"], axis=1) - np.array(cells.start)
    inside = ((index >= 0) & (index < np.array(cells.shape))).all(axis=1)
    array = np.zeros(cells.shape, np.float64)
    array[tuple(index[inside].T)] = rows[name][inside]
    return array


def _between(sums: NDArray[np.float64], grid: DensityGrid, cells: Box, box: Box) -> NDArray[np.float64]:
    """Return sums (of a box of cells) at each voxel of a box: linear between the centres of cells."""
    for axis, factor in enumerate(grid.factors):
        at = (np.arange(box.start[axis], box.stop[axis]) + 0.5) / factor - 0.5 - cells.start[axis]
        low = np.floor(at).astype(np.int64)
        shape = [-1 if one == axis else 1 for one in range(3)]
        weight = (at - low).reshape(shape)
        sums = sums.take(low, axis) * (1 - weight) + sums.take(low + 1, axis) * weight
    return sums
