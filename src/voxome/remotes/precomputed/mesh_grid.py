"""Octree of a multi-resolution mesh: its grid, and surfaces cut at the planes between its nodes.

All positions are x, y, z. Vertices are first rounded to a lattice of integers that all nodes of a level share, and
only then is the surface cut, at planes that are on the lattice: a vertex on the border of two nodes is the same
lattice point in both, and no triangle crosses a plane, not even by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh

_FACES = 1 << 14
"""About how many faces a node has at most."""
_MOST_NODES = 1 << 10
"""Nodes along an axis at most."""
_STEPS_PER_EDGE = 16
"""Lattice steps of a level in the length of its edges, at least, while there are not too many nodes."""


@dataclass(frozen=True)
class Grid:
    """Nodes of the finest level; one of the next level is twice as long along each axis.

    Attributes
    ----------
    origin, chunk_shape : (3,) array of float64
        x, y, z of the corner of the grid, and of a node, in nm; values of float32.
    bits : int
        A node has 2^bits lattice points along each axis, its borders included.
    """

    origin: NDArray[np.float64]
    chunk_shape: NDArray[np.float64]
    bits: int

    @classmethod
    def of(cls, levels: Sequence[Mesh], edges: Sequence[float], bits: int) -> Grid:
        """Return a grid around meshes.

        It has one node, or 2, 4, 8 … along the longest axis where a node would have many faces, or a level long lattice
        steps. Along the others it has as many of that length as they need, or shorter ones: a thin object has short
        steps across.

        Parameters
        ----------
        levels : sequence of Mesh
            Levels of detail, finest first, none without vertices.
        edges : sequence of float
            Length of the edges of each level in nm.
        bits : int
            See `Grid`.
        """
        corners = np.array(
            [[mesh.vertices_nm.min(axis=0), mesh.vertices_nm.max(axis=0)] for mesh in levels], np.float64
        )
        low, high = corners[:, 0].min(axis=0)[::-1], corners[:, 1].max(axis=0)[::-1]
        origin = low.astype(np.float32).astype(np.float64)
        extents = high - origin
        longest = float(extents.max()) or 1.0
        steps = (1 << bits) - 1
        lattice = max(longest / edge * _STEPS_PER_EDGE / steps * 2**lod for lod, edge in enumerate(edges))
        nodes = max(1, math.sqrt(len(levels[0].faces) / _FACES), min(lattice, _MOST_NODES))
        count = 1 << math.ceil(math.log2(nodes))
        length = longest / count
        counts = np.maximum(np.ceil(extents / length), 1)
        shape = np.where(extents > 0, extents / counts, length).astype(np.float32)
        above = np.nextafter(shape, np.float32(np.inf))
        return cls(origin, np.where(shape * counts < extents, above, shape).astype(np.float64), bits)

    @property
    def steps(self) -> int:
        """Lattice steps along the edge of a node."""
        return (1 << self.bits) - 1

    def round(self, mesh: Mesh, lod: int) -> NDArray[np.int64]:
        """Return the lattice points of a level that are nearest to the vertices of its mesh."""
        step = self.chunk_shape * (1 << lod) / self.steps
        return np.rint((mesh.vertices_nm[:, ::-1].astype(np.float64) - self.origin) / step).astype(np.int64)


@dataclass(frozen=True)
class Piece:
    """The part of a surface in a node.

    Attributes
    ----------
    position : tuple of int
        x, y, z of the node in the grid of its level.
    points : (n, 3) array of uint32
        x, y, z of vertices, from 0 to ``2^bits - 1``.
    faces : (m, 3) array of uint32
        Counter-clockwise seen from outside, in x, y, z.
    octants : frozenset of tuple of int
        Positions of the nodes of the next finer level in which there is a part of this surface.
    """

    position: tuple[int, int, int]
    points: NDArray[np.uint32]
    faces: NDArray[np.uint32]
    octants: frozenset[tuple[int, int, int]]


def cut(mesh: Mesh, grid: Grid, lod: int) -> list[Piece]:
    """Cut the mesh of a level of detail into its nodes.

    Faces that shrink to a line or a point of the lattice are left out; their neighbours meet there.

    Parameters
    ----------
    mesh : Mesh
        The whole surface.
    grid : Grid
        Grid of the object.
    lod : int
        Level of detail, 0 the finest. Above 0, nodes are also cut in halves along each axis, so that finer nodes can
        stand for octants.

    Returns
    -------
    list of Piece
        By position along a Z-order curve.
    """
    points, faces = grid.round(mesh, lod), mesh.faces[:, ::-1].astype(np.int64)
    faces = _without_degenerate(points, faces)
    for axis in range(3):
        points, faces = _split_along(points, faces, axis, _planes(points[:, axis], grid, lod))
    if not len(faces):
        return []
    sums = points[faces].sum(axis=1)
    last = np.maximum(-(-points[faces].max(axis=(0, 1)) // grid.steps) - 1, 0)
    nodes = np.minimum(sums // (3 * grid.steps), last)
    halves = (sums - 3 * grid.steps * nodes > 3 << (grid.bits - 1)).astype(np.int64)
    order = np.argsort(morton(nodes), kind="stable")
    faces, nodes, octants = faces[order], nodes[order], (2 * nodes + halves)[order]
    starts = np.flatnonzero(np.r_[True, (nodes[1:] != nodes[:-1]).any(axis=1)])
    return [
        _piece(points, faces[start:stop], nodes[start], octants[start:stop] if lod else octants[:0], grid.steps)
        for start, stop in zip(starts, [*starts[1:], len(faces)], strict=True)
    ]


def morton(positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the Morton code of each position (n, 3), with x lowest."""
    codes = np.zeros(len(positions), np.uint64)
    for bit in range(int(positions.max(initial=0)).bit_length()):
        for axis in range(3):
            codes |= ((positions[:, axis] >> bit) & 1).astype(np.uint64) << np.uint64(3 * bit + axis)
    return codes


