"""Membrane maps and affinities: the one from the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""The offsets (z, y, x) of the affinities to the three next voxels."""
IN_MEMBRANE = 92
"""Affinity of two voxels of sure membrane: it is some voxels thick, so most neighbours in it lie on one side."""


def near_affinities(membrane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Affinities to the next voxels along z, y, x, from a membrane map.

    Parameters
    ----------
    membrane : (z, y, x) uint8
        Membrane map, 255 = surely membrane.

    Returns
    -------
    (3, z, y, x) uint8
        From 255 where neither of the two voxels is membrane down to `IN_MEMBRANE` where one surely is, linear in the
        larger of their values; 0 where the next voxel lies outside.
    """
    affinity_of = (255 - (255 - IN_MEMBRANE) * np.arange(256) // 255).astype(np.uint8)
    affinities = np.zeros((3, *membrane.shape), np.uint8)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        affinities[axis][low] = affinity_of[np.maximum(membrane[low], membrane[high])]
    return affinities


def membrane_map(affinities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A membrane map from the affinities to the next voxels.

    Parameters
    ----------
    affinities : (c, z, y, x) uint8
        The first three channels: affinity of p and the next voxel along z, y, x.

    Returns
    -------
    (z, y, x) uint8
        255 minus the least affinity of a voxel and its six neighbours. It is final where the array holds the
        voxel before along every axis, or the domain starts; what lies before the array is left out.
    """
    least = affinities[:3].min(axis=0)
    for axis in range(3):
        low = tuple(slice(None, -1 if a == axis else None) for a in range(3))
        high = tuple(slice(1 if a == axis else None, None) for a in range(3))
        np.minimum(least[high], affinities[axis][low], out=least[high])
    membrane: NDArray[np.uint8] = 255 - least
    return membrane
