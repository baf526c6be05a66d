"""Where vessels leave a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.vessels.runs import count_voxels, join_runs, label_objects
from voxome.tools.common.vessels.tiles import EDGE, SIZE, Tiles


def face_slots(tiles: Tiles, distance: NDArray[np.float32], voxel_size: Sequence[float]) -> NDArray[np.int64]:
    """Return the middle of every vessel in the faces of the box, so that centre lines reach them.

    That is the voxel of each 8-connected part of the mask in a face with the largest distance to the background; of
    several, the one nearest to their centroid, then the first.

    Parameters
    ----------
    tiles : Tiles
        The mask.
    distance : (slots,) float32
        Distance of every slot to the background.
    voxel_size : (z, y, x)
        Voxel size, in the unit of `distance`.
    """
    found = [np.empty(0, np.int64)]
    for axis, length in enumerate(tiles.box.shape):
        if length > 1:
            found += [_middles(tiles, distance, voxel_size, axis, index) for index in (0, length - 1)]
    return np.unique(np.concatenate(found))


def _middles(
    tiles: Tiles, distance: NDArray[np.float32], voxel_size: Sequence[float], axis: int, index: int
) -> NDArray[np.int64]:
    """Return the middles of the vessels in one section across `axis`."""
    near = np.flatnonzero(tiles.origin[:, axis] == index // EDGE * EDGE)
    slots = (near[:, None] * SIZE + np.arange(SIZE)).ravel()
    slots = slots[tiles.present[slots] > 0]
    points = tiles.points(slots) - tiles.box.start
    inside = points[:, axis] == index
    slots, points = slots[inside], points[inside]
    if not len(slots):
        return slots
    flat: Any = np.delete(points, axis, axis=1)
    order = np.lexsort((flat[:, 1], flat[:, 0]))
    slots, flat = slots[order], flat[order]
    single = {"z": np.zeros(len(flat), np.int64), "y": flat[:, 0], "start": flat[:, 1], "stop": flat[:, 1] + 1}
    runs = join_runs(single)
    part = np.repeat(label_objects(runs), count_voxels(runs))
    deepest = np.full(part.max() + 1, -np.inf, np.float32)
    np.maximum.at(deepest, part, distance[slots])
    best = distance[slots] == deepest[part]
    slots, part, flat = slots[best], part[best], flat[best] * np.delete(np.asarray(voxel_size, float), axis)
    counts = np.bincount(part)
    centroid = np.stack([np.bincount(part, flat[:, i]) / counts for i in range(2)], axis=1)
    away = np.rint(((flat - centroid[part]) ** 2).sum(axis=1) * 1e3)
    order = np.lexsort((np.arange(len(part)), away, part))
    return slots[order[np.unique(part[order], return_index=True)[1]]]
