"""Where objects cross the planes between blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def contact_points(
    plane: NDArray[np.uint32], face: tuple[slice, slice], size_nm: Sequence[float], edges: Sequence[tuple[bool, bool]]
) -> NDArray[np.int64]:
    """Return the middle of each contact of two blocks: where their paths meet.

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
        Indices in the face of one voxel of each 8-connected part of a label: that which is farthest from its outline,
        and, of several, nearest to its centroid.
    """
    import cc3d  # an extra

    from voxome.tools.common.skeletonization.distance import surface_distance

    parts, count = cc3d.connected_components(
        np.ascontiguousarray(plane[face]), connectivity=8, out_dtype=np.uint32, return_N=True
    )
    depth = surface_distance(plane, size_nm, edges)[face]
    points = np.argwhere(parts)
    if not count or not len(points):
        return np.empty((0, 2), np.int64)
    part = parts[tuple(points.T)]
    depths = depth[tuple(points.T)]
    deepest = np.zeros(count + 1, np.float32)
    np.maximum.at(deepest, part, depths)
    voxels = np.bincount(part, minlength=count + 1)
    place = points * np.asarray(size_nm)
    centre = np.stack([np.bincount(part, place[:, axis], count + 1) for axis in (0, 1)], axis=1)
    middle = depths >= deepest[part]
    points, part, place = points[middle], part[middle], place[middle]
    off = ((place - (centre / np.maximum(voxels, 1)[:, None])[part]) ** 2).sum(axis=1).round(3)
    order = np.lexsort((np.arange(len(part)), off, part))
    first = np.unique(part[order], return_index=True)[1]
    chosen: NDArray[np.int64] = points[order[first]]
    return chosen
