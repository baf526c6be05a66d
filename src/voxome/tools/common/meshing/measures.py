"""Measures of a surface of triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.floating]
Faces = NDArray[np.integer]


def volume_of(vertices: Vertices, faces: Faces) -> float:
    """Return the volume that a closed surface encloses; negative if its faces are clockwise seen from outside."""
    if not len(faces):
        return 0.0
    a, b, c = _corners(vertices, faces)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def area_of(vertices: Vertices, faces: Faces) -> float:
    """Return the area of a surface."""
    if not len(faces):
        return 0.0
    a, b, c = _corners(vertices, faces)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def border_vertices(count: int, faces: Faces) -> NDArray[np.bool_]:
    """Return which of the vertices are on an edge that does not have exactly two faces, in opposite directions."""
    keys, opposite = _directed_edges(count, faces)
    border = np.zeros(count, np.bool_)
    order, reverse = np.sort(keys), np.sort(opposite)
    if (order == reverse).all() and (order[1:] != order[:-1]).all():
        return border
    single = _counts(order, keys) == 1
    paired = _counts(reverse, keys) == 1
    odd = keys[~(single & paired)]
    border[odd // count] = True
    border[odd % count] = True
    return border


def is_watertight(count: int, faces: Faces) -> bool:
    """Whether each edge has exactly two faces, which run along it in opposite directions."""
    if not len(faces):
        return False
    keys, opposite = _directed_edges(count, faces)
    keys.sort()
    opposite.sort()
    return bool((keys == opposite).all() and (keys[1:] != keys[:-1]).all())


def _corners(vertices: Vertices, faces: Faces) -> tuple[Vertices, Vertices, Vertices]:
    """Return the corners of each face, relative to the first vertex, for precision."""
    at = vertices.astype(np.float64) - vertices[0]
    return at[faces[:, 0]], at[faces[:, 1]], at[faces[:, 2]]


def _directed_edges(count: int, faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a number for each edge of each face, and for the same edge in the opposite direction."""
    first = faces.astype(np.int64)
    second = np.roll(first, -1, axis=1)
    return (first * count + second).ravel(), (second * count + first).ravel()


def _counts(order: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(order, keys, "right") - np.searchsorted(order, keys, "left")
