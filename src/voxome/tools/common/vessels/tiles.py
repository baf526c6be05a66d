"""A sparse mask in tiles of 8 x 8 x 8 voxels: the memory is that of the tiles that contain any of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.contracts.kinds import Rows
from voxome.geometry import Box

EDGE = 8
SIZE = EDGE**3
OFFSETS = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.int64)
"""The 27 voxels of a neighbourhood, in C order; the 14th is its centre."""
CENTRE = 13


@dataclass(frozen=True)
class Tiles:
    """The tiles of a mask in a box; a *slot* is the index of a voxel: 512 a tile, in C order.

    Attributes
    ----------
    box : Box
        Box of the mask; tiles start at its start.
    origin : (tiles, 3) int64
        First voxel of every tile, from the start of the box.
    neighbours : (tiles, 27) int32
        The tiles around every tile, as `OFFSETS`; -1 where there is none.
    present : (512 * tiles,) uint8
        1 in the mask, else 0.
    """

    box: Box
    origin: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    present: NDArray[np.uint8]

    @classmethod
    def of_runs(cls, runs: Rows, box: Box) -> Tiles:
        """Return the mask of runs in `box`."""
        z, y = (runs[name].astype(np.int64) - first for name, first in zip("zy", box.start, strict=False))
        start, stop = (runs[name].astype(np.int64) - box.start[2] for name in ("start", "stop"))
        first = start // EDGE
        parts = (stop - 1) // EDGE - first + 1
        row = np.repeat(np.arange(len(parts)), parts)
        tile_x = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts) + first[row]
        tiles = cls._empty(np.stack([z[row] // EDGE, y[row] // EDGE, tile_x], axis=1), box)
        at = tiles._tile_at(np.stack([z[row] // EDGE, y[row] // EDGE, tile_x], axis=1))
        low = np.maximum(start[row] - tile_x * EDGE, 0)
        high = np.minimum(stop[row] - tile_x * EDGE, EDGE)
        _fill(tiles.present, at * SIZE + (z[row] % EDGE) * EDGE**2 + (y[row] % EDGE) * EDGE, low, high)
        return tiles

    @classmethod
    def of_points(cls, points: ArrayLike, box: Box) -> Tiles:
        """Return the mask of voxels (n, 3) in `box`."""
        relative = np.asarray(points, np.int64).reshape(-1, 3) - box.start
        tiles = cls._empty(relative // EDGE, box)
        tiles.present[tiles._slots(relative)] = 1
        return tiles

    @classmethod
    def _empty(cls, tile_points: NDArray[np.int64], box: Box) -> Tiles:
        """Return tiles without voxels, given the indices of the tiles, several times or not."""
        grid = np.array([-(-n // EDGE) for n in box.shape], np.int64) + 2
        keys = np.unique(_keys(tile_points, grid))
        points = np.stack(np.unravel_index(keys, tuple(grid)), axis=1) - 1
        around = _keys(points[:, None, :] + OFFSETS, grid)
        at = np.minimum(np.searchsorted(keys, around), max(len(keys) - 1, 0))
        neighbours = np.where(keys[at] == around, at, -1) if len(keys) else np.zeros((0, 27), np.int64)
        return cls(box, points * EDGE, neighbours.astype(np.int32), np.zeros(len(keys) * SIZE, np.uint8))

    def _tile_at(self, tile_points: NDArray[np.int64]) -> NDArray[np.int64]:
        grid = np.array([-(-n // EDGE) for n in self.box.shape], np.int64) + 2
        return np.searchsorted(_keys(self.origin // EDGE, grid), _keys(tile_points, grid))

    def _slots(self, relative: NDArray[np.int64]) -> NDArray[np.int64]:
        z, y, x = (relative % EDGE).T
        return self._tile_at(relative // EDGE) * SIZE + (z * EDGE + y) * EDGE + x

    def slots(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of voxels (n, 3) of the mask."""
        return self._slots(points - self.box.start)

    def points(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the voxels (n, 3) of slots."""
        tile, local = np.divmod(slots, SIZE)
        inner = np.stack(np.unravel_index(local, (EDGE,) * 3), axis=1)
        points: NDArray[np.int64] = self.origin[tile] + inner + self.box.start
        return points

    def found(self) -> NDArray[np.int64]:
        """Return the slots of the mask."""
        return np.flatnonzero(self.present)

    def contains(self, points: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether voxels (n, 3), anywhere, are in the mask."""
        relative = points - self.box.start
        inside = ((relative >= 0) & (relative < self.box.shape)).all(axis=1)
        result = np.zeros(len(points), bool)
        if not len(self.origin):
            return result
        tiles = np.minimum(self._tile_at(relative[inside] // EDGE), len(self.origin) - 1)
        known = (self.origin[tiles] == relative[inside] // EDGE * EDGE).all(axis=1)
        z, y, x = (relative[inside] % EDGE).T
        result[inside] = known & (self.present[tiles * SIZE + (z * EDGE + y) * EDGE + x] > 0)
        return result


def _keys(tile_points: NDArray[np.int64], grid: NDArray[np.int64]) -> NDArray[np.int64]:
    z, y, x = np.moveaxis(tile_points + 1, -1, 0)
    keys: NDArray[np.int64] = (z * grid[1] + y) * grid[2] + x
    return keys


@numba.njit(cache=True)
def _fill(present: Any, rows: Any, low: Any, high: Any) -> None:
    for i in range(len(rows)):
        present[rows[i] + low[i] : rows[i] + high[i]] = 1


@numba.njit(cache=True, inline="always")
def step(neighbours: Any, slot: int, dz: int, dy: int, dx: int) -> int:
    """Return the slot at an offset of at most one voxel; -1 where no tile is."""
    tile, local = slot >> 9, slot & 511
    z, y, x = (local >> 6) + dz, ((local >> 3) & 7) + dy, (local & 7) + dx
    if 0 <= z < 8 and 0 <= y < 8 and 0 <= x < 8:
        return (tile << 9) | (z << 6) | (y << 3) | x
    code = ((z >> 3) + 1) * 9 + ((y >> 3) + 1) * 3 + (x >> 3) + 1
    tile = neighbours[tile, code]
    if tile < 0:
        return -1
    return (tile << 9) | ((z & 7) << 6) | ((y & 7) << 3) | (x & 7)


@numba.njit(cache=True)
def neighbourhood(present: Any, neighbours: Any, slot: int) -> int:
    """Return the 27 voxels around a slot as bits, in C order, without the centre."""
    bits, code = 0, 0
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                if code != 13:
                    other = step(neighbours, slot, dz, dy, dx)
                    if other >= 0 and present[other]:
                        bits |= 1 << code
                code += 1
    return bits
