"""Order of axes: that of voxome, and that of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput


def to_file_axes(voxels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return voxels in the order of the axes of a file, contiguous.

    Parameters
    ----------
    voxels : (z, y, x) or (c, z, y, x) array
        Voxels of a block.
    axes : str
        Axes of the file, such as ``xyz``; ``1`` is an axis of length 1.

    Examples
    --------
    >>> to_file_axes(np.zeros((2, 3, 4)), "x1yz").shape
    (4, 1, 3, 2)
    """
    own, letters = "czyx"[-voxels.ndim :], axes.replace("1", "")
    if sorted(own) != sorted(letters):
        raise InvalidInput(f"the volume has the axes {own}, but the hint says {axes} for its file; mend the hint")
    ordered = voxels.transpose([own.index(axis) for axis in letters])
    return np.ascontiguousarray(np.expand_dims(ordered, [i for i, axis in enumerate(axes) if axis == "1"]))


def file_shape(shape: tuple[int, ...], axes: str, channels: int | None) -> tuple[int, ...]:
    """Return the shape of a file with voxels of `shape` (z, y, x).

    Examples
    --------
    >>> file_shape((2, 3, 4), "xyzc", 5)
    (4, 3, 2, 5)
    """
    lengths = {**dict(zip("zyx", shape, strict=True)), "c": channels or 1, "1": 1}
    return tuple(lengths[axis] for axis in axes)


def from_file_axes(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the array of a file, of the shape that its axes say, as (z, y, x) or (c, z, y, x).

    Examples
    --------
    >>> from_file_axes(np.zeros((4, 3, 2, 5)), "xyzc").shape
    (5, 2, 3, 4)
    """
    plain = array.squeeze(tuple(i for i, axis in enumerate(axes) if axis == "1"))
    letters = axes.replace("1", "")
    return plain.transpose([letters.index(axis) for axis in "czyx" if axis in letters])