def _piece(
    points: NDArray[np.int64],
    faces: NDArray[np.int64],
    node: NDArray[np.int64],
    octants: NDArray[np.int64],
    steps: int,
) -> Piece:
    used, corners = np.unique(faces, return_inverse=True)
    x, y, z = node.tolist()
    return Piece(
        (x, y, z),
        (points[used] - steps * node).astype(np.uint32),
        corners.reshape(-1, 3).astype(np.uint32),
        frozenset((x, y, z) for x, y, z in np.unique(octants, axis=0).tolist()),
    )


def _planes(values: NDArray[np.int64], grid: Grid, lod: int) -> NDArray[np.int64]:
    """Return the planes between nodes, and above level 0 between their halves, where there is surface."""
    first, last = (int(value) // grid.steps for value in (values.min(initial=0), values.max(initial=0)))
    borders = np.arange(first, last + 1, dtype=np.int64) * grid.steps
    return np.sort(np.concatenate([borders, borders + (1 << (grid.bits - 1))])) if lod else borders


def _split_along(
    points: NDArray[np.int64], faces: NDArray[np.int64], axis: int, planes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the faces that cross any of the planes across an axis."""
    along = points[faces, axis]
    first = np.searchsorted(planes, along.min(axis=1), side="right")
    crossing = first < np.searchsorted(planes, along.max(axis=1), side="left")
    used, corners = np.unique(faces[crossing], return_inverse=True)
    part, split = points[used], corners.reshape(-1, 3)
    for plane in planes.tolist():
        part, split = _split(part, split, axis, plane)
    rows = np.concatenate([used, len(points) + np.arange(len(part) - len(used))])
    return np.concatenate([points, part[len(used) :]]), np.concatenate([faces[~crossing], rows[split]])


def _without_degenerate(points: NDArray[np.int64], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    equal = (a == b).all(axis=1) | (b == c).all(axis=1) | (c == a).all(axis=1)
    return faces[~equal]


def _split(
    points: NDArray[np.int64], faces: NDArray[np.int64], axis: int, plane: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the faces that cross a plane; the order of their corners is kept."""
    sides = np.sign(points[:, axis] - plane)[faces]
    crossing = (sides.min(axis=1) < 0) & (sides.max(axis=1) > 0)
    if not crossing.any():
        return points, faces
    kept, cut_faces, sides = faces[~crossing], faces[crossing], sides[crossing]
    lone = _lone_corner(sides)
    turned = (lone[:, None] + np.arange(3)) % 3
    cut_faces, sides = np.take_along_axis(cut_faces, turned, 1), np.take_along_axis(sides, turned, 1)
    halves = sides[:, 0] == 0
    pairs = np.concatenate([cut_faces[halves][:, 1:], cut_faces[~halves][:, :2], cut_faces[~halves][:, ::2]])
    edges, rows = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    rows = len(points) + rows.ravel()
    points = np.concatenate([points, _crossings(points[edges[:, 0]], points[edges[:, 1]], axis, plane)])
    a, b, c = cut_faces[halves].T
    between_bc = rows[: len(a)]
    two = [(a, b, between_bc), (a, between_bc, c)]
    a, b, c = cut_faces[~halves].T
    between_ab, between_ac = np.split(rows[len(between_bc) :], 2)
    three = [(a, between_ab, between_ac), (between_ab, b, c), (between_ab, c, between_ac)]
    pieces = np.concatenate([kept, *(np.stack(corners, axis=1) for corners in (*two, *three))])
    return points, _without_degenerate(points, pieces)


def _lone_corner(sides: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the corner of each face that is on the plane, or else alone on its side."""
    on_plane = sides == 0
    alone = sides != np.sign(sides.sum(axis=1))[:, None]
    found: NDArray[np.int64] = np.where(on_plane.any(axis=1), on_plane.argmax(axis=1), alone.argmax(axis=1))
    return found


def _crossings(a: NDArray[np.int64], b: NDArray[np.int64], axis: int, plane: int) -> NDArray[np.int64]:
    """Return the lattice points where edges cross a plane, the same whichever end comes first."""
    behind = (a[:, axis] > b[:, axis])[:, None]
    low, high = np.where(behind, b, a), np.where(behind, a, b)
    share = (plane - low[:, axis]) / (high[:, axis] - low[:, axis])
    points = np.rint(low + share[:, None] * (high - low)).astype(np.int64)
    points[:, axis] = plane
    return points
