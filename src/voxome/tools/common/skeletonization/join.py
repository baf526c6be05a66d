"""Pieces of an object joined to one graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from voxome.tools.common.skeletonization.pieces import Piece


@dataclass(frozen=True)
class NodeGraph:
    """Nodes of an object and the edges between them.

    Attributes
    ----------
    points : (n, 3) int64
        Voxel (z, y, x) of each node, all distinct.
    depth_nm : (n,) float64
        Distance from its centre to the surface.
    edges : (m, 2) int64
        Rows of `points`, sorted and distinct.
    """

    points: NDArray[np.int64]
    depth_nm: NDArray[np.float64]
    edges: NDArray[np.int64]

    def find(self, point: Sequence[int] | NDArray[np.int64]) -> int:
        """Return the node of a voxel, which has one."""
        return int(np.flatnonzero((self.points == np.asarray(point)).all(axis=1))[0])


def join_pieces(pieces: Iterable[Piece]) -> NodeGraph:
    """Join the pieces of one object.

    They share the voxels where paths cross the planes between blocks. Where a neurite runs along such a plane, both
    sides have a path, which meet at one point only: nodes are joined, too, if they are neighbouring voxels.
    """
    pieces = [piece for piece in pieces if len(piece.points)]
    offsets = np.cumsum([0, *(len(piece.points) for piece in pieces)])
    every = np.concatenate([piece.points for piece in pieces])
    points, number = np.unique(every, axis=0, return_inverse=True)
    number = number.ravel()
    depth = np.full(len(points), np.inf)
    np.minimum.at(depth, number, np.concatenate([piece.depth_nm for piece in pieces]))
    edges = [number[piece.edges + offset] for piece, offset in zip(pieces, offsets, strict=False)]
    edges.append(_neighbours(points))
    joined = np.sort(np.concatenate(edges), axis=1)
    joined = joined[joined[:, 0] != joined[:, 1]]
    return NodeGraph(points, depth, np.unique(joined, axis=0))


def nodes_of_pieces(pieces: Iterable[Piece]) -> list[NDArray[np.int64]]:
    """Return the nodes of each piece in the graph of `join_pieces`."""
    pieces = [piece for piece in pieces if len(piece.points)]
    every = np.concatenate([piece.points for piece in pieces])
    number = np.unique(every, axis=0, return_inverse=True)[1].ravel()
    return np.split(number, np.cumsum([len(piece.points) for piece in pieces])[:-1])


def _neighbours(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of neighbouring voxels."""
    pairs: NDArray[np.int64] = cKDTree(points).query_pairs(1.5, p=np.inf, output_type="ndarray").astype(np.int64)
    return pairs
