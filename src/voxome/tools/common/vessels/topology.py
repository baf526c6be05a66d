"""Digital topology of a sparse mask: simple points, objects and the Euler number, 26-connected."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.vessels.tiles import CENTRE, OFFSETS, Tiles, neighbourhood, step


def _adjacent(reach: int, among: list[int]) -> NDArray[np.int64]:
    """Return for every voxel of a neighbourhood, as bits, the others whose offsets differ by at most `reach` steps."""
    bits = np.zeros(27, np.int64)
    for i in among:
        for j in among:
            difference = np.abs(OFFSETS[i] - OFFSETS[j])
            if i != j and difference.max() == 1 and difference.sum() <= reach:
                bits[i] |= 1 << j
    return bits


def _codes(most: int) -> list[int]:
    return [code for code in range(27) if 0 < np.abs(OFFSETS[code]).sum() <= most]


def _bits(codes: list[int]) -> int:
    return sum(1 << code for code in codes)


_NEAR_26 = _adjacent(3, _codes(3))
_NEAR_6 = _adjacent(1, _codes(2))
_FACES, _EDGES = _bits(_codes(1)), _bits(_codes(2))


def _cells() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for every face, edge and vertex of a voxel its sign in the Euler number, and the earlier voxels there."""
    sign, before = np.zeros(27, np.int64), np.zeros(27, np.int64)
    for code in _codes(3):
        sign[code] = (-1) ** (3 - np.abs(OFFSETS[code]).sum())
        for other in range(CENTRE):
            around = OFFSETS[other]
            if ((around == 0) | (around == OFFSETS[code])).all():
                before[code] |= 1 << other
    return sign, before


_SIGNS, _BEFORE = _cells()


def euler_number(tiles: Tiles) -> int:
    """Return the Euler number: objects, less tunnels, plus voids."""
    return int(_euler_number(tiles.present, tiles.neighbours))


def count_objects(tiles: Tiles) -> int:
    """Return the number of 26-connected objects."""
    return int(_count_objects(tiles.present, tiles.neighbours))


@numba.njit(cache=True)
def is_simple(bits: int) -> bool:
    """Return whether a voxel with these neighbours can be deleted or added without a change of topology.

    It can if the mask around it is one 26-connected part, and the background one 6-connected part among its 18
    neighbours that touches it (Bertrand & Malandain 1994).
    """
    if bits == 0:
        return False
    if _flood(bits & -bits, bits, _NEAR_26) != bits:
        return False
    empty = ~bits & _EDGES
    touching = empty & _FACES
    if touching == 0:
        return False
    return touching & ~_flood(touching & -touching, empty, _NEAR_6) == 0


@numba.njit(cache=True)
def _flood(seed: int, among: int, near: Any) -> int:
    reached, front = seed, seed
    while front:
        grown = 0
        for code in range(27):
            if (front >> code) & 1:
                grown |= near[code]
        front = grown & among & ~reached
        reached |= front
    return reached


@numba.njit(cache=True)
def _euler_number(present: Any, neighbours: Any) -> int:
    total = 0
    for slot in range(len(present)):
        if present[slot]:
            bits = neighbourhood(present, neighbours, slot)
            total -= 1
            for code in range(27):
                if code != 13 and bits & _BEFORE[code] == 0:
                    total += _SIGNS[code]
    return total


@numba.njit(cache=True)
def _count_objects(present: Any, neighbours: Any) -> int:
    waiting = present.copy()
    stack = [0]
    count = 0
    for first in range(len(present)):
        if not waiting[first]:
            continue
        count += 1
        waiting[first] = 0
        stack.append(first)
        while len(stack) > 1:
            slot = stack.pop()
            for dz in range(-1, 2):
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        other = step(neighbours, slot, dz, dy, dx)
                        if other >= 0 and waiting[other]:
                            waiting[other] = 0
                            stack.append(other)
    return count
