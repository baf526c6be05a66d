"""numpy's indexing, translated to boxes to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.arguments import is_whole
from voxome.geometry import Box

Key = Any
"""Anything that numpy accepts between square brackets."""


@dataclass(frozen=True)
class Selection:
    """Indices of an array that a key selects, and the key relative to them.

    Attributes
    ----------
    indices : tuple of int arrays
        Along each axis, ascending and unique; a range object where they are contiguous.
    key : tuple
        Key into the array of the selected voxels.
    """

    indices: tuple[range | NDArray[np.int64], ...]
    key: tuple[Key, ...]

    @property
    def box(self) -> Box:
        """Smallest box around all selected voxels."""
        return Box(
            tuple(int(at[0]) if len(at) else 0 for at in self.indices),
            tuple(int(at[-1]) + 1 if len(at) else 0 for at in self.indices),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of selected indices along each axis."""
        return tuple(len(at) for at in self.indices)

    def runs(self, axis: int, gap: int) -> list[tuple[int, int]]:
        """Return ranges that cover the selected indices along `axis`, split at holes of `gap` or more."""
        indices = self.indices[axis]
        if isinstance(indices, range):
            return [(indices.start, indices.stop)] if len(indices) else []
        if not len(indices):
            return []
        cuts = np.flatnonzero(np.diff(indices) > gap) + 1
        return [(int(part[0]), int(part[-1]) + 1) for part in np.split(indices, cuts)]


def expand(key: Key, ndim: int) -> list[Key]:
    """Return the key as a list with one entry for each axis and each newaxis, and the Ellipsis if there is one.

    The Ellipsis is followed by the slices that it stands for, so that it takes no axis itself. numpy counts it as a
    separator of index arrays and integers even then.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [np.asarray(p) if isinstance(p, list) else p for p in parts]
    parts = [p.item() if isinstance(p, np.ndarray) and not p.ndim and p.dtype.kind in "iu" else p for p in parts]
    used = sum(_axes_used(p) for p in parts if p is not None and p is not Ellipsis)
    if sum(p is Ellipsis for p in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(f"too many indices: the volume has {ndim} axes, but {used} were indexed")
    covered = [slice(None)] * (ndim - used)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), None)
    return [*parts, *covered] if at is None else [*parts[: at + 1], *covered, *parts[at + 1 :]]


def _axes_used(part: Key) -> int:
    if isinstance(part, np.ndarray) and part.dtype == bool:
        return part.ndim
    return 1


def _wrapped(index: NDArray[Any], size: int, axis: int) -> NDArray[np.int64]:
    found = index.astype(np.int64)
    bad = (found < -size) | (found >= size)
    if bad.any():
        raise IndexError(f"index {int(found[bad][0])} is out of bounds for axis {axis} with size {size}")
    return np.where(found < 0, found + size, found)


def _of_slice(part: slice, size: int) -> tuple[range | NDArray[np.int64], slice]:
    start, stop, step = part.indices(size)
    indices = range(start, stop, step)
    if not indices:
        return range(0), slice(0, 0)
    if step == 1:
        return indices, slice(None)
    ascending = indices if step > 0 else indices[::-1]
    selected = ascending if abs(step) == 1 else np.asarray(ascending, dtype=np.int64)
    return selected, slice(None) if step > 0 else slice(None, None, -1)


def select(key: Key, shape: Sequence[int]) -> Selection:
    """Interpret `key` as numpy does.

    Raises
    ------
    IndexError
        Where numpy raises one; and for more than one index array, which `.oindex` takes axis by axis.
    """
    indices: list[range | NDArray[np.int64]] = []
    inner: list[Key] = []
    arrays = 0
    for part in expand(key, len(shape)):
        axis = len(indices)
        if part is None or part is Ellipsis:
            inner.append(part)
        elif isinstance(part, slice):
            needed, relative = _of_slice(part, shape[axis])
            indices.append(needed)
            inner.append(relative)
        elif is_whole(part):
            index = int(_wrapped(np.asarray(part), shape[axis], axis))
            indices.append(range(index, index + 1))
            inner.append(0)
        elif isinstance(part, np.ndarray) and part.dtype == bool and part.ndim > 0:
            arrays += 1
            if part.shape != tuple(shape[axis : axis + part.ndim]):
                raise IndexError(
                    f"boolean index of shape {part.shape} does not match {tuple(shape[axis:][: part.ndim])}"
                )
            for along_axis in np.nonzero(part):
                used, relative_index = np.unique(along_axis, return_inverse=True)
                indices.append(used.astype(np.int64))
                inner.append(relative_index)
        elif isinstance(part, np.ndarray) and (part.dtype.kind in "iu" or part.size == 0):
            arrays += 1
            used, relative_index = np.unique(_wrapped(part, shape[axis], axis), return_inverse=True)
            indices.append(used)
            inner.append(relative_index.reshape(part.shape))
        else:
            raise IndexError(
                "only integers, slices, ellipsis, newaxis and one integer or boolean array are valid indices, "
                f"not {type(part).__name__}"
            )
        if arrays > 1:
            raise IndexError("only one index array is supported; use .oindex[...] to index several axes by arrays")
    return Selection(tuple(indices), tuple(inner))
