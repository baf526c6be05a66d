"""Surfaces of the labels of a block: the part of each mesh that the block has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fastremap
import numba
import numpy as np
import zmesh
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import Box

Triple = tuple[int, int, int]
_EMPTY = zmesh.Mesh()


@dataclass(frozen=True)
class Piece:
    """The part of the mesh of an object that one block has.

    Attributes
    ----------
    id : int
        Id of the object.
    start : (z, y, x)
        First voxel of the block.
    voxels : int
        Number of voxels of the object in the block; 0 if it only touches it.
    vertices : (n, 3) array of uint16
        z, y, x in half voxels, from the corner of the voxel `start`.
    faces : (m, 3) array of uint32
        Vertices of each face, counter-clockwise seen from outside, in a right-handed system of z, y and x.
    borders : (k,) array of uint32
        Vertices on planes between blocks, which other blocks have too.
    """

    id: int
    start: Triple
    voxels: int
    vertices: NDArray[np.uint16]
    faces: NDArray[np.uint32]
    borders: NDArray[np.uint32]


def mesh_block(labels: NDArray[np.unsignedinteger], read: Box, write: Box, box: Box) -> list[Piece]:
    """Mesh all labels of a block.

    The cells of marching cubes lie between the centres of voxels. A block has those that begin at a voxel that it
    writes, so that the pieces of all blocks are the faces of the whole, each once. At the faces of `box` the surface
    is closed, as if there were background beyond.

    Parameters
    ----------
    labels : (z, y, x) array of an unsigned integer dtype
        Labels of `read`; 0 is background.
    read, write : Box
        Voxels that are there, and those of the block; one more than these are needed at the upper faces.
    box : Box
        Voxels of all blocks.

    Returns
    -------
    list of Piece
        In the order of the ids; also of labels without any face here, for their number of voxels.

    Raises
    ------
    InvalidInput
        If `read` lacks voxels, or the block has more than 32,766 along an axis.
    """
    cells = write.grow((0, 0, 0), (1, 1, 1)) & box
    if cells not in read or labels.shape != read.shape:
        raise InvalidInput(f"labels of {read} and shape {labels.shape} were given for {cells}; one voxel is missing")
    if max(write.shape) > np.iinfo(np.uint16).max // 2 - 1:
        raise InvalidInput(f"a block of {write.shape} voxels is too large to mesh; expected at most 32766 on each axis")
    inside = labels[cells.within(read)]
    ids, counts = fastremap.unique(labels[write.within(read)], return_counts=True)
    sizes = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    sizes.pop(0, None)
    low = tuple(int(a == b) for a, b in zip(write.start, box.start, strict=True))
    high = tuple(int(a == b) for a, b in zip(write.stop, box.stop, strict=True))
    meshes = _meshes(np.pad(inside, tuple(zip(low, high, strict=True))))
    # zmesh counts from the centre of the first voxel, which is half a voxel from its corner.
    shift = np.array([1 - 2 * n for n in low])
    planes = np.array([2 * n + 1 for n in write.shape])
    start = (write.start[0], write.start[1], write.start[2])
    pieces = []
    for id in sorted({*sizes, *meshes}):
        mesh = meshes.pop(id, _EMPTY)
        vertices, borders = _half_voxels(mesh.vertices, shift, planes)
        pieces.append(Piece(id, start, sizes.get(id, 0), vertices, mesh.faces, borders))
    return pieces


def _meshes(labels: NDArray[np.unsignedinteger]) -> dict[int, zmesh.Mesh]:
    if min(labels.shape) < 2:  # one section: no cell
        return {}
    mesher = zmesh.Mesher((1, 1, 1))
    mesher.mesh(labels)
    meshes = {}
    for id in mesher.ids():
        meshes[int(id)] = mesher.get(id)
        mesher.erase(id)
    return meshes


@numba.njit(cache=True, nogil=True)
def _half_voxels(
    vertices: NDArray[np.float32], shift: NDArray[np.int64], planes: NDArray[np.int64]
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Return vertices in half voxels, and which are on the lowest or highest plane along an axis."""
    out, borders = np.empty(vertices.shape, np.uint16), np.empty(len(vertices), np.uint32)
    count = 0
    for row in range(len(vertices)):
        border = False
        for axis in range(3):
            at = int(2 * vertices[row, axis]) + shift[axis]
            out[row, axis] = at
            border |= at == 1 or at == planes[axis]
        if border:
            borders[count] = row
            count += 1
    return out, borders[:count].copy()


