"""Areas of cross-sections of objects, perpendicular to their skeletons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Skeleton

_NEAR = 1.5
"""Radii from an end that are near it."""
_ALONG = 0.9
"""Cosine of the angle up to which two directions are the same."""
_LEAST = 1e-4
"""Smallest component of a normal: the exact area has these as divisors."""


def tangents(skeleton: Skeleton, size_nm: Sequence[float]) -> NDArray[np.float64]:
    """Return the direction (n, 3) of a skeleton at each node, NaN where it has no other node.

    It leads from the first descendant to the first ancestor that are as far as the radius and a voxel; descendants
    follow the branch with the most nodes.

    Parameters
    ----------
    skeleton : Skeleton
        Trees; each node comes after its parent.
    size_nm : (z, y, x)
        Voxel size.
    """
    nodes, parents = skeleton.nodes_nm, skeleton.parents
    count = len(nodes)
    below, child = np.ones(count, np.int64), np.full(count, -1, np.int64)
    for node in range(count - 1, -1, -1):
        parent = parents[node]
        if parent >= 0:
            below[parent] += below[node]
            if child[parent] < 0 or below[node] >= below[child[parent]]:
                child[parent] = node
    reach = skeleton.radii_nm + max(size_nm)
    ends = [_follow(nodes, following, reach) for following in (parents, child)]
    step = ends[0] - ends[1]
    length = np.linalg.norm(step, axis=1)
    return np.where(length[:, None] > 0, step / np.maximum(length, 1e-9)[:, None], np.nan)


def _follow(
    nodes: NDArray[np.float64], following: NDArray[np.int64], reach: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the position that is reached from each node: the first far enough, or the last."""
    found = nodes.copy()
    for start in range(len(nodes)):
        node = start
        while following[node] >= 0 and math.dist(nodes[node], nodes[start]) < reach[start]:
            node = int(following[node])
        found[start] = nodes[node]
    return found


def doubtful(skeleton: Skeleton, directions: NDArray[np.float64], size_nm: Sequence[float]) -> NDArray[np.bool_]:
    """Return at which nodes near an end (n,) the section is not that of the neurite.

    These are the nodes within a voxel of the end, where the plane may cut the surface there, and those within one and a
    half radii at which the direction is not that behind them, as where a skeleton turns to a rim.

    Parameters
    ----------
    skeleton : Skeleton
        Trees; each node comes after its parent.
    directions : (n, 3) float64
        What `tangents` returns.
    size_nm : (z, y, x)
        Voxel size.
    """
    neighbours: list[list[int]] = [[] for _ in skeleton.nodes_nm]
    for a, b in skeleton.edges.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    found, voxel = np.zeros(len(neighbours), np.bool_), max(size_nm)
    for end in [node for node, near in enumerate(neighbours) if len(near) == 1]:
        chain, lengths, widest = [end], [0.0], float(skeleton.radii_nm[end])
        while lengths[-1] <= _NEAR * widest + voxel:
            following = [node for node in neighbours[chain[-1]] if node not in chain[-2:]]
            if len(following) != 1:
                break
            lengths.append(lengths[-1] + math.dist(skeleton.nodes_nm[chain[-1]], skeleton.nodes_nm[following[0]]))
            chain.append(following[0])
            widest = max(widest, float(skeleton.radii_nm[following[0]]))
        turned = np.abs(directions[chain] @ directions[chain[-1]]) < _ALONG
        found[chain] |= turned | (np.array(lengths) < voxel)
    return found


@numba.njit(cache=True, nogil=True)
def section_areas(
    mask: NDArray[np.bool_],
    positions_nm: NDArray[np.float64],
    normals: NDArray[np.float64],
    reach: NDArray[np.int64],
    size: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the areas of the cross-sections of an object through some positions.

    Parameters
    ----------
    mask : (z, y, x) bool
        The object, and what is around it.
    positions_nm : (n, 3) float64
        Positions in the object, from the corner of `mask`.
    normals : (n, 3) float64
        Unit vectors perpendicular to the sections.
    reach : (n, 3) int64
        Voxels around each position that are seen; so what else `mask` has decides nothing.
    size : (3,) float64
        z, y, x of a voxel, in nm.

    Returns
    -------
    (n,) float64
        In nm²: the plane in the voxels that are connected with that of the position. NaN if it leaves what is seen or
        the mask, or if there is no normal.
    """
    areas = np.full(len(positions_nm), np.nan)
    stamp = np.full(mask.shape, -1, np.int32)
    stack = np.empty((1024, 3), np.int64)
    for n in range(len(positions_nm)):
        if np.isnan(normals[n, 0]):
            continue
        at = np.empty(3, np.int64)
        for axis in range(3):
            at[axis] = np.int64(math.floor(positions_nm[n, axis] / size[axis]))
        stack[0] = at
        stamp[at[0], at[1], at[2]] = n
        filled, total, leaves = 1, 0.0, False
        while filled and not leaves:
            filled -= 1
            z, y, x = stack[filled, 0], stack[filled, 1], stack[filled, 2]
            for k in range(27):
                u, v, w = z + k // 9 - 1, y + k // 3 % 3 - 1, x + k % 3 - 1
                area = _area_in_voxel(u, v, w, positions_nm[n], normals[n], size)
                if area <= 0.0:
                    continue
                if k == 13:
                    total += area
                    continue
                inside = 0 <= u < mask.shape[0] and 0 <= v < mask.shape[1] and 0 <= w < mask.shape[2]
                near = abs(u - at[0]) <= reach[n, 0] and abs(v - at[1]) <= reach[n, 1] and abs(w - at[2]) <= reach[n, 2]
                if not inside or not near:
                    leaves = True
                    break
                if not mask[u, v, w] or stamp[u, v, w] == n:
                    continue
                stamp[u, v, w] = n
                if filled == len(stack):
                    stack = np.concatenate((stack, np.empty_like(stack)))
                stack[filled, 0], stack[filled, 1], stack[filled, 2] = u, v, w
                filled += 1
        if not leaves:
            areas[n] = total
    return areas


@numba.njit(cache=True, nogil=True)
def _area_in_voxel(
    z: int, y: int, x: int, position: NDArray[np.float64], normal: NDArray[np.float64], size: NDArray[np.float64]
) -> float:
    """Return the area of the plane in a voxel: the derivative of the volume that it cuts off, by its distance."""
    a, b, c = max(abs(normal[0]), _LEAST), max(abs(normal[1]), _LEAST), max(abs(normal[2]), _LEAST)
    p, q, r = a * size[0], b * size[1], c * size[2]
    centre = (
        ((z + 0.5) * size[0] - position[0]) * normal[0]
        + ((y + 0.5) * size[1] - position[1]) * normal[1]
        + ((x + 0.5) * size[2] - position[2]) * normal[2]
    )
    d = 0.5 * (p + q + r) - centre
    if d <= 0.0 or d >= p + q + r:
        return 0.0
    squares = d * d
    for less in (p, q, r):
        squares -= max(d - less, 0.0) ** 2
    for less in (p + q, p + r, q + r):
        squares += max(d - less, 0.0) ** 2
    return squares / (2 * a * b * c)
