"""Voxels that contain positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DECIMALS = 6
"""Positions are compared with the faces of voxels to a millionth of a voxel: ``7 * 11.4 / 11.4`` is below 7."""


def voxels_at(positions_nm: ArrayLike, voxel_size_nm: ArrayLike, corner_nm: ArrayLike = (0, 0, 0)) -> NDArray[np.int64]:
    """Return the voxel that contains each position, in the frame of shapes; on a face, the one that begins there.

    Parameters
    ----------
    positions_nm : (…, 3) array
        z, y, x in nm from the corner of voxel 0.
    voxel_size_nm, corner_nm : (z, y, x)
        Size of a voxel, and corner of the voxel with index 0, in nm.

    Examples
    --------
    >>> voxels_at([[79.8, 0, 11.3]], (11.4, 11.4, 11.4)).tolist()
    [[7, 0, 0]]
    """
    places = (np.asarray(positions_nm, np.float64) - np.asarray(corner_nm)) / np.asarray(voxel_size_nm)
    return np.floor(np.round(places, _DECIMALS)).astype(np.int64)
