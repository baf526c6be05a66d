"""Skeletons of objects from their pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from voxome.contracts.shapes import Skeleton
from voxome.tools.common.skeletonization.join import join_pieces
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import Piece
from voxome.tools.common.skeletonization.smoothing import smooth_nodes
from voxome.tools.common.skeletonization.tree import extract_tree


def build_skeleton(pieces: Iterable[Piece], size_nm: Sequence[float], teasar: Teasar) -> Skeleton:
    """Return the skeleton of an object from all of its pieces."""
    graph = join_pieces(pieces, size_nm)
    tree = extract_tree(graph, size_nm, teasar)
    depth = graph.depth_nm[tree.nodes]
    nodes = smooth_nodes(graph.points[tree.nodes], depth, tree.parents, size_nm)
    child = np.flatnonzero(tree.parents >= 0)
    return Skeleton(nodes, np.stack([child, tree.parents[child]], axis=1), depth)
