"""Faces of the box of a run. Along an axis of one voxel there is none: a section is a volume of one plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box


def long_axes(shape: tuple[int, ...]) -> list[int]:
    """Return the axes of more than one voxel."""
    return [axis for axis, size in enumerate(shape) if size > 1]


def labels_at_faces(labels: NDArray[np.uint64], box: Box, run: Box) -> NDArray[np.uint64]:
    """Return the labels of a block at `box`, including 0, that are at faces of the box of the run."""
    found = [np.empty(0, np.uint64)]
    for axis in long_axes(run.shape):
        along = np.moveaxis(labels, axis, 0)
        if box.start[axis] == run.start[axis]:
            found.append(along[0].ravel())
        if box.stop[axis] == run.stop[axis]:
            found.append(along[-1].ravel())
    return np.unique(np.concatenate(found))
