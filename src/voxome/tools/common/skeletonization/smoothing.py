"""Positions of nodes between voxels: paths over voxels are jagged, and therefore too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array

ROUNDS = 12
"""Each moves nodes half the way to the middle of their neighbours."""


def smooth_nodes(
    places_nm: NDArray[np.float64],
    depth_nm: NDArray[np.float64],
    parents: NDArray[np.int64],
    size_nm: Sequence[float],
    fixed: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return positions (z, y, x) of nodes in nm, in the corner frame, such that paths run smoothly.

    A node stays in its voxel, or in the largest ball around the centre of this that lies in the object. Ends stay.

    Parameters
    ----------
    places_nm : (n, 3) float64
        Nodes: the centres of their voxels.
    depth_nm : (n,) float64
        Distance of each from the surface.
    parents : (n,) int64
        Row of the parent of each node, -1 for roots.
    size_nm : (z, y, x)
        Voxel size.
    fixed : (n,) bool
        Nodes that stay, as ends do.

    Returns
    -------
    (n, 3) float64
    """
    size = np.asarray(size_nm, np.float64)
    centre = places_nm
    count = len(centre)
    child = np.flatnonzero(parents >= 0)
    if not len(child):
        return centre
    ends = np.concatenate([child, parents[child]]), np.concatenate([parents[child], child])
    neighbours = coo_array((np.ones(len(ends[0])), ends), shape=(count, count)).tocsr()
    degree = neighbours.sum(axis=1)
    moving = (degree > 1) & ~fixed
    mean = diags_array(np.where(moving, 0.5 / np.maximum(degree, 1), 0.0)) @ neighbours
    stay = np.where(moving, 0.5, 1.0)[:, None]
    ball = 0.9 * depth_nm
    place = centre
    for _ in range(ROUNDS):
        place = centre + _limit(stay * place + mean @ place - centre, ball, size)
    return place


def _limit(shift: NDArray[np.float64], ball: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shifts that stay in the voxel or in the ball."""
    length = np.linalg.norm(shift, axis=1)
    in_voxel = np.clip(shift, -0.49 * size, 0.49 * size)
    in_ball = shift * np.minimum(1.0, ball / np.maximum(length, 1e-9))[:, None]
    wider = np.linalg.norm(in_ball, axis=1) > np.linalg.norm(in_voxel, axis=1)
    return np.where(wider[:, None], in_ball, in_voxel)
