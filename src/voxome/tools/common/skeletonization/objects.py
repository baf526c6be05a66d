"""Skeletons of objects, and their measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.contracts.kinds import Rows
from voxome.contracts.shapes import Skeleton
from voxome.geometry import Box
from voxome.tools.common.skeletonization.axes import inverse, tracing_order
from voxome.tools.common.skeletonization.ends import BETWEEN, Bounds, Path, straighten_ends
from voxome.tools.common.skeletonization.given_points import GivenPoints
from voxome.tools.common.skeletonization.join import join_pieces, nodes_of_pieces
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import Piece
from voxome.tools.common.skeletonization.rungs import add_rungs, fill_links
from voxome.tools.common.skeletonization.smoothing import smooth_nodes
from voxome.tools.common.skeletonization.soma import add_soma
from voxome.tools.common.skeletonization.tree import extract_tree

TABLE = {
    "id": "uint64",
    "voxels": "int64",
    "volume_nm3": "float64",
    "nodes": "int64",
    "parts": "int64",
    "branch_points": "int64",
    "end_points": "int64",
    "cable_nm": "float64",
    "max_radius_nm": "float64",
    "median_cross_section_nm2": "float64",
}
"""Columns of the table of objects; areas are NaN without cross-sections, or if none is known."""
CROSS_SECTION = "cross_section_nm2"
"""Attribute of nodes: the area of the cross-section there."""


@dataclass(frozen=True)
class TracedObject:
    """An object with its skeleton, if it is large enough to have one.

    Attributes
    ----------
    id, voxels : int
        Label, and number of its voxels.
    volume_nm3 : float
        Their volume.
    skeleton : Skeleton or None
        None if the object is smaller than the limit.
    """

    id: int
    voxels: int
    volume_nm3: float
    skeleton: Skeleton | None


def trace_object(
    pieces: Sequence[Piece],
    size_nm: Sequence[float],
    teasar: Teasar,
    min_volume_nm3: float = 0.0,
    box: Box | None = None,
    given: GivenPoints | None = None,
) -> TracedObject:
    """Return the skeleton of an object from all of its pieces.

    Parameters
    ----------
    pieces : sequence of Piece
        The pieces of all blocks.
    size_nm : (z, y, x)
        Voxel size.
    teasar : Teasar
        Which branches it has.
    min_volume_nm3 : float
        Objects with less volume get no skeleton.
    box : Box, optional
        As of `build_skeleton`.
    given : GivenPoints, optional
        Roots and targets of this object and others.
    """
    voxels = sum(piece.voxels for piece in pieces)
    volume = voxels * math.prod(size_nm)
    skeleton = None
    if volume >= min_volume_nm3:
        root, targets = (None, ()) if given is None else given.of_object(pieces[0].id)
        skeleton = build_skeleton(pieces, size_nm, teasar, root, targets, box)
    return TracedObject(pieces[0].id, voxels, volume, skeleton)


def build_skeleton(
    pieces: Sequence[Piece],
    size_nm: Sequence[float],
    teasar: Teasar,
    root: Sequence[int] | NDArray[np.int64] | None = None,
    targets: Sequence[Sequence[int]] | NDArray[np.int64] = (),
    box: Box | None = None,
) -> Skeleton:
    """Return the skeleton of an object: nodes in nm in the corner frame, edges from child to parent.

    Parameters
    ----------
    pieces : sequence of Piece
        The pieces of all blocks, which reach root and targets.
    size_nm : (z, y, x)
        Voxel size.
    teasar : Teasar
        Which branches it has.
    root : (z, y, x), optional
        Voxel that is the root.
    targets : sequence of (z, y, x)
        Voxels that have a node.
    box : Box, optional
        What was traced; no node is outside. It matters for objects that are cut at its border.
    """
    points = np.concatenate([piece.points for piece in pieces])
    axes = tracing_order(size_nm, np.ptp(points, axis=0).tolist())
    back = inverse(axes)
    turned = [replace(one, points=one.points[:, axes], surface=one.surface[:, axes]) for one in pieces]
    size = np.array([size_nm[axis] for axis in axes], np.float64)
    bounds = None if box is None else (np.array(box.start)[list(axes)] * size, np.array(box.stop)[list(axes)] * size)
    found = _build(
        turned,
        size.tolist(),
        teasar,
        None if root is None else [root[axis] for axis in axes],
        [[target[axis] for axis in axes] for target in targets],
        bounds,
    )
    return replace(found, nodes_nm=found.nodes_nm[:, back])


def _build(
    pieces: Sequence[Piece],
    size_nm: Sequence[float],
    teasar: Teasar,
    root: Sequence[int] | None,
    targets: Sequence[Sequence[int]],
    bounds: Bounds | None,
) -> Skeleton:
    """Return the skeleton of an object whose axes are in the order of tracing."""
    joined = join_pieces(pieces)
    surface = np.concatenate([piece.surface for piece in pieces])
    graph, soma = add_soma(joined, surface, size_nm, teasar)
    graph = add_rungs(graph, nodes_of_pieces(pieces), size_nm)
    wanted = [graph.find(point) for point in targets]
    tree = extract_tree(graph, size_nm, teasar, None if root is None else graph.find(root), wanted, soma)
    places = np.asarray((graph.points[tree.nodes] + 0.5) * np.asarray(size_nm), np.float64)
    traced = Path(tree.nodes, places, graph.depth_nm[tree.nodes], tree.parents)
    given = [*wanted, *([] if root is None else [graph.find(root)]), *([] if soma is None else [soma])]
    filled = fill_links(traced, size_nm, soma)
    path = straighten_ends(filled, graph, size_nm, np.isin(filled.rows, given), bounds)
    fixed = np.isin(path.rows, [*wanted, BETWEEN]) | (path.parents < 0)
    nodes = smooth_nodes(path.places, path.depth_nm, path.parents, size_nm, fixed)
    child = np.flatnonzero(path.parents >= 0)
    return Skeleton(nodes, np.stack([child, path.parents[child]], axis=1), path.depth_nm)


def table_rows(objects: Sequence[TracedObject]) -> Rows:
    """Return a row of `TABLE` for each object."""
    rows = [_measure(one) for one in objects]
    return {name: np.array([row[name] for row in rows], dtype) for name, dtype in TABLE.items()}


def _measure(one: TracedObject) -> dict[str, float]:
    row: dict[str, float] = dict.fromkeys(TABLE, 0)
    row |= {"id": one.id, "voxels": one.voxels, "volume_nm3": one.volume_nm3, "median_cross_section_nm2": math.nan}
    if one.skeleton is not None:
        count, edges = len(one.skeleton.nodes_nm), one.skeleton.edges
        degree = np.bincount(edges.ravel(), minlength=count)
        graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
        row |= {
            "nodes": count,
            "parts": connected_components(graph, directed=False, return_labels=False),
            "branch_points": int((degree > 2).sum()),
            "end_points": int((degree == 1).sum()),
            "cable_nm": one.skeleton.length_nm,
            "max_radius_nm": float(one.skeleton.radii_nm.max()),
            "median_cross_section_nm2": _median(one.skeleton.attributes.get(CROSS_SECTION, ())),
        }
    return row


def _median(areas: ArrayLike) -> float:
    """Return the median of the areas that are known; NaN if none is."""
    known = np.asarray(areas, np.float64)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else math.nan
