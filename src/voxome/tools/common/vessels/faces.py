"""Where vessels leave a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.tools.common.faces import long_axes
from voxome.tools.common.vessels.runs import count_voxels, join_runs, label_objects
from voxome.tools.common.vessels.tiles import EDGE, SIZE, Tiles

_ELONGATED = 4
"""Area of a part of a face, in circles around its middle up to the background, of a vessel that runs along the face."""
_APART = 2
"""Distance of two middles in different faces, in distances to the background, up to which they are of one vessel."""


@dataclass(frozen=True)
class Exits:
    """Middles of the parts of the faces of a box that are in a mask.

    Attributes
    ----------
    slots : (n,) int64
        Their slots, sorted.
    compact : (n,) bool
        Whether a vessel leaves through the face there; others may run along it.
    """

    slots: NDArray[np.int64]
    compact: NDArray[np.bool_]


def find_exits(tiles: Tiles, distance: NDArray[np.float32], voxel_size: Sequence[float]) -> Exits:
    """Return the middle of every vessel in the faces of the box, so that centre lines reach them.

    That is the voxel of each 8-connected part of the mask in a face with the largest distance to the background; of
    several, the one nearest to their centroid, then the first. A vessel that leaves through an edge has one middle.

    Parameters
    ----------
    tiles : Tiles
        The mask.
    distance : (slots,) float32
        Distance of every slot to the background.
    voxel_size : (z, y, x)
        Voxel size, in the unit of `distance`.
    """
    slots, compact, face = [np.empty(0, np.int64)], [np.empty(0, bool)], [np.empty(0, np.int64)]
    for axis in long_axes(tiles.box.shape):
        for side, index in enumerate((0, tiles.box.shape[axis] - 1)):
            found = _middles(tiles, distance, voxel_size, axis, index)
            slots.append(found.slots)
            compact.append(found.compact)
            face.append(np.full(len(found.slots), 2 * axis + side))
    every = Exits(np.concatenate(slots), np.concatenate(compact))
    return _merge(every, np.concatenate(face), tiles, distance, np.asarray(voxel_size, np.float64))


def _merge(
    exits: Exits, face: NDArray[np.int64], tiles: Tiles, distance: NDArray[np.float32], voxel_size: NDArray[np.float64]
) -> Exits:
    """Return exits without those next to another of a vessel at least as thick in another face."""
    depth = distance[exits.slots].astype(np.float64)
    points = tiles.points(exits.slots)
    order = np.lexsort((face, *points.T[::-1], -depth))
    tree = KDTree(points * voxel_size)
    kept = np.ones(len(order), bool)
    for i in order.tolist():
        if kept[i]:
            near = np.array(tree.query_ball_point(points[i] * voxel_size, _APART * depth[i]), np.int64)
            kept[near[(face[near] != face[i]) & (depth[near] <= depth[i])]] = False
    slots, first = np.unique(exits.slots[kept], return_index=True)
    return Exits(slots, exits.compact[kept][first])


def _middles(tiles: Tiles, distance: NDArray[np.float32], voxel_size: Sequence[float], axis: int, index: int) -> Exits:
    """Return the middles of the vessels in one section across `axis`."""
    near = np.flatnonzero(tiles.origin[:, axis] == index // EDGE * EDGE)
    slots = (near[:, None] * SIZE + np.arange(SIZE)).ravel()
    slots = slots[tiles.present[slots] > 0]
    points = tiles.points(slots) - tiles.box.start
    inside = points[:, axis] == index
    slots, points = slots[inside], points[inside]
    if not len(slots):
        return Exits(slots, np.zeros(0, bool))
    flat: Any = np.delete(points, axis, axis=1)
    order = np.lexsort((flat[:, 1], flat[:, 0]))
    slots, flat = slots[order], flat[order]
    single = {"z": np.zeros(len(flat), np.int64), "y": flat[:, 0], "start": flat[:, 1], "stop": flat[:, 1] + 1}
    runs = join_runs(single)
    part = np.repeat(label_objects(runs), count_voxels(runs))
    size = np.delete(np.asarray(voxel_size, np.float64), axis)
    area = np.bincount(part) * size.prod()
    deepest = np.zeros(part.max() + 1, np.float64)
    np.maximum.at(deepest, part, distance[slots])
    best = distance[slots] == deepest[part]
    slots, part, flat = slots[best], part[best], flat[best] * size
    counts = np.bincount(part)
    centroid = np.stack([np.bincount(part, flat[:, i]) / counts for i in range(2)], axis=1)
    away = np.rint(((flat - centroid[part]) ** 2).sum(axis=1) * 1e3)
    order = np.lexsort((np.arange(len(part)), away, part))
    middle = order[np.unique(part[order], return_index=True)[1]]
    return Exits(slots[middle], area <= _ELONGATED * np.pi * deepest**2)
