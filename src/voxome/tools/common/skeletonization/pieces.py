"""Pieces of skeletons: the paths of the objects of one block.

Blocks overlap by one plane of voxels. On it, the paths of both sides go through the same voxel of each contact
(`contacts`), so that pieces join without gaps; a piece has more branches than the skeleton will have, and which of
them stay is decided when an object is whole (`tree`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.resources.local_ids import require_positive
from voxome.tools.common.skeletonization.axes import inverse, permute, tracing_order
from voxome.tools.common.skeletonization.contacts import contact_points
from voxome.tools.common.skeletonization.distance import surface_distance
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.trace import trace_tree
from voxome.tools.common.skeletonization.voxel_graph import VoxelGraphs, outermost, shortest_paths, voxel_graphs

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
        Distance from the centre of this voxel to that of the nearest one outside the object.
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
    require_positive(labels, f"the block {boxes.write}")
    axes = tracing_order(size_nm, boxes.box.shape)
    back = inverse(axes)
    turned = BlockBoxes(*(permute(box, axes) for box in (boxes.write, boxes.read, boxes.box, boxes.domain)))
    size = [size_nm[axis] for axis in axes]
    targets = None if extra is None else extra[:, axes]
    for piece in _trace_block(labels.transpose(axes), turned, size, teasar, targets):
        yield replace(piece, points=piece.points[:, back], surface=piece.surface[:, back])


def _trace_block(
    labels: NDArray[Any],
    boxes: BlockBoxes,
    size_nm: Sequence[float],
    teasar: Teasar,
    extra: NDArray[np.int64] | None,
) -> Iterator[Piece]:
    """Yield the pieces of a block whose axes are in the order of tracing."""
    import cc3d  # an extra

    labels, ids = _renumber(labels)
    closed = boxes.closed
    inside = np.ascontiguousarray(labels[closed.within(boxes.read)])
    components, count = cc3d.connected_components(inside, connectivity=26, out_dtype=np.uint32, return_N=True)
    if not count:
        return
    size = np.asarray(size_nm, np.float64)
    graphs = voxel_graphs(components, count)
    depth = surface_distance(labels, size_nm, boxes.borders())[closed.within(boxes.read)]
    depths = np.pad(depth, 1).ravel()[graphs.places]
    thick = _thick_surface(graphs, depths, size, closed)
    own = np.bincount(components[boxes.write.within(closed)].ravel(), minlength=count + 1)
    targets = _targets(_contacts(labels, boxes, size_nm), extra, closed, graphs)
    first = np.stack(np.unravel_index(graphs.places[graphs.starts[1:-1]], graphs.components.shape)) - 1
    names = ids[inside[tuple(first)]]
    order = np.argsort(names, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(names[order])) + 1):
        parts = [
            _trace(graphs, int(k) + 1, depths, size, targets.get(int(k) + 1), teasar, tips=bool(own[k + 1]))
            for k in group
            if own[k + 1] or len(targets.get(int(k) + 1, ())) > 1
        ]
        if parts:
            offsets = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
            yield Piece(
                int(names[group[0]]),
                int(own[group + 1].sum()),
                np.concatenate([part[0] for part in parts]) + np.array(closed.start),
                np.concatenate([part[1] for part in parts]),
                np.concatenate([part[2] + offset for part, offset in zip(parts, offsets, strict=True)]),
                np.concatenate([np.empty((0, 3), np.int64), *(thick[k] for k in group + 1 if k in thick)]),
            )


def _renumber(labels: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return labels numbered from 1, which libraries take that know no ids beyond 2**63, and the id of each number."""
    import fastremap  # an extra

    numbers, mapping = fastremap.renumber(np.ascontiguousarray(labels), preserve_zero=True, in_place=False)
    ids = np.zeros(max(mapping.values(), default=0) + 1, np.uint64)
    ids[list(mapping.values())] = np.array(list(mapping), np.uint64)
    return numbers.astype(np.uint32, copy=False), ids


def _trace(
    graphs: VoxelGraphs,
    component: int,
    depths: NDArray[np.float32],
    size: NDArray[np.float64],
    targets: NDArray[np.int32] | None,
    teasar: Teasar,
    *,
    tips: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return points, depths and edges of the paths of a component."""
    span = slice(graphs.starts[component], graphs.starts[component + 1])
    places, depth = graphs.places[span], depths[span]
    if targets is None:
        targets = np.empty(0, np.int32)
    start = int(outermost(places, graphs.components.shape, size))
    voxels = graphs.components, graphs.numbers, places, depth
    parents, lengths = shortest_paths(*voxels, size, start)
    finer = teasar.finer
    order = trace_tree(*voxels, parents, lengths, size, targets, finer.scale, finer.const_nm, tips)
    position = np.empty(len(places), np.int64)
    position[order] = np.arange(len(order))
    edges = np.stack([np.arange(1, len(order)), position[parents[order[1:]]]], axis=1)
    points = np.stack(np.unravel_index(places[order], graphs.components.shape), axis=1).astype(np.int64) - 1
    return points, depth[order], edges


def _thick_surface(
    graphs: VoxelGraphs, depths: NDArray[np.float32], size: NDArray[np.float64], closed: Box
) -> dict[int, NDArray[np.int64]]:
    """Return voxels (n, 3) of the surface of each component that is thick, in the indices of the volume."""
    found = {}
    for component in range(1, len(graphs.starts) - 1):
        span = slice(graphs.starts[component], graphs.starts[component + 1])
        if depths[span].max() <= SURFACE_NM:
            continue
        places = graphs.places[span][depths[span] <= size.max()]
        points = np.stack(np.unravel_index(places, graphs.components.shape), axis=1) - 1 + np.array(closed.start)
        cells = np.floor(points * size / SURFACE_NM).astype(np.int64)
        found[component] = points[np.unique(cells, axis=0, return_index=True)[1]]
    return found


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
    contacts: NDArray[np.int64], extra: NDArray[np.int64] | None, closed: Box, graphs: VoxelGraphs
) -> dict[int, NDArray[np.int32]]:
    """Return the voxels that paths have to reach, as numbers in each component."""
    points = contacts
    if extra is not None:
        inside = ((extra >= closed.start) & (extra < closed.stop)).all(axis=1)
        points = np.concatenate([contacts, extra[inside]])
    points = np.unique(points, axis=0) - np.array(closed.start) + 1
    components, numbers = graphs.components[tuple(points.T)], graphs.numbers[tuple(points.T)]
    order = np.argsort(components, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(components[order])) + 1) if len(order) else []
    return {int(components[group[0]]): numbers[group] for group in groups}
