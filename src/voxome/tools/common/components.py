"""Blockwise connected components.

Every block labels its components with the id of their first voxel (`local_components`). Components that touch across a
block face are joined (`touching_pairs`, `union`) under their smallest id, that of the first voxel of the object.
Objects and their ids therefore do not depend on the blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.contracts.kinds import Rows
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import pack


def local_components(mask: NDArray[np.bool_], box: Box, domain: Box) -> NDArray[np.uint64]:
    """Label the 6-connected components of a block.

    Parameters
    ----------
    mask : (z, y, x) bool
        Foreground voxels of `box`.
    box, domain : Box
        Box of `mask`, and domain of the volume.

    Returns
    -------
    (z, y, x) uint64
        Voxel id (`tools.common.voxel_ids.pack`) of the first voxel, in C order, of the component; 0 outside the mask.
    """
    import cc3d  # an extra

    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=6, out_dtype=np.uint32)
    numbers, first = np.unique(labels, return_index=True)
    points = np.stack(np.unravel_index(first, mask.shape), axis=-1) + np.array(box.start)
    ids = np.zeros(int(numbers[-1]) + 1 if len(numbers) else 1, np.uint64)
    ids[numbers] = pack(points, domain)
    ids[0] = 0
    components: NDArray[np.uint64] = ids[labels]
    return components


def touching_pairs(labels: NDArray[np.uint64]) -> Rows:
    """Return the pairs of components that share a face.

    Parameters
    ----------
    labels : (z, y, x) uint64
        Components of a block and of one voxel beyond its high side along every axis.

    Returns
    -------
    Rows
        Distinct pairs ``a < b`` (uint64), sorted.
    """
    parts = [np.empty((0, 2), np.uint64)]
    for axis in range(labels.ndim):
        low = np.moveaxis(labels, axis, 0)[:-1]
        high = np.moveaxis(labels, axis, 0)[1:]
        touching = (low != high) & (low != 0) & (high != 0)
        parts.append(np.sort(np.stack([low[touching], high[touching]], axis=1), axis=1))
    pairs = np.unique(np.concatenate(parts), axis=0)
    return {"a": pairs[:, 0], "b": pairs[:, 1]}


def union(pairs: Rows) -> Rows:
    """Join components that touch, directly or through other components.

    Parameters
    ----------
    pairs : Rows
        ``a``, ``b`` (uint64) of all blocks, in any order.

    Returns
    -------
    Rows
        ``id``, ``root`` (uint64): components in `pairs`, sorted, and the smallest id of the object of each.
    """
    ends = np.stack([pairs["a"], pairs["b"]])
    ids, position = np.unique(ends, return_inverse=True)
    if not len(ids):
        return {"id": ids, "root": ids}
    left, right = position.reshape(2, -1)
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(len(ids), len(ids)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return {"id": ids, "root": ids[first][group]}


def object_rows(labels: NDArray[np.uint64], score: NDArray[np.uint8], box: Box, domain: Box) -> Rows:
    """Return size, position and score of the objects of a block; rows of several blocks add up.

    Parameters
    ----------
    labels : (z, y, x) uint64
        Components or objects; 0 is background.
    score : (z, y, x) uint8
        The score map.
    box, domain : Box
        Box of the arrays, and domain of the volume.

    Returns
    -------
    Rows
        ``id`` (uint64); ``voxels``; ``z``, ``y``, ``x`` (sums of voxel indices from ``domain.start``);
        ``score`` (sum); ``peak`` (largest score): all int64. Sorted by id.
    """
    points = np.nonzero(labels)
    ids, inverse = np.unique(labels[points], return_inverse=True)
    values = score[points].astype(np.int64)
    rows: Rows = {"id": ids, "voxels": np.bincount(inverse, minlength=len(ids)).astype(np.int64)}
    for name, index, start, first in zip("zyx", points, box.start, domain.start, strict=True):
        rows[name] = _sums(inverse, index + (start - first), len(ids))
    rows["score"] = _sums(inverse, values, len(ids))
    rows["peak"] = np.zeros(len(ids), np.int64)
    np.maximum.at(rows["peak"], inverse, values)
    return rows


def _sums(group: NDArray[np.intp], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums
