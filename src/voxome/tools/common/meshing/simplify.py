"""Simplification of a mesh to a distance that is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.tools.common.meshing.collapse import collapse
from voxome.tools.common.meshing.distance import SurfaceTree
from voxome.tools.common.meshing.measures import border_vertices, volume_of

_SHARE = 0.2
"""Tolerance of a collapse, a root mean square, as a part of the bound, which is of the largest distance."""
_REACH = 2.5
"""Largest sum of the distances by which the surface leaves a vertex, as a multiple of that tolerance."""
_PRECISION = 0.1
"""By which part of the bound a distance may be overestimated."""
_LEAST = 0.2
"""Part of the bound below which distances are not measured."""
_REDUCTIONS = (0.35, 0.35, 0.1, 0.0)
"""Factors of the tolerance where the distance is too large, one an attempt."""
_RINGS = (5, 6, 8, 12)
"""Rings of vertices around such a place to which they apply."""
_MAX_FACES = np.iinfo(np.int32).max // 3
"""Faces whose corners have a number of 32 bits."""


@dataclass(frozen=True)
class Surface:
    """A surface of triangles, and how far it is from the original.

    Attributes
    ----------
    vertices : (n, 3) array of float64
        Positions in nm.
    faces : (m, 3) array of int32
        Vertices of each face.
    error_nm : float
        No point of either surface is farther than this from the other. It is at most a tenth of the bound higher than
        the largest distance, and not less than a fifth of the bound.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    error_nm: float = 0.0


def simplify(full: Surface, max_error_nm: float) -> Surface:
    """Reduce the faces of a surface as far as its distance to the original allows.

    Edges collapse under a tolerance, the distance is measured from either surface to the other, and where it is too
    large the tolerance is reduced and the rest repeated; in the end the vertices there stay. Vertices at the border of
    a surface that is open keep their positions. A closed surface stays closed, with a positive volume, and the number
    of its parts and tunnels does not change.

    Parameters
    ----------
    full : Surface
        The original.
    max_error_nm : float
        Bound of the distance of any point of either surface from the other, in nm.

    Returns
    -------
    Surface
        The original itself, if nothing can be left out.

    Raises
    ------
    InvalidInput
        If it has more than 715 million faces.
    """
    vertices, faces = full.vertices, full.faces
    if len(faces) < 5 or max_error_nm <= 0:
        return full
    if len(faces) > _MAX_FACES:
        raise InvalidInput(f"a surface of {len(faces)} faces is too large to simplify; mesh a coarser level")
    locked = border_vertices(len(vertices), faces)
    solid = not locked.any() and volume_of(vertices, faces) > 0
    tolerance = np.full(len(vertices), max_error_nm * _SHARE)
    tree = SurfaceTree.of(vertices, faces)
    for factor, rings in zip((*_REDUCTIONS, 0.0), (*_RINGS, 0), strict=True):
        reduced = _collapse(full, tolerance, locked)
        error, far = _distance(tree, full, reduced, max_error_nm)
        collapsed = solid and volume_of(reduced.vertices, reduced.faces) <= 0
        if error <= max_error_nm and not collapsed:
            return Surface(reduced.vertices, reduced.faces, error)
        near = slice(None) if collapsed or not rings else _surroundings(far, faces, len(vertices), rings)
        tolerance[near] *= factor
    return full


def _collapse(full: Surface, tolerance: NDArray[np.float64], locked: NDArray[np.bool_]) -> Surface:
    vertices, faces = full.vertices.copy(), full.faces.copy()
    gone, dead = collapse(vertices, faces, tolerance.copy(), locked, _REACH)
    index = (np.cumsum(~gone) - 1).astype(np.int32)
    return Surface(np.ascontiguousarray(vertices[~gone]), index[faces[~dead]])


def _distance(
    tree: SurfaceTree, full: Surface, reduced: Surface, max_error_nm: float
) -> tuple[float, NDArray[np.int64]]:
    """Return the distance of two surfaces, and the faces of the original where it exceeds the bound."""
    if not len(reduced.faces):
        return np.inf, np.arange(len(full.faces))
    precision = max_error_nm * _PRECISION
    limit = max_error_nm - precision
    back = SurfaceTree.of(reduced.vertices, reduced.faces)
    least = max_error_nm * _LEAST
    there, over = back.farthest(full.vertices, full.faces, limit, precision, least)
    known = min(max(there - precision, least), limit)
    here, near = tree.farthest(reduced.vertices, reduced.faces, limit, precision, known)
    return max(there, here), np.union1d(np.flatnonzero(over >= 0), near[near >= 0])


def _surroundings(far: NDArray[np.int64], faces: NDArray[np.int32], count: int, rings: int) -> NDArray[np.bool_]:
    """Return which vertices are at most so many edges away from some faces."""
    near = np.zeros(count, np.bool_)
    near[faces[far]] = True
    for _ in range(rings):
        near[faces[near[faces].any(axis=1)]] = True
    return near
