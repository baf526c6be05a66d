"""Where objects cross the planes between blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.skeletonization.axes import tracing_order
from voxome.tools.common.skeletonization.distance import surface_distance

_SPACING = 3.0
"""Least distance between points of one contact, in depths of the deeper one."""


def contact_points(
    plane: NDArray[np.uint32], face: tuple[slice, slice], size_nm: Sequence[float], edges: Sequence[tuple[bool, bool]]
) -> NDArray[np.int64]:
    """Return the middle of each contact of two blocks, and more points of long ones: where their paths meet.

    Both blocks call it with the same voxels, and so get the same points.

    Parameters
    ----------
    plane : (a, b) array of uint32
        Labels of the plane that the blocks share, with a halo.
    face : (slice, slice)
        Part of `plane` that is the face between the blocks.
    size_nm : (a, b)
        Voxel size.
    edges : two of (low, high)
        Whether `plane` ends at the border of the volume there, along each axis.

    Returns
    -------
    (n, 2) array of int64
        Indices in the face of voxels of each 8-connected part of a label: that which is farthest from its outline, and,
        of several, nearest to its centroid; then, in this order, those that are far from all before. So a neurite that
        lies on the plane has many. What else is in the face decides nothing.
    """
    import cc3d  # an extra

    parts, count = cc3d.connected_components(
        np.ascontiguousarray(plane[face]), connectivity=8, out_dtype=np.uint32, return_N=True
    )
    depth = surface_distance(plane, size_nm, edges)[face]
    points = np.argwhere(parts)
    if not count or not len(points):
        return np.empty((0, 2), np.int64)
    part = parts[tuple(points.T)]
    order = np.argsort(part, kind="stable")
    points, part = points[order], part[order]
    starts = np.flatnonzero(np.diff(part, prepend=0))
    voxels = np.diff(starts, append=len(part))
    number = np.repeat(np.arange(len(starts)), voxels)
    corner = np.minimum.reduceat(points, starts)
    extent = np.maximum.reduceat(points, starts) - corner
    place = (points - corner[number]) * np.asarray(size_nm)
    centre = np.add.reduceat(place, starts) / voxels[:, None]
    depths = depth[tuple(points.T)]
    off = ((place - centre[number]) ** 2).sum(axis=1).round(3)
    turned = np.array([tracing_order(size_nm, shape)[0] == 1 for shape in extent.tolist()])[number]
    first, second = (np.where(turned, points[:, 1 - axis], points[:, axis]) for axis in (0, 1))
    order = np.lexsort((second, first, off, -depths, number))
    kept = _apart(points[order], number[order], depths[order], np.asarray(size_nm, np.float64))
    return points[order[kept]]


@numba.njit(cache=True, nogil=True)
def _apart(
    points: NDArray[np.int64], number: NDArray[np.int64], depth: NDArray[np.float32], size: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which points (n, 2), sorted by part, are far from all before them in their part that are kept."""
    kept = np.zeros(len(points), np.bool_)
    found, filled = np.empty(len(points), np.int64), 0
    for k in range(len(points)):
        if k == 0 or number[k] != number[k - 1]:
            filled = 0
        kept[k] = True
        for other in found[:filled]:
            squared = (((points[k] - points[other]) * size) ** 2).sum()
            if squared < (_SPACING * depth[other]) ** 2:
                kept[k] = False
                break
        if kept[k]:
            found[filled] = k
            filled += 1
    return kept
