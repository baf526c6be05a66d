"""Pieces of skeletons: the paths of the objects of one block.

Blocks overlap by one plane of voxels. On it, the paths of both sides go through the same voxel of each contact
(`contacts`), so that pieces join without gaps; a piece has more branches than the skeleton will have, and which of
them stay is decided when an object is whole (`tree`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.resources.local_ids import require_positive
from voxome.tools.common.skeletonization.axes import inverse, tracing_order
from voxome.tools.common.skeletonization.contacts import contact_points
from voxome.tools.common.skeletonization.distance import face_distance, surface_distance
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.trace import trace_tree
from voxome.tools.common.skeletonization.voxel_graph import (
    VoxelGraph,
    bounding_boxes,
    outermost,
    shortest_paths,
    voxel_graph,
)

SURFACE_NM = 250.0
"""Edge of the cells of which each has a voxel of the surface of a thick object; thinner ones have a smaller depth."""


@dataclass(frozen=True)
class Piece:
    """The paths of one object in one block.

    Attributes
    ----------
    id : int
        Label of the object.
    voxels : int
        Number of its voxels in the write box.
    points : (n, 3) int64
        Voxel (z, y, x) of each node, in the indices of the volume.
    depth_nm : (n,) float32
        Distance from the centre of this voxel to the surface of the object: to the nearest voxel outside.
    edges : (m, 2) int64
        Rows of `points`.
    surface : (k, 3) int64
        Voxels at the surface, about one in a cell of `SURFACE_NM`, where the object is thick: depths in a block are too
        large if the nearest surface is beyond its halo.
    """

    id: int
    voxels: int
    points: NDArray[np.int64]
    depth_nm: NDArray[np.float32]
    edges: NDArray[np.int64]
    surface: NDArray[np.int64]


@dataclass(frozen=True)
class BlockBoxes:
    """The boxes of a block.

    Attributes
    ----------
    write, read : Box
        What the block covers, and what is read for it.
    box, domain : Box
        What all blocks cover, and all voxels of the volume.
    """

    write: Box
    read: Box
    box: Box
    domain: Box

    @property
    def closed(self) -> Box:
        """The write box with the first plane of the next blocks."""
        return Box(self.write.start, tuple(min(a + 1, b) for a, b in zip(self.write.stop, self.box.stop, strict=True)))

    def borders(self) -> list[tuple[bool, bool]]:
        """Return whether the read box ends at the border of the volume, along each axis."""
        return [
            (a == b, c == d)
            for a, b, c, d in zip(self.read.start, self.domain.start, self.read.stop, self.domain.stop, strict=True)
        ]

    def planes(self) -> Iterator[tuple[int, int]]:
        """Yield the axis and the index of each plane that is shared with another block."""
        for axis in range(3):
            if self.write.start[axis] > self.box.start[axis]:
                yield axis, self.write.start[axis]
            if self.write.stop[axis] < self.box.stop[axis]:
                yield axis, self.write.stop[axis]


def trace_pieces(
    labels: NDArray[Any],
    boxes: BlockBoxes,
    size_nm: Sequence[float],
    teasar: Teasar,
    extra: NDArray[np.int64] | None = None,
) -> Iterator[Piece]:
    """Yield the pieces of a block, by label.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels of ``boxes.read``; 0 is background.
    boxes : BlockBoxes
        The block; its read box should exceed the write box by a halo, of the radius of neurites, and of a voxel at
        least.
    size_nm : (z, y, x)
        Voxel size.
    teasar : Teasar
        How far paths cover.
    extra : (n, 3) int64, optional
        Voxels of the volume that paths reach in any case.

    Raises
    ------
    InvalidInput
        If there is a negative label.
    """
    import cc3d  # an extra

    require_positive(labels, f"the block {boxes.write}")
    labels, ids = _renumber(labels)
    closed = boxes.closed
    inside = np.ascontiguousarray(labels[closed.within(boxes.read)])
    components, count = cc3d.connected_components(inside, connectivity=26, out_dtype=np.uint32, return_N=True)
    if not count:
        return
    start, stop, first = bounding_boxes(components, count)
    boxed = [Box(tuple(low), tuple(high)) for low, high in zip(start.tolist(), stop.tolist(), strict=True)]
    depth = surface_distance(labels, size_nm, boxes.borders())[closed.within(boxes.read)]
    own = np.bincount(components[boxes.write.within(closed)].ravel(), minlength=count + 1)[1:]
    targets = _targets(_contacts(labels, boxes, size_nm), extra, closed, components)
    size, borders = np.asarray(size_nm, np.float64), np.array(boxes.borders())
    names = ids[inside[tuple(first.T)]]
    order = np.lexsort((*first.T[::-1], names))
    for group in np.split(order, np.flatnonzero(np.diff(names[order])) + 1):
        parts = [
            _trace(boxed[k], k + 1, components, depth, size_nm, targets.get(k + 1), teasar, bool(own[k]))
            for k in group.tolist()
            if own[k] or len(targets.get(k + 1, ())) > 1
        ]
        if parts:
            offsets = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
            corner = np.array(closed.start)
            points = np.concatenate([part.points for part in parts]) + corner
            near = np.concatenate([part.depth_nm for part in parts])
            yield Piece(
                int(names[group[0]]),
                int(own[group].sum()),
                points,
                face_distance(labels, points - np.array(boxes.read.start), near, size, borders),
                np.concatenate([part.edges + offset for part, offset in zip(parts, offsets, strict=True)]),
                _thin_out(np.concatenate([part.surface for part in parts]) + corner, size_nm),
            )


def _renumber(labels: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return labels numbered from 1, which libraries take that know no ids beyond 2**63, and the id of each number."""
    import fastremap  # an extra

    numbers, mapping = fastremap.renumber(np.ascontiguousarray(labels), preserve_zero=True, in_place=False)
    ids = np.zeros(max(mapping.values(), default=0) + 1, np.uint64)
    ids[list(mapping.values())] = np.array(list(mapping), np.uint64)
    return numbers.astype(np.uint32, copy=False), ids


