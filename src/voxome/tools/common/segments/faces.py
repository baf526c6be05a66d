"""Faces between voxels of different labels: the surface of every label, and the contacts of pairs of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.segments.runs import Ids, Index, Runs, end_of
from voxome.tools.common.segments.slots import FREE, mix

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Faces:
    """The faces of a block.

    Attributes
    ----------
    surface : (n, 3) int64
        Faces of every label, in the order of the ids of the runs, across z, y and x: to other labels, to background,
        and to the outside.
    pairs : (p, 2) uint64
        Labels that touch, the smaller first.
    faces : (p, 3) int64
        Faces that they share across z, y and x.
    positions : (p, 3, 3) int64
        Sums of twice the positions of these faces, by what they are across, in voxels from the corner of the block.
    """

    surface: Counts
    pairs: Ids
    faces: Counts
    positions: Counts

    @classmethod
    def of(cls, runs: Runs, inner: tuple[int, int, int], outside: tuple[int, ...], *, contacts: bool) -> Faces:
        """Count the faces of a block.

        Parameters
        ----------
        runs : Runs
            Of the block and, where there are more voxels, of one layer beyond its high side along every axis.
        inner : (z, y, x)
            Shape of the block without these layers.
        outside : (z, y, x)
            Whether the volume begins with the block.
        contacts : bool
            Whether to find the contacts.
        """
        capacity = 8 * len(runs.ids) + 1024 if contacts else 0
        shape, inside, begins = runs.shape, runs.order(inner), runs.order(outside)
        while True:
            surface, keys, faces, positions = _count(
                runs.first, runs.start, runs.label, runs.ids, shape, inside, begins, capacity
            )
            if len(keys) < capacity or not capacity:
                break
            capacity *= 8
        ends = np.stack([runs.ids[keys >> 32], runs.ids[keys & 0xFFFFFFFF]], axis=1)
        positions = runs.restore(runs.restore(positions, 1), 2)
        return cls(runs.restore(surface), ends, runs.restore(faces), positions)


@numba.njit(cache=True, nogil=True)
def _pair(keys: Counts, slots: Index, count: int, key: int) -> Any:
    """Return the row of a pair; `count` if it is new, when it is added."""
    at = np.int64(mix(np.uint64(key)) & np.uint64(len(slots) - 1))
    while slots[at] != FREE and keys[slots[at]] != key:
        at = (at + 1) & (len(slots) - 1)
    if slots[at] == FREE:
        slots[at] = count
        keys[count] = key
    return np.int64(slots[at])


@numba.njit(cache=True, nogil=True)
def _key(ids: Ids, one: int, other: int) -> int:
    """Return the key of two labels; -1 if one is background."""
    if ids[one] == 0 or ids[other] == 0:
        return -1
    return (one << 32) | other if ids[one] < ids[other] else (other << 32) | one


@numba.njit(cache=True, nogil=True)
def _count(
    first: Counts,
    start: Index,
    label: Index,
    ids: Ids,
    shape: tuple[int, ...],
    inner: tuple[int, ...],
    begins: tuple[int, ...],
    capacity: int,
) -> tuple[Counts, Counts, Counts, Counts]:
    """Return surfaces, and keys, faces and positions of pairs: as many as `capacity` if there may be more."""
    surface = np.zeros((len(ids), 3), np.int64)
    keys = np.empty(capacity, np.int64)
    faces = np.zeros((capacity, 3), np.int64)
    positions = np.zeros((capacity, 3, 3), np.int64)
    size = 1
    while size < 2 * capacity:
        size *= 2
    slots = np.full(size, FREE, np.int32)
    count = 0
    for z in range(inner[0]):
        for y in range(inner[1]):
            row = z * shape[1] + y
            last = first[row + 1]
            for run in range(first[row], last):
                a, one = np.int64(start[run]), np.int64(label[run])
                if a >= inner[2]:
                    break
                b = min(end_of(start, run, last, shape[2]), inner[2])
                if a == 0 and begins[2]:
                    surface[one, 2] += 1
                if z == 0 and begins[0]:
                    surface[one, 0] += b - a
                if y == 0 and begins[1]:
                    surface[one, 1] += b - a
                if z + 1 == shape[0]:
                    surface[one, 0] += b - a
                if y + 1 == shape[1]:
                    surface[one, 1] += b - a
                if run + 1 == last:
                    if b == shape[2]:
                        surface[one, 2] += 1
                elif start[run + 1] <= inner[2]:
                    other = np.int64(label[run + 1])
                    surface[one, 2] += 1
                    surface[other, 2] += 1
                    key = _key(ids, one, other) if capacity else -1
                    if key >= 0:
                        pair = _pair(keys, slots, count, key)
                        count = max(count, pair + 1)
                        faces[pair, 2] += 1
                        positions[pair, 2, 0] += 2 * z + 1
                        positions[pair, 2, 1] += 2 * y + 1
                        positions[pair, 2, 2] += 2 * np.int64(start[run + 1])
                        if count == capacity:
                            return surface, keys, faces, positions
            for axis in range(2):
                if (z + 1 == shape[0]) if axis == 0 else (y + 1 == shape[1]):
                    continue
                beside = row + (shape[1] if axis == 0 else 1)
                end = first[beside + 1]
                run, next_run, a = first[row], first[beside], np.int64(0)
                while a < inner[2]:
                    stop = end_of(start, run, last, shape[2])
                    next_stop = end_of(start, next_run, end, shape[2])
                    b = min(stop, next_stop, inner[2])
                    one, other = np.int64(label[run]), np.int64(label[next_run])
                    if one != other:
                        surface[one, axis] += b - a
                        surface[other, axis] += b - a
                        key = _key(ids, one, other) if capacity else -1
                        if key >= 0:
                            pair = _pair(keys, slots, count, key)
                            count = max(count, pair + 1)
                            faces[pair, axis] += b - a
                            positions[pair, axis, 0] += (b - a) * (2 * z + (2 if axis == 0 else 1))
                            positions[pair, axis, 1] += (b - a) * (2 * y + (2 if axis == 1 else 1))
                            positions[pair, axis, 2] += b * b - a * a
                            if count == capacity:
                                return surface, keys, faces, positions
                    if stop == b:
                        run += 1
                    if next_stop == b:
                        next_run += 1
                    a = b
    return surface, keys[:count], faces[:count], positions[:count]
