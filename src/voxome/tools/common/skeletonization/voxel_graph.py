"""Voxels of components as graphs: 26 neighbours, and shortest paths that keep to the middle.

A step costs its length times ``(1 / d)**4``, with d the distance to the surface. This is the penalised field of TEASAR
(Sato et al. 2000, section 3.3) without its scale: it depends on the surroundings of a voxel only, neither on the
thickest place of an object nor on the block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.skeletonization.heap import SETTLED, pop, push

NONE = -1
"""No voxel."""


class VoxelGraph(NamedTuple):
    """Voxels of a component in its bounding box, numbered in C order.

    Nothing else of the volume has a part in it, so that what is computed from it depends on the component alone.

    Attributes
    ----------
    numbers : (z, y, x) int32
        Number of each voxel, `NONE` for others; with one layer of these around the bounding box.
    places : (n,) int64
        Voxels as indices of ``numbers.ravel()``, sorted.
    """

    numbers: NDArray[np.int32]
    places: NDArray[np.int64]

    def points(self, chosen: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return voxels (n, 3) by number, from the corner of the bounding box."""
        return np.stack(np.unravel_index(self.places[chosen], self.numbers.shape), axis=1) - 1


def voxel_graph(component: NDArray[np.bool_]) -> VoxelGraph:
    """Return the graph of a component, which is true in its bounding box."""
    padded = np.pad(component, 1)
    places = np.flatnonzero(padded)
    index = np.full(padded.shape, NONE, np.int32)
    index.ravel()[places] = np.arange(len(places), dtype=np.int32)
    return VoxelGraph(index, places)


@numba.njit(cache=True, nogil=True)
def bounding_boxes(
    components: NDArray[np.uint32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the bounding boxes and the first voxels of components.

    Parameters
    ----------
    components : (z, y, x) uint32
        Component of each voxel, numbered from 1; 0 for none.
    count : int
        Number of components.

    Returns
    -------
    start, stop, first : (count, 3) int64
        First is the first voxel in C order.
    """
    start = np.full((count, 3), np.iinfo(np.int64).max, np.int64)
    stop = np.zeros((count, 3), np.int64)
    first = np.zeros((count, 3), np.int64)
    for z in range(components.shape[0]):
        for y in range(components.shape[1]):
            for x in range(components.shape[2]):
                k = np.int64(components[z, y, x]) - 1
                if k < 0:
                    continue
                if stop[k, 0] == 0:
                    first[k, 0], first[k, 1], first[k, 2] = z, y, x
                start[k, 0], stop[k, 0] = min(start[k, 0], z), z + 1
                start[k, 1], stop[k, 1] = min(start[k, 1], y), max(stop[k, 1], y + 1)
                start[k, 2], stop[k, 2] = min(start[k, 2], x), max(stop[k, 2], x + 1)
    return start, stop, first


@numba.njit(cache=True, nogil=True)
def neighbour_steps(
    shape: tuple[int, int, int], size: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the 26 steps to neighbours, in flat indices and in nm."""
    steps = np.empty(26, np.int64)
    lengths = np.empty(26, np.float64)
    n = 0
    for z in range(-1, 2):
        for y in range(-1, 2):
            for x in range(-1, 2):
                if z != 0 or y != 0 or x != 0:
                    steps[n] = (z * shape[1] + y) * shape[2] + x
                    lengths[n] = np.sqrt((z * size[0]) ** 2 + (y * size[1]) ** 2 + (x * size[2]) ** 2)
                    n += 1
    return steps, lengths


@numba.njit(cache=True, nogil=True)
def shortest_paths(
    index: NDArray[np.int32],
    places: NDArray[np.int64],
    depth: NDArray[np.float32],
    size: NDArray[np.float64],
    start: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the next voxel on the cheapest path from each voxel to `start`, and the length of that path in nm.

    Parameters
    ----------
    index, places : arrays
        Numbers and places of a `VoxelGraph`.
    depth : (n,) float32
        Distance of each voxel to the surface, in nm.
    size : (3,) float64
        z, y, x of a voxel, in nm.
    start : int
        Number of a voxel.

    Returns
    -------
    parents : (n,) int32
        `NONE` for `start`.
    lengths : (n,) float32
    """
    count = len(places)
    flat = index.ravel()
    steps, step_nm = neighbour_steps(index.shape, size)
    unit = size.min()
    penalty = np.empty(count, np.float32)
    for v in range(count):
        squared = (unit / depth[v]) ** 2
        penalty[v] = 0.5 * squared * squared
    parents = np.full(count, NONE, np.int32)
    lengths = np.zeros(count, np.float32)
    cost = np.full(count, np.inf, np.float64)
    position = np.full(count, -1, np.int32)
    heap = np.empty(count, np.int32)
    cost[start] = 0.0
    filled = push(heap, position, cost, start, 0)
    while filled:
        v = pop(heap, position, cost, filled)
        filled -= 1
        place, base, half = places[v], cost[v], penalty[v]
        for k in range(26):
            u = flat[place + steps[k]]
            if u == NONE or position[u] == SETTLED:
                continue
            new = base + step_nm[k] * (half + penalty[u])
            if new < cost[u]:
                cost[u] = new
                parents[u] = v
                lengths[u] = lengths[v] + step_nm[k]
                filled = push(heap, position, cost, u, filled)
    return parents, lengths


@numba.njit(cache=True, nogil=True)
def outermost(places: NDArray[np.int64], shape: tuple[int, int, int], size: NDArray[np.float64]) -> int:
    """Return the number of the voxel that is farthest from the centroid: an end of the component."""
    centre = np.zeros(3)
    for place in places:
        centre += np.array((place // (shape[1] * shape[2]), place // shape[2] % shape[1], place % shape[2]))
    centre /= len(places)
    farthest, found = -1.0, 0
    for v in range(len(places)):
        z = (places[v] // (shape[1] * shape[2]) - centre[0]) * size[0]
        y = (places[v] // shape[2] % shape[1] - centre[1]) * size[1]
        x = (places[v] % shape[2] - centre[2]) * size[2]
        if z * z + y * y + x * x > farthest:
            farthest, found = z * z + y * y + x * x, v
    return found
