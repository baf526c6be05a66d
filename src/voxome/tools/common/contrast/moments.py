"""Local mean and standard deviation of grey values, from the sums of small tiles.

A Gaussian window would need a halo of several times its width around every block. Sums of tiles need none, and are
whole numbers, so that they do not depend on blocks. They do depend on where tiles start, which is at position 0 nm, so
that a border without data changes nothing if the offset of the volume takes it into account. If not, as a border of 7
voxels in tiles of 15, one voxel in six of a probability was found to change, by at most a tenth; borders of whole tiles
change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import DensityGrid, grid_factors

_BITS = 16
"""Bits of the whole numbers for floats; the squares of 2 to the power of 31 of them fit into a sum."""
_STEP = 4
"""Powers of two that have one exponent, so that the smallest of its floats keep `_BITS` - `_STEP` bits."""
_LARGEST = float(np.finfo(np.float32).max)
_TRUNCATE = 3.0
"""Radius of the window, in standard deviations."""


def split_floats(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return floats as whole numbers times powers of two, which add up exactly.

    Parameters
    ----------
    values : array of floats
        Finite numbers.

    Returns
    -------
    numbers, exponents : arrays of int64
        ``numbers * 2.0**exponents`` are the values, rounded to 12 significant bits or finer. Exponents are multiples of
        4. Whole numbers of up to 16 bits stay exact.

    Raises
    ------
    InvalidInput
        If a value is infinite, or too large for float32.
    """
    wide = values.astype(np.float64)
    if not (largest := np.abs(wide).max(initial=0)) <= _LARGEST:
        raise InvalidInput(
            f"The image has values up to {largest:g}; floats are expected to be at most {_LARGEST:.2g}: set others to "
            "NaN, which means no data"
        )
    exponents = _STEP * -(-np.frexp(wide)[1].astype(np.int64) // _STEP) - _BITS
    return np.rint(np.ldexp(wide, -exponents)).astype(np.int64), exponents


def tile_factors(tile_um: float, tile_z_um: float | None, voxel_size_nm: Sequence[float]) -> Scale:
    """Return the voxels (z, y, x) along a tile; `tile_z_um` is its length along z, if it is another one."""
    z, y, x = grid_factors(tile_um, voxel_size_nm)
    return (z if tile_z_um is None else grid_factors(tile_z_um, voxel_size_nm)[0]), y, x


def place_box(box: Box, frame: Frame) -> Box:
    """Return a box in indices that begin at the voxel nearest to position 0, as those of tiles do."""
    return box.shift([round(offset / size) for offset, size in zip(frame.offset_nm, frame.scale_nm, strict=True)])


def local_moments(
    table: TableFile, grid: DensityGrid, box: Box, window_um: tuple[float, float, float]
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
        Box of the result, from `place_box`.
    window_um : (z, y, x)
        Standard deviations of the Gaussian in micrometres.

    Returns
    -------
    mean, deviation : (z, y, x) float32
        NaN where there are no data within the window.
    """
    sigmas = [1000 * one / edge for one, edge in zip(window_um, grid.edges_nm, strict=True)]
    reach = [math.ceil(_TRUNCATE * sigma) for sigma in sigmas]
    inner = box.coarsen(grid.factors).grow((1, 1, 1))
    cells = inner.grow(reach)
    rows = table.lookup("z", np.arange(cells.start[0], cells.stop[0], dtype=np.int64))
    smooth = []
    for power, name in enumerate(("voxels", "total", "squares")):
        sums = _fill(rows, name, power, cells)
        for axis, (sigma, radius) in enumerate(zip(sigmas, reach, strict=True)):
            sums = ndimage.gaussian_filter1d(sums, sigma, axis=axis, mode="constant", radius=radius)
        smooth.append(_between(sums[inner.within(cells)], grid, inner, box))
    voxels, total, squares = smooth
    known = voxels > 0
    count = np.where(known, voxels, 1.0)
    mean = np.where(known, total / count, np.nan)
    variance = np.maximum(squares / count - mean**2, 0.0)
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _fill(rows: Rows, name: str, power: int, cells: Box) -> NDArray[np.float64]:
    """Return sums of powers of grey values, for each of a box of cells."""
    index = np.stack([rows[axis] for axis in "zyx"], axis=1) - np.array(cells.start)
    inside = ((index >= 0) & (index < np.array(cells.shape))).all(axis=1)
    array = np.zeros(cells.shape, np.float64)
    np.add.at(
        array, tuple(index[inside].T), np.ldexp(rows[name][inside].astype(np.float64), power * rows["exponent"][inside])
    )
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
