"""Skeletons of an array in blocks of any size, and their measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.contracts.shapes import Skeleton
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.skeleton_pieces import halo_of
from voxome.tools.common.skeletonization.cells import trace_cells
from voxome.tools.common.skeletonization.objects import build_skeleton
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import BlockBoxes, Piece, trace_pieces
from voxome.tools.common.skeletonization.rows import pieces_of, rows_of

Size = tuple[float, float, float]


def pieces_by_id(
    labels: NDArray[np.integer], size_nm: Size, block: int, teasar: Teasar | None = None
) -> dict[int, list[Piece]]:
    """Return the pieces of every object in blocks of `block` voxels, after a round trip through rows."""
    domain = Box.of_shape(labels.shape)
    found: dict[int, list[Piece]] = defaultdict(list)
    for one in BlockGrid(domain, (block,) * 3, halo=halo_of({}, size_nm)):
        boxes = BlockBoxes(one.write, one.read, domain, domain)
        pieces = list(trace_pieces(labels[one.read.within(domain)], boxes, size_nm, teasar or Teasar()))
        for piece in pieces_of(rows_of(pieces)):
            found[piece.id].append(piece)
    return dict(found)


def cells_by_id(
    labels: NDArray[np.integer], domain: Box, box: Box, block: Sequence[int], size_nm: Size
) -> dict[int, list[Piece]]:
    """Return the pieces of the cells of a box, read in blocks of whole cells; labels are those of the domain."""
    found: dict[int, list[Piece]] = defaultdict(list)
    halo = (3, 3, 3), (3, 3, 3)
    for one in BlockGrid(domain, tuple(block), box, halo, anchor=(0, 0, 0)):
        boxes = BlockBoxes(one.write, one.read, box, domain)
        for piece in trace_cells(labels[one.read.within(domain)], boxes, halo, size_nm, Teasar()):
            found[piece.id].append(piece)
    return dict(found)


def skeletonize(
    labels: NDArray[np.integer], size_nm: Size, block: int = 1 << 20, teasar: Teasar | None = None
) -> dict[int, Skeleton]:
    """Return the skeleton of every object."""
    teasar = teasar or Teasar()
    pieces = pieces_by_id(labels, size_nm, block, teasar)
    return {id: build_skeleton(parts, size_nm, teasar, box=Box.of_shape(labels.shape)) for id, parts in pieces.items()}


def skeletonize_at(labels: NDArray[np.integer], start: Sequence[int], size_nm: Size, cell: bool = True) -> Skeleton:
    """Return the skeleton of the only object of labels whose first voxel is at `start`, in cells or as one piece."""
    box = Box.of_shape(labels.shape, start)
    boxes = BlockBoxes(box, box, box, box)
    pieces = (
        trace_cells(labels, boxes, halo_of({}, size_nm), size_nm, Teasar())
        if cell
        else trace_pieces(labels, boxes, size_nm, Teasar())
    )
    return build_skeleton(list(pieces), size_nm, Teasar(), box=box)


@dataclass(frozen=True)
class Shape:
    """What two skeletons of one object have in common."""

    parts: int
    branch_points: int
    end_points: int
    cycles: int


def shape_of(skeleton: Skeleton) -> Shape:
    """Return the shape of a skeleton; cycles are E - V + C."""
    count, edges = len(skeleton.nodes_nm), skeleton.edges
    degree = np.bincount(edges.ravel(), minlength=count)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    parts = int(connected_components(graph, directed=False, return_labels=False))
    return Shape(parts, int((degree > 2).sum()), int((degree == 1).sum()), len(edges) - count + parts)


def labels_at(skeleton: Skeleton, labels: NDArray[np.integer], size_nm: Sequence[float]) -> list[int]:
    """Return the labels under the nodes."""
    voxels = np.floor(skeleton.nodes_nm / np.asarray(size_nm)).astype(int)
    return np.unique(labels[tuple(voxels.T)]).tolist()
