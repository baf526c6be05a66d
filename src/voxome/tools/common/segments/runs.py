"""Runs of equal labels: a block of labels in one pass over its voxels; everything else is computed from the runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.tools.common.segments.slots import FREE, mix
from voxome.tools.common.unsigned_labels import unsigned_labels

Ids = NDArray[np.uint64]
Index = NDArray[np.int32]


@dataclass(frozen=True)
class Runs:
    """The runs of a block, along the axis that is contiguous in memory.

    Attributes
    ----------
    shape : (3,) tuple of int
        Shape of the block, with the axes in the order `axes`.
    axes : (3,) tuple of int
        The axes of the block, slowest first; runs are along the last.
    ids : (n,) uint64
        Distinct labels, in no order.
    first : (rows + 1,) int64
        First run of every row.
    start, label : (runs,) int32
        First voxel of every run along its row, and its label as an index into `ids`.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    ids: Ids
    first: NDArray[np.int64]
    start: Index
    label: Index

    @classmethod
    def of(cls, labels: NDArray[Any]) -> Runs:
        """Return the runs of labels (z, y, x), of any integer type.

        Raises
        ------
        InvalidInput
            If these are no integers, or negative, or a block is too large for sums of 64 bits.
        """
        z, y, x = sorted(range(3), key=lambda axis: -abs(labels.strides[axis]))
        ordered = np.ascontiguousarray(_wide(unsigned_labels(labels)).transpose(z, y, x))
        shape = ordered.shape
        if max(shape) ** 2 * ordered.size >= 1 << 61:
            raise InvalidInput(
                f"a block of {labels.shape} voxels is too large to be measured at once; use smaller ones"
            )
        first, start, label, ids = _encode(ordered)
        return cls((shape[0], shape[1], shape[2]), (z, y, x), ids, first, start, label)

    def ordered(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (z, y, x) with its axes in the order `axes`, contiguous."""
        return np.ascontiguousarray(array.transpose(self.axes))

    def order(self, values: tuple[int, ...]) -> tuple[int, int, int]:
        """Return numbers along z, y and x in the order `axes`."""
        a, b, c = (values[axis] for axis in self.axes)
        return a, b, c

    def restore(self, values: NDArray[Any], dimension: int = -1) -> NDArray[Any]:
        """Return values along one dimension of an array, which are in the order `axes`, along z, y and x."""
        return np.take(values, np.argsort(self.axes), axis=dimension)


def _wide(labels: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Return labels as uint32 or uint64, so that few functions are compiled."""
    return labels.astype(np.uint32 if labels.dtype.itemsize <= 4 else np.uint64, copy=False)


@numba.njit(cache=True, nogil=True)
def end_of(start: Index, run: int, last: int, width: int) -> Any:
    """Return where a run ends, in a row of `width` voxels whose runs end before run `last`."""
    return np.int64(start[run + 1]) if run + 1 < last else np.int64(width)


@numba.njit(cache=True, nogil=True)
def _encode(labels: NDArray[Any]) -> tuple[NDArray[np.int64], Index, Index, Ids]:
    """Return first runs, starts, labels and ids; see `Runs`."""
    rows, width = labels.shape[0] * labels.shape[1], labels.shape[2]
    first = np.empty(rows + 1, np.int64)
    start = np.empty(labels.size, np.int32)
    label = np.empty(labels.size, np.int32)
    ids = np.empty(1024, np.uint64)
    slots = np.full(4096, FREE, np.int32)
    count, runs = 0, 0
    for row in range(rows):
        line = labels[row // labels.shape[1], row % labels.shape[1]]
        first[row] = runs
        x = 0
        while x < width:
            value = line[x]
            start[runs] = x
            x += 1
            while x < width and line[x] == value:
                x += 1
            wide = np.uint64(value)
            at = np.int64(mix(wide) & np.uint64(len(slots) - 1))
            while slots[at] != FREE and ids[slots[at]] != wide:
                at = (at + 1) & (len(slots) - 1)
            if slots[at] == FREE:
                if count == len(ids):
                    more = np.empty(2 * count, np.uint64)
                    more[:count] = ids
                    ids = more
                    slots = np.full(2 * len(slots), FREE, np.int32)
                    for old in range(count):
                        place = np.int64(mix(ids[old]) & np.uint64(len(slots) - 1))
                        while slots[place] != FREE:
                            place = (place + 1) & (len(slots) - 1)
                        slots[place] = old
                    at = np.int64(mix(wide) & np.uint64(len(slots) - 1))
                    while slots[at] != FREE:
                        at = (at + 1) & (len(slots) - 1)
                ids[count] = wide
                slots[at] = count
                count += 1
            label[runs] = slots[at]
            runs += 1
    first[rows] = runs
    return first, start[:runs].copy(), label[:runs].copy(), ids[:count].copy()
