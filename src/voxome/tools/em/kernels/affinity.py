"""Membrane maps and affinities: the one from the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""The offsets (z, y, x) of the affinities to the three next voxels."""


def near_affinities(membrane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Affinities to the next voxels along z, y, x, from a membrane map.

    Parameters
    ----------
    membrane : (z, y, x) uint8
        Membrane map, 255 = surely membrane.

    Returns
    -------
    (3, z, y, x) uint8
        255 minus the larger of the two voxels' membrane values; 0 where the next voxel lies outside.
    """
    affinities = np.zeros((3, *membrane.shape), np.uint8)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        affinities[axis][low] = 255 - np.maximum(membrane[low], membrane[high])
    return affinities


def membrane_map(affinities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A membrane map from the affinities to the next voxels.

    Parameters
    ----------
    affinities : (3, z, y, x) uint8
        Affinity of p and the next voxel along z, y, x.

    Returns
    -------
    (z, y, x) uint8
        255 minus the mean affinity of a voxel and its six neighbours. It is final where the array holds the
        voxel before along every axis, or the domain starts; what lies before the array is left out of the
        mean.
    """
    total = affinities[:3].sum(axis=0, dtype=np.uint16)
    count = np.full(total.shape, 3, np.uint16)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        total[high] += affinities[axis][low]
        count[high] += 1
    membrane: NDArray[np.uint8] = (255 - total // count).astype(np.uint8)
    return membrane
