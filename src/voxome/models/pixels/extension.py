"""Grey values where there are none: beyond the volume, and in voxels without data, tissue is mirrored."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box


def extend(
    image: NDArray[Any], known: NDArray[np.bool_], read: Box, box: Box, reach: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return the grey values of a box around a block, with none missing.

    Voxels without data, and those beyond the volume, are alike: tissue is mirrored at the nearest known voxel along z,
    then y, then x. Where it is too thin, that voxel is repeated.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values of `read`.
    known : (z, y, x) bool
        Voxels of `read` with data.
    read : Box
        Voxels that were read: within three times `reach` of the block, as far as the volume goes.
    box : Box
        The block, and `reach` voxels on every side.
    reach : (z, y, x)
        Voxels around a known voxel of the block that are certainly right.

    Returns
    -------
    (z, y, x) float32
        Values of `box`, the same for any volume with the same tissue around it.
    """
    inside = box & read
    if known[inside.within(read)].all() and _is_thick(inside, reach):
        values = image[inside.within(read)].astype(np.float32)
        edges = _edges(inside, box)
        return values if not any(map(any, edges)) else np.pad(values, edges, mode="reflect")
    hull = Box(tuple(map(min, read.start, box.start)), tuple(map(max, read.stop, box.stop)))
    values, filled = np.zeros(hull.shape, np.float32), np.zeros(hull.shape, bool)
    values[read.within(hull)] = np.where(known, image, 0)
    filled[read.within(hull)] = known
    for axis in range(3):
        _mirror(np.moveaxis(values, axis, 2), np.moveaxis(filled, axis, 2), reach[axis])
    return np.ascontiguousarray(values[box.within(hull)])


def _edges(inside: Box, box: Box) -> list[tuple[int, int]]:
    return [
        (first - start, stop - last)
        for start, first, last, stop in zip(box.start, inside.start, inside.stop, box.stop, strict=True)
    ]


def _is_thick(inside: Box, reach: tuple[int, int, int]) -> bool:
    """Return whether there is enough to mirror along all axes."""
    return all(size > more for size, more in zip(inside.shape, reach, strict=True))


@numba.njit(cache=True, nogil=True)
def _mirror(values: NDArray[np.float32], known: NDArray[np.bool_], reach: int) -> None:
    """Mirror known voxels along the last axis, at the nearest of them; of two at one distance, at the later one."""
    size = values.shape[2]
    before = np.empty(size, np.bool_)
    later = np.empty(size, np.int64)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            following = 3 * size
            for k in range(size - 1, -1, -1):
                before[k] = known[i, j, k]
                if before[k]:
                    following = k
                later[k] = following
            previous = -3 * size
            for k in range(size):
                if before[k]:
                    previous = k
                    continue
                edge = later[k] if later[k] - k <= k - previous else previous
                if abs(edge - k) > reach:
                    continue
                source = 2 * edge - k
                if not (0 <= source < size and before[source]):
                    source = edge
                values[i, j, k] = values[i, j, source]
                known[i, j, k] = True
