"""Meshes from and to the arrays of files, in which positions are x, y, z.

Going from x, y, z to z, y, x mirrors, so faces are turned over to keep their outside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.contracts.shapes import Mesh

FRAME = "x, y, z in nm from the corner of voxel 0"
"""Frame of the vertices in files that voxome writes, for their comments."""


def mesh_of(xyz: ArrayLike, faces: ArrayLike) -> Mesh:
    """Return the mesh of vertices (n, 3) and faces (m, 3) of a file."""
    vertices = np.asarray(xyz, np.float32).reshape(-1, 3)
    return Mesh(vertices[:, ::-1].copy(), np.asarray(faces, np.uint32).reshape(-1, 3)[:, ::-1].copy())


def arrays_of(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return the vertices (n, 3) and faces (m, 3) of a file; `mesh_of` returns the mesh."""
    return np.ascontiguousarray(mesh.vertices_nm[:, ::-1]), np.ascontiguousarray(mesh.faces[:, ::-1])


def merge_corners(corners: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return the vertices and faces of triangles (m, 3, 3) that a file has without indices; equal corners are one."""
    vertices, rows = np.unique(corners.reshape(-1, 3).astype(np.float32), axis=0, return_inverse=True)
    return vertices, rows.reshape(-1, 3).astype(np.uint32)


def split_polygons(sizes: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return triangles (m, 3): polygons are cut into fans around their first corner.

    Parameters
    ----------
    sizes : (n,) array of int64
        Corners of each polygon, at least 3.
    corners : (k,) array of int64
        Vertices of all polygons, one after another.

    Raises
    ------
    ValueError
        If a polygon has fewer than 3 corners.
    """
    if (sizes < 3).any():
        raise ValueError(f"a face has {int(sizes.min())} corners; expected at least 3")
    starts = np.cumsum(sizes) - sizes
    fans = np.repeat(starts, sizes - 2)
    steps = np.arange(len(fans)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
    return np.stack([corners[fans], corners[fans + steps + 1], corners[fans + steps + 2]], axis=1)
