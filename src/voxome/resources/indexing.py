"""numpy's indexing over something that reads boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box

Key = Any
"""Whatever numpy takes between square brackets."""


@dataclass(frozen=True)
class Selection:
    """What a key needs of an array: a box around it, or runs of indices, and the key relative to what is read.

    Attributes
    ----------
    wanted : tuple of int arrays
        Along every axis, the indices needed, ascending and unique; a range object where they are contiguous.
    key : tuple
        What to index the array of the wanted voxels with.
    """

    wanted: tuple[range | NDArray[np.int64], ...]
    key: tuple[Key, ...]

    @property
    def box(self) -> Box:
        """The smallest box that holds all that is wanted."""
        return Box(
            tuple(int(w[0]) if len(w) else 0 for w in self.wanted),
            tuple(int(w[-1]) + 1 if len(w) else 0 for w in self.wanted),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """How many voxels are wanted along every axis."""
        return tuple(len(w) for w in self.wanted)

    def runs(self, axis: int, gap: int) -> list[tuple[int, int]]:
        """Ranges that cover what is wanted along `axis`, not read across holes of `gap` or more."""
        wanted = self.wanted[axis]
        if isinstance(wanted, range):
            return [(wanted.start, wanted.stop)] if len(wanted) else []
        if not len(wanted):
            return []
        cuts = np.flatnonzero(np.diff(wanted) > gap) + 1
        return [(int(part[0]), int(part[-1]) + 1) for part in np.split(wanted, cuts)]


def _expand(key: Key, ndim: int) -> list[Key]:
    """The key as a list with the ellipsis written out and one entry an axis (and one a newaxis)."""
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [np.asarray(p) if isinstance(p, list) else p for p in parts]
    used = sum(_axes_used(p) for p in parts if p is not None and p is not Ellipsis)
    if sum(p is Ellipsis for p in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(f"too many indices: the volume has {ndim} axes, but {used} were indexed")
    if not any(p is Ellipsis for p in parts):
        parts.append(Ellipsis)
    at = next(i for i, p in enumerate(parts) if p is Ellipsis)
    return parts[:at] + [slice(None)] * (ndim - used) + parts[at + 1 :]


def _axes_used(part: Key) -> int:
    if isinstance(part, np.ndarray) and part.dtype == bool:
        return part.ndim
    return 1


def _is_integer(part: Key) -> bool:
    return isinstance(part, int | np.integer) and not isinstance(part, bool | np.bool_)


def _wrapped(index: NDArray[Any], size: int, axis: int) -> NDArray[np.int64]:
    found = index.astype(np.int64)
    bad = (found < -size) | (found >= size)
    if bad.any():
        raise IndexError(f"index {int(found[bad][0])} is out of bounds for axis {axis} with size {size}")
    return np.where(found < 0, found + size, found)


def _of_slice(part: slice, size: int) -> tuple[range | NDArray[np.int64], slice]:
    start, stop, step = part.indices(size)
    places = range(start, stop, step)
    if not places:
        return range(0), slice(0, 0)
    if step == 1:
        return places, slice(None)
    ascending = places if step > 0 else places[::-1]
    wanted = ascending if abs(step) == 1 else np.asarray(ascending, dtype=np.int64)
    return wanted, slice(None) if step > 0 else slice(None, None, -1)


def select(key: Key, shape: Sequence[int]) -> Selection:
    """Understand `key` as numpy does.

    Raises
    ------
    IndexError
        Where numpy raises one; and for more than one index array, which `.oindex` takes axis by axis.
    """
    wanted: list[range | NDArray[np.int64]] = []
    inner: list[Key] = []
    arrays = 0
    for part in _expand(key, len(shape)):
        axis = len(wanted)
        if part is None:
            inner.append(None)
        elif isinstance(part, slice):
            needed, relative = _of_slice(part, shape[axis])
            wanted.append(needed)
            inner.append(relative)
        elif _is_integer(part):
            place = int(_wrapped(np.asarray(part), shape[axis], axis))
            wanted.append(range(place, place + 1))
            inner.append(0)
        elif isinstance(part, np.ndarray) and part.dtype == bool and part.ndim > 0:
            arrays += 1
            if part.shape != tuple(shape[axis : axis + part.ndim]):
                raise IndexError(
                    f"boolean index of shape {part.shape} does not match {tuple(shape[axis:][: part.ndim])}"
                )
            for places in np.nonzero(part):
                used, relative_index = np.unique(places, return_inverse=True)
                wanted.append(used.astype(np.int64))
                inner.append(relative_index)
        elif isinstance(part, np.ndarray) and (part.dtype.kind in "iu" or part.size == 0):
            arrays += 1
            used, relative_index = np.unique(_wrapped(part, shape[axis], axis), return_inverse=True)
            wanted.append(used)
            inner.append(relative_index.reshape(part.shape))
        else:
            raise IndexError(
                "only integers, slices, ellipsis, newaxis and one integer or boolean array are valid indices, "
                f"not {type(part).__name__}"
            )
        if arrays > 1:
            raise IndexError("only one index array is taken; use .oindex[...] to index several axes by arrays")
    return Selection(tuple(wanted), tuple(inner))
