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
_SUMS = ("voxels", "total", "squares")
_LAYERS = 32
"""Layers of tiles that are read at once: each has the tiles of the whole volume."""
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
    table: TableFile, grid: DensityGrid, box: Box, window_um: float, window_z_um: float | None = None
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
    wide = tuple((1000 * window_um / grid.edges_nm).tolist())
    narrow = wide if window_z_um is None else (1000 * window_z_um / float(grid.edges_nm[0]), *wide[1:])
    inner = box.coarsen(grid.factors).grow((1, 1, 1))
    cells = inner.grow(_reach(wide))
    if window_z_um is not None:
        cells = cells.grow(_reach(narrow))
    voxels, total, squares = _read_sums(table, cells)
    near, near_total = (_smooth(one, narrow) for one in (voxels, total))
    if window_z_um is None:
        count, spread = near, _smooth(squares, wide)
    else:
        middle = near_total / np.where(near > 0, near, 1.0)
        count = _smooth(voxels, wide)
        spread = _smooth(squares - 2 * middle * total + middle**2 * voxels, wide)
    part = inner.within(cells)
    mean = _ratio(*(_between(one[part], grid, inner, box) for one in (near_total, near)))
    variance = _ratio(*(_between(one[part], grid, inner, box) for one in (spread, count)))
    if window_z_um is None:
        variance -= mean**2
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 0.0)).astype(np.float32)


def _reach(sigmas: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(math.ceil(_TRUNCATE * sigma) for sigma in sigmas)


def _smooth(sums: NDArray[np.float64], sigmas: tuple[float, ...]) -> NDArray[np.float64]:
    for axis, (sigma, radius) in enumerate(zip(sigmas, _reach(sigmas), strict=True)):
        sums = ndimage.gaussian_filter1d(sums, sigma, axis=axis, mode="constant", radius=radius)
    return sums


def _ratio(sums: NDArray[np.float64], voxels: NDArray[np.float64]) -> NDArray[np.float64]:
    known = voxels > 0
    return np.where(known, sums / np.where(known, voxels, 1.0), np.nan)


def _read_sums(table: TableFile, cells: Box) -> NDArray[np.float64]:
    """Return the sums of powers 0 to 2 of grey values (3, z, y, x) of a box of cells."""
    sums = np.zeros((len(_SUMS), *cells.shape), np.float64)
    for start in range(cells.start[0], cells.stop[0], _LAYERS):
        rows = table.lookup("z", np.arange(start, min(start + _LAYERS, cells.stop[0]), dtype=np.int64))
        index = np.stack([rows[axis] for axis in "zyx"], axis=1) - np.array(cells.start)
        inside = ((index >= 0) & (index < np.array(cells.shape))).all(axis=1)
        for power, name in enumerate(_SUMS):
            values = np.ldexp(rows[name][inside].astype(np.float64), power * rows["exponent"][inside])
            np.add.at(sums[power], tuple(index[inside].T), values)
    return sums


def _between(sums: NDArray[np.float64], grid: DensityGrid, cells: Box, box: Box) -> NDArray[np.float64]:
    """Return sums (of a box of cells) at each voxel of a box: linear between the centres of cells."""
    for axis, factor in enumerate(grid.factors):
        at = (np.arange(box.start[axis], box.stop[axis]) + 0.5) / factor - 0.5 - cells.start[axis]
        low = np.floor(at).astype(np.int64)
        shape = [-1 if one == axis else 1 for one in range(3)]
        weight = (at - low).reshape(shape)
        sums = sums.take(low, axis) * (1 - weight) + sums.take(low + 1, axis) * weight
    return sums
