"""Gaps of a few missing sections, which are bridged by interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_DATA, TISSUE, BRIDGED = 0, 1, 2
"""Values of a tissue map: no data, tissue, and no data in a gap that is bridged."""
LONGEST = 2
"""Maximum number of missing sections that are bridged."""


def bridged(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find missing voxels between tissue: runs along z of at most `LONGEST`, with tissue above and below.

    Parameters
    ----------
    missing : (z, y, x) bool
        Voxels without data.

    Returns
    -------
    (z, y, x) bool
        Exact where the array extends by `LONGEST` voxels along z, or to the border of the domain.
    """
    found = np.zeros_like(missing)
    for length in range(1, min(LONGEST, len(missing) - 2) + 1):
        run = ~missing[: -length - 1] & ~missing[length + 1 :]
        for i in range(1, length + 1):
            run &= missing[i : len(missing) - length - 1 + i]
        for i in range(1, length + 1):
            found[i : len(missing) - length - 1 + i] |= run
    return found


def interpolate(image: NDArray[Any], tissue: NDArray[np.uint8], fill: float) -> NDArray[Any]:
    """Return an image with bridged gaps interpolated along z, linearly, and voxels without data set to a value.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values.
    tissue : (z, y, x) uint8
        Tissue map of the same voxels.
    fill : float
        Value of the voxels without data.

    Returns
    -------
    (z, y, x) array
        `image` itself if it is tissue throughout, else float32. Exact where the array extends by `LONGEST` voxels
        along z, or to the border of the domain.
    """
    if (tissue == TISSUE).all():
        return image
    result = np.where(tissue == TISSUE, image, fill).astype(np.float32)
    gap = tissue == BRIDGED
    total, weight = np.zeros(image.shape, np.float32), np.zeros(image.shape, np.float32)
    for toward in (1, -1):
        reached = np.zeros_like(gap)
        for distance in range(1, LONGEST + 1):
            to, of = _shifted(distance * toward)
            first = gap[to] & (tissue[of] == TISSUE) & ~reached[to]
            total[to][first] += image[of][first] / np.float32(distance)
            weight[to][first] += 1 / np.float32(distance)
            reached[to] |= first
    known = gap & (weight > 0)
    result[known] = total[known] / weight[known]
    return result


def _shifted(distance: int) -> tuple[slice, slice]:
    """Return the voxels along z that have one `distance` further on, and those."""
    if distance > 0:
        return slice(None, -distance), slice(distance, None)
    return slice(-distance, None), slice(None, distance)