class _Part(NamedTuple):
    """The paths of a component; see `Piece`."""

    points: NDArray[np.int64]
    depth_nm: NDArray[np.float32]
    edges: NDArray[np.int64]
    surface: NDArray[np.int64]


def _trace(
    box: Box,
    component: int,
    components: NDArray[np.uint32],
    depth: NDArray[np.float32],
    size_nm: Sequence[float],
    targets: NDArray[np.int64] | None,
    teasar: Teasar,
    tips: bool,
) -> _Part:
    """Return the paths of a component from what is in its bounding box, with its axes in the order of tracing."""
    axes = tracing_order(size_nm, box.shape)
    slices = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
    mask = components[slices].transpose(axes) == component
    graph = voxel_graph(mask)
    depths = depth[slices].transpose(axes)[mask]
    size = np.array([size_nm[axis] for axis in axes], np.float64)
    back, corner = inverse(axes), np.array(box.start)
    reached = np.empty(0, np.int32)
    if targets is not None:
        reached = graph.numbers[tuple((targets - corner + 1)[:, axes].T)]
    order, parents = _paths(graph, depths, size, reached, teasar.finer, tips)
    position = np.empty(len(graph.places), np.int64)
    position[order] = np.arange(len(order))
    edges = np.stack([np.arange(1, len(order)), position[parents[order[1:]]]], axis=1)
    surface = np.empty((0, 3), np.int64)
    if depths.max() > SURFACE_NM:
        surface = graph.points(np.flatnonzero(depths <= size.max()))[:, back] + corner
    return _Part(graph.points(order)[:, back] + corner, depths[order], edges, surface)


def _paths(
    graph: VoxelGraph,
    depths: NDArray[np.float32],
    size: NDArray[np.float64],
    targets: NDArray[np.int32],
    teasar: Teasar,
    tips: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the voxels of the paths of a component, the root first, and the parents of all voxels."""
    start = outermost(graph.places, graph.numbers.shape, size)
    parents, lengths = shortest_paths(graph.numbers, graph.places, depths, size, start)
    order = trace_tree(
        graph.numbers, graph.places, depths, parents, lengths, size, targets, teasar.scale, teasar.const_nm, tips
    )
    return order, parents


def _thin_out(surface: NDArray[np.int64], size_nm: Sequence[float]) -> NDArray[np.int64]:
    """Return one of the voxels (n, 3) of a surface in each cell of `SURFACE_NM`."""
    cells = np.floor(surface * np.asarray(size_nm) / SURFACE_NM).astype(np.int64)
    return surface[np.sort(np.unique(cells, axis=0, return_index=True)[1])]


def _contacts(labels: NDArray[np.uint32], boxes: BlockBoxes, size_nm: Sequence[float]) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of the volume in which paths cross the planes of a block."""
    face, borders = boxes.closed.within(boxes.read), boxes.borders()
    found = [np.empty((0, 3), np.int64)]
    for axis, index in boxes.planes():
        a, b = (other for other in range(3) if other != axis)
        plane: NDArray[np.uint32] = labels.take(index - boxes.read.start[axis], axis=axis)  # type: ignore[assignment]
        points = contact_points(plane, (face[a], face[b]), (size_nm[a], size_nm[b]), (borders[a], borders[b]))
        start = boxes.closed.start[a], boxes.closed.start[b]
        found.append(np.insert(points + np.array(start), axis, index, axis=1))
    return np.concatenate(found)


def _targets(
    contacts: NDArray[np.int64], extra: NDArray[np.int64] | None, closed: Box, components: NDArray[np.uint32]
) -> dict[int, NDArray[np.int64]]:
    """Return the voxels (n, 3), from the corner of `closed`, that the paths of each component have to reach."""
    points = contacts
    if extra is not None:
        inside = ((extra >= closed.start) & (extra < closed.stop)).all(axis=1)
        points = np.concatenate([contacts, extra[inside]])
    points = np.unique(points, axis=0) - np.array(closed.start)
    component = components[tuple(points.T)]
    order = np.argsort(component, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if len(order) else []
    return {int(component[group[0]]): points[group] for group in groups}
