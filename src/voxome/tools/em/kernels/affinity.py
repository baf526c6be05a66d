"""Conversion between membrane maps and affinities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""Offsets (z, y, x) of the three nearest-neighbour affinities."""
IN_MEMBRANE = 92
"""Affinity within certain membrane; it is several voxels thick, so most neighbours are on the same side."""


def near_affinities(membrane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute nearest-neighbour affinities from a membrane map.

    Parameters
    ----------
    membrane : (z, y, x) uint8
        Membrane map; 255 is certain membrane.

    Returns
    -------
    (3, z, y, x) uint8
        255 where neither voxel is membrane, `IN_MEMBRANE` where one certainly is, and linear in the larger of their
        values between; 0 where the next voxel is outside.
    """
    affinity_of = (255 - (255 - IN_MEMBRANE) * np.arange(256) // 255).astype(np.uint8)
    affinities = np.zeros((3, *membrane.shape), np.uint8)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        affinities[axis][low] = affinity_of[np.maximum(membrane[low], membrane[high])]
    return affinities


def membrane_map(affinities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute a membrane map from nearest-neighbour affinities.

    Parameters
    ----------
    affinities : (c, z, y, x) uint8
        Affinities; the first three channels are those to the next voxel along z, y, x.

    Returns
    -------
    (z, y, x) uint8
        255 minus the minimum affinity of a voxel to its six neighbours. Exact where the array contains the previous
        voxel along every axis, or the domain starts; voxels before the array are ignored.
    """
    minimum = affinities[:3].min(axis=0)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        np.minimum(minimum[high], affinities[axis][low], out=minimum[high])
    membrane: NDArray[np.uint8] = 255 - minimum
    return membrane
