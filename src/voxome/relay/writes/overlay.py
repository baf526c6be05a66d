"""Writes laid over the voxels that a store has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.frame import Voxels


def lay_over(
    entries: Sequence[WriteEntry],
    load: Callable[[WriteEntry], Voxels],
    box: Box,
    dtype: np.dtype[Any],
    read: Callable[[Box], NDArray[Any]],
) -> NDArray[Any]:
    """Return the voxels of `box` as they are after some writes.

    Parameters
    ----------
    entries : sequence of WriteEntry
        Writes to one level, in order.
    load : function
        Returns what a write writes; not called for what later writes hide.
    box : Box
        Part of the level.
    dtype : numpy.dtype
        Of the voxels.
    read : function
        Returns the voxels that the store has; called with the smallest box around those that are in no write, if there
        are any.

    Examples
    --------
    >>> one = WriteEntry(1, "", "", 0, Box((1,), (3,)), "", "uint8", False, 2, 0, 0.0, ())
    >>> written = Voxels(np.array([7, 8], "uint8"), None)
    >>> lay_over([one], lambda _: written, Box((0,), (4,)), np.dtype("uint8"), lambda box: np.zeros(box.shape)).tolist()
    [0, 7, 8, 0]
    """
    out = np.empty(box.shape, dtype)
    missing = np.ones(box.shape, np.bool_)
    for entry in reversed(entries):  # the last write to a voxel is the one that counts
        part = entry.box & box
        if part.empty:
            continue
        inside, of_entry = part.within(box), part.within(entry.box)
        hidden = missing[inside]
        if not hidden.any():
            continue
        voxels = load(entry)
        shown = hidden.copy() if voxels.where is None else hidden & voxels.where[of_entry]
        np.copyto(out[inside], voxels.data[of_entry], where=shown)
        hidden &= ~shown
    if missing.any():
        base = _bounding_box(missing, box)
        inside = base.within(box)
        np.copyto(out[inside], read(base), where=missing[inside])
    return out


def _bounding_box(mask: NDArray[np.bool_], box: Box) -> Box:
    start, stop = [], []
    for axis, first in enumerate(box.start):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        start.append(first + int(along[0]))
        stop.append(first + int(along[-1]) + 1)
    return Box(tuple(start), tuple(stop))
