"""Areas of cross-sections as an attribute of the nodes of a skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Skeleton
from voxome.contracts.source import VolumeView
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.places import voxels_at
from voxome.tools.common.skeletonization.cells import CELL
from voxome.tools.common.skeletonization.cross_sections import doubtful, section_areas, tangents
from voxome.tools.common.skeletonization.objects import CROSS_SECTION

_RADII, _MARGIN_NM = 4.0, 1000.0
_MOST_VOXELS = 96


def add_cross_sections(labels: VolumeView, id: int, skeleton: Skeleton, size_nm: Sequence[float]) -> Skeleton:
    """Return a skeleton with the area of the cross-section of its segment at each node, as `CROSS_SECTION`.

    It is NaN where it is not that of the neurite: within a voxel of an end, and where a skeleton turns before its end.
    A section is seen within four radii and 1 µm of its node, at most 96 voxels along each axis; voxels are read for
    the nodes of a cell at once.

    Parameters
    ----------
    labels : VolumeView
        Labels (z, y, x).
    id : int
        The segment.
    skeleton : Skeleton
        Its skeleton, in nm from the corner of voxel 0 of `labels`.
    size_nm : (z, y, x)
        Voxel size.

    Raises
    ------
    InvalidInput
        If the skeleton is not one of the segment in `labels`.
    """
    size = np.asarray(size_nm, np.float64)
    normals = tangents(skeleton, size_nm)
    normals[doubtful(skeleton, normals, size_nm)] = np.nan
    nodes = voxels_at(skeleton.nodes_nm, size)
    reach = np.ceil((_RADII * skeleton.radii_nm[:, None] + _MARGIN_NM) / size).astype(np.int64)
    reach = np.minimum(reach, _MOST_VOXELS)
    areas, found = np.full(len(nodes), np.nan, np.float32), 0
    if not all(Box.of_shape((1, 1, 1), tuple(node.tolist())) in labels.spec.frame for node in _corners(nodes)):
        raise _other_labels(id)
    for members in _by_cell(nodes, CELL):
        near = nodes[members]
        start, stop = (near - reach[members]).min(axis=0), (near + reach[members]).max(axis=0) + 1
        box = Box(tuple(start.tolist()), tuple(stop.tolist())) & labels.spec.frame
        mask = labels.cutout(box) == id
        found += int(mask[tuple((near - box.start).T)].sum())
        positions = skeleton.nodes_nm[members] - np.array(box.start) * size
        areas[members] = section_areas(mask, positions, normals[members], reach[members], size)
    if len(nodes) and not found:
        raise _other_labels(id)
    return replace(skeleton, attributes={**skeleton.attributes, CROSS_SECTION: areas})


def _by_cell(nodes: NDArray[np.int64], edge: int) -> list[NDArray[np.int64]]:
    """Return the rows of the nodes of each cell."""
    _, cell = np.unique(nodes // edge, axis=0, return_inverse=True)
    order = np.argsort(cell.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(cell.ravel()[order])) + 1)


def _corners(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first and the last corner of the box of all nodes."""
    return np.stack([nodes.min(axis=0), nodes.max(axis=0)]) if len(nodes) else nodes


def _other_labels(id: int) -> InvalidInput:
    return InvalidInput(
        f"the skeleton of {id} is not in the segment {id} of these labels; give those from which its pieces were traced"
    )
