"""Thinning of a sparse mask to lines, without any change of its topology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.tools.common.vessels.tiles import Tiles, neighbourhood, step
from voxome.tools.common.vessels.topology import count_objects, euler_number, is_simple

KEPT = 2
"""Value of a voxel that is in the mask and is not deleted."""
_TURNS = 1 << 40
"""More than the turns of a level, eight a round."""


def thin(
    tiles: Tiles,
    level: NDArray[np.int32],
    kept: NDArray[np.int64],
    origin: Sequence[int],
    times: NDArray[np.int64] | None = None,
) -> None:
    """Delete voxels of a mask, lowest levels first, until its lines are one voxel wide.

    A voxel is deleted if it is simple and does not end a line of voxels. Those that are not next to each other are
    deleted together, one of eight subfields after the other (Bertrand & Aktouf 1994), so the result depends on no
    order, and a vessel of any width keeps its ends within a voxel or so of the last level. Subfields are those of the
    positions in the volume: a box that starts elsewhere has the same lines away from its faces.

    Parameters
    ----------
    tiles : Tiles
        The mask, which is changed.
    level : (slots,) int32
        Level of every slot, such as its distance to the background.
    kept : (n,) int64
        Slots that are not deleted.
    origin : (z, y, x)
        Position in the volume, in voxels, of the first voxel of the box of `tiles`.

    times : (slots,) int64, optional
        Zeros, to be filled with when every slot was deleted: level, round and subfield, later ones larger; 0 if it was
        not. Whether a voxel is deleted at some time depends on those at most two voxels away, and on when these were,
        on nothing else.

    Raises
    ------
    CorruptData
        If the lines have another number of objects or Euler number than the mask.
    """
    before = count_objects(tiles), euler_number(tiles)
    order = _sort(tiles.present, level)
    tiles.present[kept] = KEPT
    z, y, x = (n & 1 for n in origin)
    filled = np.zeros(0, np.int64) if times is None else times
    _thin(tiles.present, tiles.neighbours, level, order, z * 4 + y * 2 + x, filled)
    tiles.present[kept] = 1
    after = count_objects(tiles), euler_number(tiles)
    if before != after:
        raise CorruptData(
            f"thinning of vessels changed objects and Euler number from {before} to {after}; this is an error in "
            "voxome: report it"
        )


@numba.njit(cache=True)
def _sort(present: Any, level: Any) -> Any:
    """Return the slots of a mask by level, those of a level in order; needs no memory but that of the result."""
    highest = np.int64(0)
    for slot in range(len(present)):
        if present[slot]:
            highest = max(highest, np.int64(level[slot]))
    ends = np.zeros(highest + 2, np.int64)
    for slot in range(len(present)):
        if present[slot]:
            ends[level[slot] + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(ends[-1], np.int64)
    for slot in range(len(present)):
        if present[slot]:
            order[ends[level[slot]]] = slot
            ends[level[slot]] += 1
    return order


@numba.njit(cache=True)
def _subfield(slot: int) -> int:
    return ((slot >> 6) & 1) * 4 + ((slot >> 3) & 1) * 2 + (slot & 1)


@numba.njit(cache=True)
def _ends_line(present: Any, neighbours: Any, slot: int, bits: int) -> bool:
    """Return whether a voxel with these neighbours is the end of a line of voxels: one neighbour, which has one more.

    A voxel on top of others, such as the ridge of a cylinder while it is peeled, may have one neighbour too.
    """
    if bits & (bits - 1):
        return False
    code = 0
    while not (bits >> code) & 1:
        code += 1
    other = step(neighbours, slot, code // 9 - 1, code // 3 % 3 - 1, code % 3 - 1)
    around = neighbourhood(present, neighbours, other) & ~(1 << (26 - code))
    return around != 0 and around & (around - 1) == 0


@numba.njit(cache=True)
def _thin(present: Any, neighbours: Any, level: Any, order: Any, first_field: int, times: Any) -> None:
    """Delete the voxels of `order`; `first_field` is the subfield of the first voxel of the box."""
    queued = np.zeros(len(present), np.uint8)
    first = 0
    while first < len(order):
        current = level[order[first]]
        last = first
        while last < len(order) and level[order[last]] == current:
            last += 1
        active = order[first:last].copy()
        first, turn = last, 0
        while len(active):
            found = [np.int64(0)]
            for field in range(8):
                gone = [np.int64(0)]
                for slot in active:
                    if _subfield(slot) ^ first_field != field or present[slot] != 1:
                        continue
                    bits = neighbourhood(present, neighbours, slot)
                    if is_simple(bits) and not _ends_line(present, neighbours, slot, bits):
                        gone.append(slot)
                for slot in gone[1:]:
                    present[slot] = 0
                    if len(times):
                        times[slot] = 1 + current * _TURNS + turn * 8 + field
                for slot in gone[1:]:
                    for dz in range(-1, 2):
                        for dy in range(-1, 2):
                            for dx in range(-1, 2):
                                other = step(neighbours, slot, dz, dy, dx)
                                if other < 0 or present[other] != 1 or level[other] > current or queued[other]:
                                    continue
                                queued[other] = 1
                                found.append(other)
            active = np.array(found[1:], dtype=np.int64)
            turn += 1
            for slot in active:
                queued[slot] = 0
