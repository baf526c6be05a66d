"""Sums and means of integers in cells of two voxels an axis, without compiled code, which would take longer to load."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.cells.edges import Edges, Sizes

Steps = tuple[int, int, int]
_CACHE_BYTES = 1 << 18
"""Of so many bytes at a time, intermediate results stay in the cache of a core."""


def steps_of(edges: Edges) -> Steps | None:
    """Return the edge lengths (z, y, x) of cells that all have the same, 1 or 2, the last one 2; None for others."""
    lengths = [np.unique(np.diff(one)) for one in edges]
    if any(len(one) != 1 or one[0] > 2 for one in lengths) or lengths[2][0] != 2:
        return None
    z, y, x = (int(one[0]) for one in lengths)
    return z, y, x


def shift_of(sizes: Sizes) -> int | None:
    """Return the logarithm of the voxels of each cell, if all have the same number, 2, 4, 8, …; otherwise None."""
    voxels = 1
    for one in sizes:
        if not len(one) or one.min() != one.max():
            return None
        voxels *= int(one[0])
    return voxels.bit_length() - 1 if voxels > 1 and voxels & (voxels - 1) == 0 else None


def add_voxels(data: NDArray[np.unsignedinteger], steps: Steps) -> NDArray[np.int32]:
    """Return the sums of cells of voxels of 8 or 16 bits; pairs along x are read as one number.

    Parameters
    ----------
    data : (z, y, x) array of uint8 or uint16
        Voxels, in C order.
    steps : (z, y, x)
        Edge lengths of the cells; see `steps_of`.
    """
    bits = 8 * data.dtype.itemsize
    pairs = data.view(np.dtype(f"u{2 * data.dtype.itemsize}"))
    z, y, x = pairs.shape[0] // steps[0], pairs.shape[1] // steps[1], pairs.shape[2]
    sums = np.empty((z, y, x), np.int32)
    for start, stop in _slabs(z, data.nbytes):
        part = pairs[start * steps[0] : stop * steps[0]]
        rows = part & part.dtype.type((1 << bits) - 1)
        rows += part >> bits
        rows = rows[:, 0::2] + rows[:, 1::2] if steps[1] == 2 else rows
        sums[start:stop] = rows[0::2] + rows[1::2] if steps[0] == 2 else rows
    return sums


def add_sums(data: NDArray[np.signedinteger], steps: Steps, *, exact: bool) -> NDArray[np.int64]:
    """Return the sums of cells of cells.

    Parameters
    ----------
    data : (z, y, x) array of int32 or int64
        Sums of finer cells.
    steps : (z, y, x)
        Edge lengths of the cells; see `steps_of`.
    exact : bool
        Whether the data type of `data` can hold the sums.
    """
    z, y, x = (n // step for n, step in zip(data.shape, steps, strict=True))
    sums = np.empty((z, y, x), np.int64)
    dtype = data.dtype if exact else sums.dtype
    for start, stop in _slabs(z, data.nbytes):
        rows = data[start * steps[0] : stop * steps[0]]
        rows = np.add(rows[0::2], rows[1::2], dtype=dtype) if steps[0] == 2 else rows.astype(dtype)
        rows = rows[:, 0::2] + rows[:, 1::2] if steps[1] == 2 else rows
        sums[start:stop] = rows[..., 0::2] + rows[..., 1::2]
    return sums


def round_means(sums: NDArray[np.signedinteger], shift: int, means: NDArray[np.integer]) -> None:
    """Divide by a power of 2, and round half to even."""
    below = sums.dtype.type((1 << shift) // 2 - 1)
    for start, stop in _slabs(len(sums), sums.nbytes):
        rounded = sums[start:stop] >> shift
        rounded &= 1
        rounded += sums[start:stop]
        rounded += below
        np.right_shift(rounded, shift, out=means[start:stop], casting="unsafe")


def _slabs(count: int, nbytes: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of planes that fit into a cache; all have so many bytes."""
    step = max(1, _CACHE_BYTES * count // max(1, nbytes))
    return ((start, min(start + step, count)) for start in range(0, count, step))
