"""Voxels of components as graphs: 26 neighbours, and shortest paths that keep to the middle.

A step costs its length times ``(1 / d)**4``, with d the distance to the surface. This is the penalised field of TEASAR
(Sato et al. 2000, section 3.3) without its scale: it depends on the surroundings of a voxel only, neither on the
thickest place of an object nor on the block.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.skeletonization.heap import SETTLED, pop, push

NONE = -1
"""No voxel."""


class VoxelGraphs(NamedTuple):
    """Voxels of a box by component, numbered from 0 in each component in C order.

    Attributes
    ----------
    components : (z, y, x) uint32
        Component of each voxel, 0 for none; with one layer of 0 around.
    numbers : (z, y, x) int32
        Number of each voxel in its component.
    places : (n,) int64
        Voxels as indices of ``components.ravel()``: those of component k are ``places[starts[k]:starts[k + 1]]``.
    starts : (components + 2,) int64
        See `places`.
    """

    components: NDArray[np.uint32]
    numbers: NDArray[np.int32]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]


def voxel_graphs(components: NDArray[np.uint32], count: int) -> VoxelGraphs:
    """Return the voxels of `count` components (z, y, x), numbered from 1."""
    padded = np.pad(components, 1)
    return VoxelGraphs(padded, *_number(padded.ravel(), count, padded.shape))


@numba.njit(cache=True, nogil=True)
def _number(
    flat: NDArray[np.uint32], count: int, shape: tuple[int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    starts = np.zeros(count + 2, np.int64)
    for component in flat:
        if component:
            starts[component + 1] += 1
    starts = np.cumsum(starts)
    filled = np.zeros(count + 1, np.int32)
    numbers = np.empty(len(flat), np.int32)
    places = np.empty(starts[-1], np.int64)
    for place in range(len(flat)):
        component = flat[place]
        if component:
            numbers[place] = filled[component]
            places[starts[component] + filled[component]] = place
            filled[component] += 1
    return numbers.reshape(shape), places, starts


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
    components: NDArray[np.uint32],
    numbers: NDArray[np.int32],
    places: NDArray[np.int64],
    depth: NDArray[np.float32],
    size: NDArray[np.float64],
    start: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the next voxel on the cheapest path from each voxel to `start`, and the length of that path in nm.

    Parameters
    ----------
    components, numbers : (z, y, x) arrays
        See `VoxelGraphs`.
    places : (n,) int64
        Voxels of one component.
    depth : (n,) float32
        Distance of each to the surface, in nm.
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
    flat, index = components.ravel(), numbers.ravel()
    own = flat[places[0]]
    steps, step_nm = neighbour_steps(components.shape, size)
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
            if flat[place + steps[k]] != own:
                continue
            u = index[place + steps[k]]
            if position[u] == SETTLED:
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
