"""Sums of grey values in small tiles: how a block stores its own, and how those of a box of tiles are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.kinds.block_arrays import BlockArraysReader
from voxome.tools.common.contrast.settings import EDGES, require_same
from voxome.tools.common.density.grid import DensityGrid, grid_factors

_BITS = 16
"""Bits of the whole numbers for floats; the squares of 2 to the power of 31 of them fit into a sum."""
_STEP = 4
"""Powers of two that have one exponent, so that the smallest of its floats keep `_BITS` - `_STEP` bits."""
_LARGEST = float(np.finfo(np.float32).max)
_SUMS = ("voxels", "total", "squares")
_ZERO = ("zero_z", "zero_y", "zero_x")
"""Voxel at position 0 nm, at which a tile starts."""
_ADVICE = "give the moments of common.tile_moments of the same volume, with the same tile_um and tile_z_um"


def tile_factors(tile_um: float, tile_z_um: float | None, voxel_size_nm: Sequence[float]) -> Scale:
    """Return the voxels (z, y, x) along a tile; `tile_z_um` is its length along z, if it is another one."""
    z, y, x = grid_factors(tile_um, voxel_size_nm)
    return (z if tile_z_um is None else grid_factors(tile_z_um, voxel_size_nm)[0]), y, x


def zero_voxel(frame: Frame) -> tuple[int, ...]:
    """Return the voxel (z, y, x) nearest to position 0 nm, at which a tile starts."""
    return tuple(-round(offset / size) for offset, size in zip(frame.offset_nm, frame.scale_nm, strict=True))


def count_from_zero(box: Box, frame: Frame) -> Box:
    """Return a box of voxels in indices that are 0 at `zero_voxel`."""
    return box.shift([-zero for zero in zero_voxel(frame)])


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


def sum_tiles(values: NDArray[Any], known: NDArray[np.bool_], box: Box, grid: DensityGrid) -> dict[str, NDArray[Any]]:
    """Return the sums of powers 0 to 2 of grey values in the tiles that a box of voxels touches.

    Parameters
    ----------
    values : (z, y, x) array
        Integers of at most 16 bits, or floats, which `split_floats` makes whole numbers.
    known : (z, y, x) bool
        Voxels that count.
    box : Box
        Their box.
    grid : DensityGrid
        The tiles.

    Returns
    -------
    dict of arrays of integers
        ``voxels``, ``total`` and ``squares`` (e, z, y, x) of the tiles from ``first`` (3,) on: the voxels with each of
        the ``exponents`` (e,), the sum of their whole numbers, and that of the squares. Also the settings of the tiles:
        their edges, and where they start.
    """
    counted = count_from_zero(box, grid.frame)
    tiles = counted.coarsen(grid.factors)
    if values.dtype.kind == "f":
        numbers, exponents = split_floats(np.where(known, values, 0))
    else:
        numbers, exponents = np.where(known, values, 0).astype(np.int64), np.zeros(values.shape, np.int64)
    found = np.unique(exponents[known])
    sums = np.zeros((len(_SUMS), len(found), *tiles.shape), np.int64)
    for index, exponent in enumerate(found.tolist()):
        here = known & (exponents == exponent)
        number = np.where(here, numbers, 0)
        for power, one in enumerate((here, number, number**2)):
            sums[power, index] = grid.sums(one, counted)
    return {
        **{name: _narrow(one) for name, one in zip(_SUMS, sums, strict=True)},
        "exponents": found,
        "first": np.array(tiles.start, np.int64),
        **{name: np.array(value) for name, value in _settings(grid).items()},
    }


def read_sums(moments: BlockArraysReader, grid: DensityGrid, tiles: Box) -> NDArray[np.float64]:
    """Return the sums of powers 0 to 2 of grey values (3, z, y, x) of a box of tiles.

    The blocks that these tiles touch are read. Whole numbers are added before they become floats, so that it does not
    matter which blocks there are.

    Raises
    ------
    InvalidInput
        If they are not sums of these tiles.
    """
    voxels = tiles.refine(grid.factors).shift(zero_voxel(grid.frame))
    parts = [arrays for _, arrays in moments.parts(voxels)]
    for arrays in parts:
        require_same(
            {name: int(arrays.get(name, 0)) for name in _settings(grid)}, _settings(grid), str(moments), _ADVICE
        )
    if not parts:
        raise InvalidInput(f"{moments} has no tiles of the voxels {voxels}: {_ADVICE}")
    sums = np.zeros((len(_SUMS), *tiles.shape), np.float64)
    for exponent in np.unique(np.concatenate([arrays["exponents"] for arrays in parts])).tolist():
        whole = np.zeros(sums.shape, np.int64)
        for arrays in parts:
            _add(whole, tiles, arrays, exponent)
        for power in range(len(_SUMS)):
            sums[power] += np.ldexp(whole[power].astype(np.float64), power * exponent)
    return sums


def _add(whole: NDArray[np.int64], tiles: Box, arrays: Mapping[str, NDArray[Any]], exponent: int) -> None:
    """Add the sums of a block with an exponent to those of a box of tiles."""
    own = Box.of_shape(arrays["voxels"].shape[1:], arrays["first"].tolist())
    common = own & tiles
    for index in np.flatnonzero(arrays["exponents"] == exponent).tolist():
        for power, name in enumerate(_SUMS):
            whole[power][common.within(tiles)] += arrays[name][index][common.within(own)]


def _settings(grid: DensityGrid) -> dict[str, int]:
    return dict(zip((*EDGES, *_ZERO), (*grid.factors, *zero_voxel(grid.frame)), strict=True))


def _narrow(sums: NDArray[np.int64]) -> NDArray[np.signedinteger[Any]]:
    """Return whole numbers as the shortest signed integers that have room for them."""
    low, high = int(sums.min(initial=0)), int(sums.max(initial=0))
    dtypes = (np.int8, np.int16, np.int32, np.int64)
    return sums.astype(next(one for one in dtypes if np.iinfo(one).min <= low and high <= np.iinfo(one).max))