def join_pieces(pieces: Sequence[Piece]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Join the pieces of one object.

    Vertices that two blocks have are on the plane between them, at coordinates that are equal as integers; no others
    are joined, so surfaces that touch stay two.

    Parameters
    ----------
    pieces : sequence of Piece
        All pieces of the object, in any order, which is that of the faces.

    Returns
    -------
    vertices : (n, 3) array of int64
        z, y, x in half voxels, from the corner of voxel 0.
    faces : (m, 3) array of int32
        Vertices of each face.

    Raises
    ------
    InvalidInput
        If there are too many vertices for 32 bits.
    """
    counts = [len(piece.vertices) for piece in pieces]
    offsets = np.cumsum([0, *counts])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise InvalidInput(
            f"object {pieces[0].id} has {offsets[-1]} vertices; expected at most 2^31: mesh a coarser level"
        )
    vertices = np.concatenate(
        [np.empty((0, 3), np.int64), *(piece.vertices + 2 * np.array(piece.start, np.int64) for piece in pieces)]
    )
    faces = np.concatenate(
        [np.empty((0, 3), np.int32)]
        + [piece.faces.astype(np.int32) + np.int32(start) for piece, start in zip(pieces, offsets[:-1], strict=True)]
    )
    borders = np.concatenate(
        [np.empty(0, np.int64)] + [piece.borders + start for piece, start in zip(pieces, offsets[:-1], strict=True)]
    )
    if len(pieces) < 2 or not len(borders):
        return vertices, faces
    return _weld(vertices, faces, borders)


def _weld(
    vertices: NDArray[np.int64], faces: NDArray[np.int32], borders: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Join those of the vertices `borders` that are at the same position."""
    at = vertices[borders]
    order = np.lexsort((borders, at[:, 2], at[:, 1], at[:, 0]))
    at, borders = at[order], borders[order]
    new = np.concatenate([[True], (at[1:] != at[:-1]).any(axis=1)])
    firsts = borders[new][np.cumsum(new) - 1]
    target = np.arange(len(vertices))
    target[borders] = firsts
    kept = np.ones(len(vertices), np.bool_)
    kept[borders[~new]] = False
    index = (np.cumsum(kept) - 1).astype(np.int32)[target]
    return vertices[kept], index[faces]


def sort_surface(vertices: NDArray[np.int64], faces: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Sort a surface, so that it does not depend on the blocks that it was joined from.

    Parameters
    ----------
    vertices : (n, 3) array of int64
        Positions, all of them different.
    faces : (m, 3) array of int32
        Vertices of each face.

    Returns
    -------
    vertices : (n, 3) array of int64
        By z, y and x.
    faces : (m, 3) array of int32
        Each beginning with its lowest vertex, in the order of their vertices.
    """
    if not len(vertices):
        return vertices, faces
    order = _order(vertices, vertices.min(axis=0), vertices.max(axis=0))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return vertices[order], _sort_faces(faces, rank)


@numba.njit(cache=True, nogil=True)
def _order(vertices: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the order of vertices by z, y, x: a counting sort along each axis, the last one first."""
    order, moved = np.arange(len(vertices), dtype=np.int32), np.empty(len(vertices), np.int32)
    for axis in (2, 1, 0):
        starts = np.zeros(high[axis] - low[axis] + 2, np.int64)
        for row in range(len(vertices)):
            starts[vertices[row, axis] - low[axis] + 1] += 1
        starts = np.cumsum(starts)
        for vertex in order:
            at = vertices[vertex, axis] - low[axis]
            moved[starts[at]] = vertex
            starts[at] += 1
        order, moved = moved, order
    return order


@numba.njit(cache=True, nogil=True)
def _sort_faces(faces: NDArray[np.int32], rank: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return faces of other numbers of vertices, each from its lowest on: a counting sort by that, then by the next."""
    starts = np.zeros(len(rank) + 1, np.int64)
    for f in range(len(faces)):
        a, b, c = rank[faces[f, 0]], rank[faces[f, 1]], rank[faces[f, 2]]
        starts[min(a, b, c) + 1] += 1
    starts = np.cumsum(starts)
    out = np.empty_like(faces)
    ends = starts.copy()
    for f in range(len(faces)):
        a, b, c = rank[faces[f, 0]], rank[faces[f, 1]], rank[faces[f, 2]]
        if b < a and b < c:
            a, b, c = b, c, a
        elif c < a and c < b:
            a, b, c = c, a, b
        at = ends[a]
        ends[a] += 1
        while at > starts[a] and (out[at - 1, 1] > b or (out[at - 1, 1] == b and out[at - 1, 2] > c)):
            for k in range(3):
                out[at, k] = out[at - 1, k]
            at -= 1
        out[at, 0], out[at, 1], out[at, 2] = a, b, c
    return out
