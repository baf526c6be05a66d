"""Voxel ids: labels that encode a voxel as 1 + its packed coordinate relative to the start of the domain.

Coordinates take 21 bits each (z, y, x). Ids therefore sort like voxels in C order, do not depend on the block that
computes them, and stay below 2**63.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import InvalidBox
from voxome.geometry import Box

BITS = 21
_MASK = np.uint64((1 << BITS) - 1)
_SHIFTS = np.array([2 * BITS, BITS, 0], dtype=np.uint64)


def check_domain(domain: Box) -> None:
    """Check that the voxels of a domain can be encoded.

    Raises
    ------
    InvalidBox
        If it does not have three axes, or one is longer than 2**21 voxels.
    """
    if domain.ndim != 3 or max(domain.shape) > 1 << BITS:
        raise InvalidBox(
            f"The domain {domain} has shape {domain.shape}, but voxel ids need three axes of at most {1 << BITS} "
            "voxels: segment a smaller box"
        )


def pack(points: ArrayLike, domain: Box) -> NDArray[np.uint64]:
    """Encode voxels as ids.

    Parameters
    ----------
    points : (..., 3) int
        Absolute voxel coordinates (z, y, x) inside `domain`.
    domain : Box
        Domain of the volume.

    Returns
    -------
    (...) uint64
        Positive ids below 2**63.
    """
    check_domain(domain)
    relative = (np.asarray(points, dtype=np.int64) - domain.start).astype(np.uint64)
    ids: NDArray[np.uint64] = np.bitwise_or.reduce(relative << _SHIFTS, axis=-1) + np.uint64(1)
    return ids


def unpack(ids: ArrayLike, domain: Box) -> NDArray[np.int64]:
    """Decode ids to voxels: the inverse of `pack`.

    Parameters
    ----------
    ids : (...) uint64
        Voxel ids, without 0.
    domain : Box
        Domain in which they were encoded.

    Returns
    -------
    (..., 3) int64
        Absolute voxel coordinates (z, y, x).
    """
    check_domain(domain)
    packed = np.asarray(ids, dtype=np.uint64) - np.uint64(1)
    points: NDArray[np.int64] = ((packed[..., None] >> _SHIFTS) & _MASK).astype(np.int64) + domain.start
    return points


def in_box(ids: NDArray[np.uint64], box: Box, domain: Box) -> NDArray[np.bool_]:
    """Return whether the voxel of each id is in `box`."""
    points = unpack(ids, domain)
    within: NDArray[np.bool_] = np.all((points >= box.start) & (points < box.stop), axis=-1)
    return within
