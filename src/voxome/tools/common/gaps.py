"""Voxels without data: short gaps are bridged, and the tissue around the others is extended."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext

NO_DATA, TISSUE, BRIDGED = 0, 1, 2
"""Values of a tissue map: no data, tissue, and no data in a gap that is bridged."""
LONGEST = 2
"""Maximum number of missing sections that are bridged."""
REACH = 16
"""Voxels without data beside tissue into which it is mirrored; farther ones hardly affect a network's prediction."""
HALO = 2 * REACH


def known_tissue(tissue: NDArray[np.uint8], block: BlockContext) -> NDArray[np.uint8]:
    """Return the tissue map of a read box; outside the box of the run, where it was not computed, all is tissue.

    Parameters
    ----------
    tissue : (z, y, x) uint8
        Tissue map of ``block.read``.
    block : BlockContext
        The block.
    """
    if block.read in block.frame.box:
        return tissue
    inside = (block.read & block.frame.box).within(block.read)
    known = np.full_like(tissue, TISSUE)
    known[inside] = tissue[inside]
    return known


def find_bridged(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
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
    bridged = np.zeros_like(missing)
    for length in range(1, min(LONGEST, len(missing) - 2) + 1):
        run = ~missing[: -length - 1] & ~missing[length + 1 :]
        for i in range(1, length + 1):
            run &= missing[i : len(missing) - length - 1 + i]
        for i in range(1, length + 1):
            bridged[i : len(missing) - length - 1 + i] |= run
    return bridged


def interpolate_bridged(image: NDArray[Any], tissue: NDArray[np.uint8]) -> NDArray[Any]:
    """Return an image in which bridged gaps are interpolated along z, linearly; `image` itself if there are none."""
    gap = tissue == BRIDGED
    if not gap.any():
        return image
    result = image.astype(np.float32)
    interpolate_gaps(result, tissue == TISSUE, gap)
    return result


def fill_missing(image: NDArray[Any], tissue: NDArray[np.uint8], value: float) -> NDArray[Any]:
    """Return an image with all voxels filled, so that what has context sees no edge where the tissue ends.

    Bridged gaps are interpolated along z, linearly. Tissue is mirrored into the voxels without data, along z, then y,
    then x, for `REACH` voxels; the others get a value.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values.
    tissue : (z, y, x) uint8
        Tissue map of the same voxels.
    value : float
        Grey value far from tissue.

    Returns
    -------
    (z, y, x) array
        `image` itself if it is tissue throughout, else float32. Exact where the array extends by `HALO` voxels, or to
        the border of the domain, on every side.
    """
    known = tissue == TISSUE
    if known.all():
        return image
    result = np.where(known, image, np.float32(value)).astype(np.float32)
    interpolate_gaps(result, known, tissue == BRIDGED)
    known |= tissue == BRIDGED
    for axis in range(3):
        _mirror(np.moveaxis(result, axis, 0), np.moveaxis(known, axis, 0))
    return result


def interpolate_gaps(image: NDArray[np.float32], known: NDArray[np.bool_], gap: NDArray[np.bool_]) -> None:
    """Set the voxels of gaps to the mean of the nearest known voxels below and above, weighted by their distance.

    Exact where the arrays extend by `LONGEST` voxels along z, or to the border of the domain.
    """
    total, weight = np.zeros_like(image), np.zeros_like(image)
    for step in (1, -1):
        reached = np.zeros_like(gap)
        for distance in range(1, LONGEST + 1):
            to, of = _shifted(distance * step)
            first = gap[to] & known[of] & ~reached[to]
            total[to][first] += image[of][first] / np.float32(distance)
            weight[to][first] += 1 / np.float32(distance)
            reached[to] |= first
    reached = gap & (weight > 0)
    image[reached] = total[reached] / weight[reached]


def _mirror(image: NDArray[np.float32], known: NDArray[np.bool_]) -> None:
    """Mirror known voxels, along the first axis, at the nearest of them; where that is unknown, repeat the nearest."""
    before = known.copy()
    for distance in range(1, min(REACH, len(image) - 1) + 1):
        for step in (1, -1):
            to, edge = _shifted(distance * step)
            reached = ~known[to] & before[edge]
            image[to][reached] = image[edge][reached]
            if 2 * distance < len(image):
                twice, source = _shifted(2 * distance * step)
                mirrored = reached[to] & before[source]
                image[twice][mirrored] = image[source][mirrored]
            known[to] |= reached


def _shifted(distance: int) -> tuple[slice, slice]:
    """Return, along the first axis, the voxels that have one `distance` further on, and those."""
    if distance > 0:
        return slice(None, -distance), slice(distance, None)
    return slice(-distance, None), slice(None, distance)
