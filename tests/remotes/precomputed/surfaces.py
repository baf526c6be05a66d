"""Closed surfaces for tests of stored meshes, and what their properties are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh


def box(low: Any, high: Any) -> Mesh:
    """A box of 12 faces, from corner `low` to `high` (z, y, x in nm)."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    corners = low + np.array(list(np.ndindex(2, 2, 2))) * (high - low)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Mesh(corners, np.array(faces))


def ball(radius_nm: float, centre_nm: Any, parts: int = 24, lumps: float = 0.2) -> Mesh:
    """A lumpy ball of 2 * parts * (parts - 1) faces."""
    theta = np.linspace(0, np.pi, parts + 1)[1:-1]
    phi = np.arange(parts) * 2 * np.pi / parts
    t, p = np.meshgrid(theta, phi, indexing="ij")
    rows = np.stack([np.cos(t), np.sin(t) * np.sin(p), np.sin(t) * np.cos(p)], axis=-1).reshape(-1, 3)
    rows = np.concatenate([rows, [[1, 0, 0], [-1, 0, 0]]])
    rows = rows * (radius_nm * (1 + lumps * np.sin(5 * rows[:, :1]) * np.cos(4 * rows[:, 1:2])))
    at = np.arange(len(theta) * parts).reshape(len(theta), parts)
    right = np.roll(at, -1, axis=1)
    quads = np.stack([at[:-1], at[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    top = np.stack([np.full(parts, at.size), at[0], right[0]], axis=1)
    bottom = np.stack([np.full(parts, at.size + 1), right[-1], at[-1]], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], top, bottom])
    mesh = Mesh(rows + np.asarray(centre_nm, float), faces)
    return mesh if volume(mesh) > 0 else Mesh(mesh.vertices_nm, mesh.faces[:, ::-1])


def volume(mesh: Mesh) -> float:
    """Signed volume in nm³, with z, y, x as a right-handed system."""
    a, b, c = (mesh.vertices_nm[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def open_edges(mesh: Mesh) -> int:
    """Number of directed edges, by position, without the same edge of another face in the opposite direction."""
    corners = [[tuple(row) for row in triangle] for triangle in mesh.vertices_nm[mesh.faces].tolist()]
    edges = Counter((triangle[one], triangle[(one + 1) % 3]) for triangle in corners for one in range(3))
    return sum((edges - Counter({(b, a): count for (a, b), count in edges.items()})).values())


def triangles(mesh: Mesh) -> NDArray[Any]:
    """Corners of all faces (n, 9), each turned so that its lowest comes first, sorted."""
    corners = mesh.vertices_nm[mesh.faces]
    first = np.lexsort(corners.transpose(2, 0, 1)[::-1], axis=1)[:, :1]
    turned = np.take_along_axis(corners, ((first + np.arange(3)) % 3)[..., None], axis=1)
    rows = turned.reshape(-1, 9)
    return rows[np.lexsort(rows.T[::-1])]
