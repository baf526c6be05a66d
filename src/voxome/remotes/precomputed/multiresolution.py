"""Encoding of a mesh in levels of detail: Draco fragments of the nodes of an octree, and their manifest.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/meshes.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.errors import InvalidInput
from voxome.extras import require
from voxome.remotes.mesh_files.draco import encode_draco_integers
from voxome.remotes.precomputed.mesh_grid import Grid, Piece, cut, morton
from voxome.remotes.precomputed.mesh_manifest import Level, Manifest

Position = tuple[int, int, int]

_PIXELS_PER_EDGE = 8
"""How long edges may look before a viewer fetches the next finer level; Neuroglancer counts halves of pixels."""


def encode_multiresolution(id: int, levels: Sequence[Mesh], bits: int) -> tuple[bytes, bytes]:
    """Encode a mesh in levels of detail.

    Parameters
    ----------
    id : int
        Segment, for messages.
    levels : sequence of Mesh
        Finest first. The levels end before the first of which nothing is left: that has no faces, or none whose corners
        are different lattice points.
    bits : {10, 16}
        Bits of a coordinate in a fragment.

    Returns
    -------
    manifest, fragments : bytes
        As the format has them.

    Raises
    ------
    InvalidInput
        If nothing is left of the finest level.
    MissingExtra
        If DracoPy is not installed.
    """
    require("services", "DracoPy")
    meshes = list(takewhile(lambda mesh: len(mesh.faces) > 0, levels))
    if not meshes:
        raise InvalidInput(f"the mesh of segment {id} has no faces; leave out objects without a surface")
    edges = np.maximum.accumulate([_edge_length(mesh) for mesh in meshes]).tolist()
    grid = Grid.of(meshes, edges, bits)
    pieces = list(takewhile(bool, (cut(mesh, grid, lod) for lod, mesh in enumerate(meshes))))
    if not pieces:
        raise InvalidInput(f"all faces of the mesh of segment {id} are lines or points with {bits} bits; use more bits")
    encoded = [_encode_level(found, nodes) for found, nodes in zip(pieces, _nodes(pieces), strict=True)]
    described = [
        Level(
            np.zeros(3),
            positions.astype(np.uint32),
            np.array([len(one) for one in fragments], np.int64),
            edge / _PIXELS_PER_EDGE,
        )
        for (positions, fragments), edge in zip(encoded, edges, strict=False)
    ]
    manifest = Manifest(grid.chunk_shape, grid.origin, described)
    return manifest.encode(), b"".join(one for _, fragments in encoded for one in fragments)


def _edge_length(mesh: Mesh) -> float:
    """Return the edge length in nm that triangles have on average: that of an equilateral one of the mean area."""
    a, b, c = (mesh.vertices_nm[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).mean() / 2
    return math.sqrt(4 / math.sqrt(3) * float(area)) or 1.0


def _nodes(pieces: Sequence[Sequence[Piece]]) -> list[NDArray[np.int64]]:
    """Return the nodes (n, 3) of each level in Z order.

    Beside those with a surface there are empty ones: parents, without which a finer node is never reached, and children
    of octants, without which the coarser surface stays where the finer one is empty.
    """
    levels: list[set[Position]] = [{piece.position for piece in found} for found in pieces]
    for lod in range(1, len(levels)):
        levels[lod - 1] |= {octant for piece in pieces[lod] for octant in piece.octants}
    for lod in range(1, len(levels)):
        levels[lod] |= {(x // 2, y // 2, z // 2) for x, y, z in levels[lod - 1]}
    arrays = [np.array(sorted(positions), np.int64) for positions in levels]
    return [positions[np.argsort(morton(positions), kind="stable")] for positions in arrays]


def _encode_level(pieces: Sequence[Piece], nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[bytes]]:
    encoded = {piece.position: encode_draco_integers(piece.points, piece.faces) for piece in pieces}
    return nodes, [encoded.get((x, y, z), b"") for x, y, z in nodes.tolist()]
