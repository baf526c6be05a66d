"""Helpers of the tests of meshes: random labels, and what the pieces of blocks are together."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.tools.common.meshing.surface import Piece, join_pieces, mesh_block

Joined = dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]]


def random_labels(shape: tuple[int, ...], seed: int = 0, ids: tuple[int, ...] = (0, 1, 2, 2**63 + 5)) -> NDArray[Any]:
    """Return labels that differ from voxel to voxel, with all ambiguous cells, and touch every border."""
    return np.random.default_rng(seed).choice(np.array(ids, np.uint64), shape)


def blob(shape: tuple[int, int, int] = (24, 28, 32), seed: int = 0) -> NDArray[np.bool_]:
    """Return a lumpy ball in the middle of a volume."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    radius = np.linalg.norm(at, axis=-1)
    lumps = sum(np.sin(at @ rng.normal(0, 6, 3) + rng.uniform(0, 6)) for _ in range(6))
    return radius < 0.7 + 0.04 * lumps


def pieces_by_id(
    labels: NDArray[Any], block: tuple[int, ...], start: tuple[int, ...] = (0, 0, 0)
) -> dict[int, list[Piece]]:
    """Return the pieces that blocks have of each object."""
    domain = Box.of_shape(labels.shape, start)
    found: dict[int, list[Piece]] = {}
    for one in BlockGrid(domain, block, halo=((0, 0, 0), (1, 1, 1))):
        for piece in mesh_block(labels[one.read.within(domain)], one.read, one.write, domain):
            found.setdefault(piece.id, []).append(piece)
    return found


def join_blocks(labels: NDArray[Any], block: tuple[int, ...], start: tuple[int, ...] = (0, 0, 0)) -> Joined:
    """Return the joined mesh of each object."""
    return {id: join_pieces(pieces) for id, pieces in pieces_by_id(labels, block, start).items()}


def face_counts(vertices: NDArray[Any], faces: NDArray[Any]) -> Counter[tuple[tuple[int, ...], ...]]:
    """Return the faces as positions of their corners, each starting at its lowest corner, and how often each occurs."""
    corners = [tuple(map(tuple, face)) for face in vertices[faces].tolist()]
    return Counter(face[(least := face.index(min(face))) :] + face[:least] for face in corners)


def edge_counts(faces: NDArray[Any]) -> list[int]:
    """Return how many faces each edge has."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1].tolist()


def count_parts(vertices: NDArray[Any], faces: NDArray[Any]) -> int:
    """Return the number of connected surfaces."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(vertices),) * 2)
    return int(connected_components(graph, directed=False, return_labels=False))
