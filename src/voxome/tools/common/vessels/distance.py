"""Distances to the background of a sparse mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.vessels.tiles import Tiles, step


def distances(tiles: Tiles, voxel_size: Sequence[float]) -> NDArray[np.float32]:
    """Return the exact Euclidean distance of every slot of a mask to the centre of the nearest voxel outside of it.

    Vessels go on beyond the faces of the box: these are no background. One axis after the other, as in Felzenszwalb &
    Huttenlocher (2012); only voxels of one run along an axis need to be compared, since those behind a background
    voxel are farther than it. They are infinite in an object that fills the box from face to face along every axis.

    Parameters
    ----------
    tiles : Tiles
        The mask.
    voxel_size : (z, y, x)
        Voxel size, in the unit of the result.
    """
    squares = np.where(tiles.present > 0, np.float32(np.inf), np.float32(0))
    shape = np.array(tiles.box.shape, np.int64)
    for axis in (2, 1, 0):
        squares = _along(tiles.present, tiles.neighbours, tiles.origin, shape, squares, axis, float(voxel_size[axis]))
    return np.sqrt(squares, out=squares)


@numba.njit(cache=True)
def _along(present: Any, neighbours: Any, origin: Any, shape: Any, squares: Any, axis: int, size: float) -> Any:
    result = squares.copy()
    dz, dy, dx = int(axis == 0), int(axis == 1), int(axis == 2)
    shift = 6 - 3 * axis
    for slot in range(len(present)):
        if not present[slot]:
            continue
        best = squares[slot]
        at = origin[slot >> 9, axis] + (((slot & 511) >> shift) & 7)
        for sign in (-1, 1):
            current, distance = slot, 0
            while True:
                distance += 1
                square = np.float32(distance * size) * np.float32(distance * size)
                index = at + sign * distance
                if square >= best or index < 0 or index >= shape[axis]:
                    break
                current = step(neighbours, current, sign * dz, sign * dy, sign * dx)
                if current < 0 or not present[current]:
                    best = square
                    break
                best = min(best, square + squares[current])
        result[slot] = best
    return result
