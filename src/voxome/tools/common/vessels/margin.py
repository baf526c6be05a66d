"""Lines along the faces of a volume: of vessels whose middle is outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from voxome.contracts.kinds import Rows
from voxome.tools.common.faces import long_axes
from voxome.tools.common.vessels.run_mask import RunMask

Voxels = NDArray[np.int64]
Lengths = NDArray[np.float64]
_NEVER_LESS = 1 + 1e-6
"""Factor of a distance in single precision, so that none that is equal is left out."""
_LONG = 2
"""Length of a line in a face, in distances to the background, from which it does not merely cross it."""


def cut_along_faces(lines: Rows, mask: RunMask, voxel_size: Sequence[float]) -> Rows:
    """Return centre lines without those that run along a face of the box, of vessels whose middle is beyond it.

    The middle of the part inside is in the face then, and its nearest background is below the face, not beside it.
    Counted with the vessels inside, such lines make vessels several per cent too long in a small volume. Short ones
    stay, since a vessel that leaves at a small angle has them too. Of vessels whose middle is within
    half a voxel of the face, some are cut and some are not.

    Parameters
    ----------
    lines : Rows
        ``z``, ``y``, ``x``, ``distance_nm``, ``leaves``, in C order; what ends at what is cut ``leaves`` the volume.
    mask : RunMask
        The vessels.
    voxel_size : (z, y, x)
        In nm.
    """
    points = np.stack([lines[name].astype(np.int64) for name in "zyx"], axis=1)
    distance, size = lines["distance_nm"].astype(np.float64), np.asarray(voxel_size, np.float64)
    cut = np.zeros(len(points), bool)
    for axis in long_axes(mask.box.shape):
        for index in (mask.box.start[axis], mask.box.stop[axis] - 1):
            inside = np.flatnonzero(points[:, axis] == index)
            inside = inside[~_has_background_beside(points[inside], distance[inside], axis, mask, size)]
            if len(inside):
                cut[inside] |= _long(points[inside], distance[inside], size)
    if not cut.any():
        return lines
    next_to_cut = KDTree(points[cut]).query(points, p=np.inf)[0] == 1
    rows: Rows = {**lines, "leaves": lines["leaves"] | next_to_cut}
    return {name: values[~cut] for name, values in rows.items()}


def _has_background_beside(
    points: Voxels, distance: Lengths, axis: int, mask: RunMask, size: Lengths
) -> NDArray[np.bool_]:
    """Return for which voxels the section across `axis` has background within their distance to the background."""
    result = np.zeros(len(points), bool)
    if not len(points):
        return result
    across = np.arange(3) != axis
    reach = np.where(across, np.ceil(distance.max() / size), 0).astype(np.int64)
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    away = np.linalg.norm(offsets * size, axis=1)
    for number, (point, limit) in enumerate(zip(points, distance, strict=True)):
        beside = point + offsets[away <= limit * _NEVER_LESS]
        inside = ((beside >= mask.box.start) & (beside < mask.box.stop)).all(axis=1)
        result[number] = not mask.contains(beside[inside]).all()
    return result


def _long(points: Voxels, distance: Lengths, voxel_size: Lengths) -> NDArray[np.bool_]:
    """Return which voxels are in a line longer than `_LONG` of its distances to the background."""
    left, right = KDTree(points).query_pairs(1.5, p=np.inf, output_type="ndarray").reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(points),) * 2)
    count, label = connected_components(graph, directed=False)
    result = np.zeros(len(points), bool)
    for number in range(count):
        members = label == number
        extent = np.ptp(points[members] * voxel_size, axis=0)
        result[members] = np.linalg.norm(extent) > _LONG * distance[members].mean()
    return result
