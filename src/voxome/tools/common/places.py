"""Labels that name a voxel: 1 + its packed coordinate relative to the start of the domain.

Three times 21 bits (z, y, x), so ids order as the voxels do in C order, are the same for every block that
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
    """Refuse a domain whose voxels cannot be named.

    Raises
    ------
    InvalidBox
        If it has not three axes, or an axis is longer than 2**21 voxels.
    """
    if domain.ndim != 3 or max(domain.shape) > 1 << BITS:
        raise InvalidBox(
            f"domain {domain} has shape {domain.shape}; place ids need three axes of at most {1 << BITS} "
            "voxels: segment a smaller box of it"
        )


def pack(points: ArrayLike, domain: Box) -> NDArray[np.uint64]:
    """Name voxels.

    Parameters
    ----------
    points : (..., 3) int
        Absolute voxel coordinates (z, y, x) inside `domain`.
    domain : Box
        All voxels there are.

    Returns
    -------
    (...) uint64
        Ids, all positive, below 2**63.
    """
    check_domain(domain)
    relative = (np.asarray(points, dtype=np.int64) - domain.start).astype(np.uint64)
    ids: NDArray[np.uint64] = np.bitwise_or.reduce(relative << _SHIFTS, axis=-1) + np.uint64(1)
    return ids


def unpack(ids: ArrayLike, domain: Box) -> NDArray[np.int64]:
    """The voxels of ids: the inverse of `pack`.

    Parameters
    ----------
    ids : (...) uint64
        Place ids; 0 names no voxel.
    domain : Box
        The domain they were packed in.

    Returns
    -------
    (..., 3) int64
        Absolute voxel coordinates (z, y, x).
    """
    check_domain(domain)
    packed = np.asarray(ids, dtype=np.uint64) - np.uint64(1)
    points: NDArray[np.int64] = ((packed[..., None] >> _SHIFTS) & _MASK).astype(np.int64) + domain.start
    return points


def inside(ids: NDArray[np.uint64], box: Box, domain: Box) -> NDArray[np.bool_]:
    """Whether the voxel of each id lies in `box`."""
    points = unpack(ids, domain)
    within: NDArray[np.bool_] = np.all((points >= box.start) & (points < box.stop), axis=-1)
    return within
