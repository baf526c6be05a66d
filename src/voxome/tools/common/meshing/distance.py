"""Distances between surfaces of triangles, exact to a tolerance."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

_LEAF = 4
_STACK = 128
_DEPTH = 48

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

Points = NDArray[np.float64]
Faces = NDArray[np.int32]


@dataclass(frozen=True)
class SurfaceTree:
    """Bounding boxes over a surface, to find the nearest point of it.

    Attributes
    ----------
    corners : (m, 3, 3) array of float64
        The corners of each face, in the order of the tree.
    order : (m,) array of int64
        Which face of the mesh each is.
    boxes : (n, 2, 3) array of float64
        Lowest and highest corner of each node; node *i* has the children 2 *i* and 2 *i* + 1, the root is node 1.
    leaves : int
        Number of leaves, a power of two; leaf *i* has the faces from `_LEAF` *i* on.
    """

    corners: Points
    order: NDArray[np.int64]
    boxes: Points
    leaves: int

    @classmethod
    def of(cls, vertices: Points, faces: Faces) -> SurfaceTree:
        """Return the tree of a surface with at least one face."""
        corners = vertices[faces]
        order = np.argsort(_morton(corners.mean(axis=1)), kind="stable")
        corners = np.ascontiguousarray(corners[order])
        leaves = 1 << max(0, (-(-len(faces) // _LEAF) - 1).bit_length())
        return cls(corners, order, _boxes(corners, leaves), leaves)

    def farthest(
        self, vertices: Points, faces: Faces, limit: float, tolerance: float, least: float = 0.0
    ) -> tuple[float, NDArray[np.int64]]:
        """Measure how far the points of a surface are from this one; faces as well as vertices count.

        A face is divided for as long as it could have a point that is farther away than the farthest found so far: the
        distance of a point differs from that of another at most by what is between them.

        Parameters
        ----------
        vertices : (n, 3) array of float64
            Positions.
        faces : (m, 3) array of int32
            Vertices of each face.
        limit : float
            Distance from which on a face is reported.
        tolerance : float
            By how much the largest distance may be overestimated, up to `limit`.
        least : float
            Distance that is known to occur, so that only larger ones matter.

        Returns
        -------
        farthest : float
            Upper bound of the distance, at least `least`.
        near : (m,) array of int64
            For each face with a point beyond `limit`, the face of this surface that is nearest to one; else -1.
        """
        bound, near = _farthest(vertices, faces, self.corners, self.boxes, self.leaves, least, limit, tolerance)
        return float(bound), np.where(near >= 0, self.order[near], -1)


def _morton(points: Points) -> NDArray[np.uint64]:
    """Return the place of each point on a Z-order curve through their bounding box."""
    low = points.min(axis=0)
    extent = max(float((points.max(axis=0) - low).max()), 1e-9)
    codes = np.zeros(len(points), np.uint64)
    for axis in range(3):
        bits = ((points[:, axis] - low[axis]) * (0x1FFFFF / extent)).astype(np.uint64)
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
        codes |= bits << np.uint64(2 - axis)
    return codes


@_jit
def _boxes(corners: Points, leaves: int) -> Points:
    boxes = np.empty((2 * leaves, 2, 3))
    boxes[:, 0], boxes[:, 1] = np.inf, -np.inf
    for f in range(len(corners)):
        leaf = leaves + f // _LEAF
        for corner in range(3):
            for axis in range(3):
                boxes[leaf, 0, axis] = min(boxes[leaf, 0, axis], corners[f, corner, axis])
                boxes[leaf, 1, axis] = max(boxes[leaf, 1, axis], corners[f, corner, axis])
    for node in range(leaves - 1, 0, -1):
        for axis in range(3):
            boxes[node, 0, axis] = min(boxes[2 * node, 0, axis], boxes[2 * node + 1, 0, axis])
            boxes[node, 1, axis] = max(boxes[2 * node, 1, axis], boxes[2 * node + 1, 1, axis])
    return boxes


@_jit
def _to_box(boxes: Points, node: int, x: float, y: float, z: float) -> float:
    """Return the squared distance of a point to the box of a node."""
    dx = max(boxes[node, 0, 0] - x, 0.0, x - boxes[node, 1, 0])
    dy = max(boxes[node, 0, 1] - y, 0.0, y - boxes[node, 1, 1])
    dz = max(boxes[node, 0, 2] - z, 0.0, z - boxes[node, 1, 2])
    return dx * dx + dy * dy + dz * dz


@_jit
def squared_distance(corners: Points, f: int, x: float, y: float, z: float) -> float:
    """Return the squared distance of a point to face `f`.

    Source: C. Ericson, Real-time collision detection, 2005, 5.1.5 (regions of the nearest point).
    """
    abx, aby, abz = (
        corners[f, 1, 0] - corners[f, 0, 0],
        corners[f, 1, 1] - corners[f, 0, 1],
        corners[f, 1, 2] - corners[f, 0, 2],
    )
    acx, acy, acz = (
        corners[f, 2, 0] - corners[f, 0, 0],
        corners[f, 2, 1] - corners[f, 0, 1],
        corners[f, 2, 2] - corners[f, 0, 2],
    )
    apx, apy, apz = x - corners[f, 0, 0], y - corners[f, 0, 1], z - corners[f, 0, 2]
    d1, d2 = abx * apx + aby * apy + abz * apz, acx * apx + acy * apy + acz * apz
    if d1 <= 0.0 and d2 <= 0.0:
        return apx * apx + apy * apy + apz * apz
    bpx, bpy, bpz = x - corners[f, 1, 0], y - corners[f, 1, 1], z - corners[f, 1, 2]
    d3, d4 = abx * bpx + aby * bpy + abz * bpz, acx * bpx + acy * bpy + acz * bpz
    if d3 >= 0.0 and d4 <= d3:
        return bpx * bpx + bpy * bpy + bpz * bpz
    cpx, cpy, cpz = x - corners[f, 2, 0], y - corners[f, 2, 1], z - corners[f, 2, 2]
    d5, d6 = abx * cpx + aby * cpy + abz * cpz, acx * cpx + acy * cpy + acz * cpz
    if d6 >= 0.0 and d5 <= d6:
        return cpx * cpx + cpy * cpy + cpz * cpz
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    v, w = 0.0, 0.0
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v = d1 / (d1 - d3) if d1 != d3 else 0.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        w = d2 / (d2 - d6) if d2 != d6 else 0.0
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6)) if (d4 - d3) + (d5 - d6) > 0.0 else 0.0
        v = 1.0 - w
    else:
        total = va + vb + vc
        if total != 0.0:
            v, w = vb / total, vc / total
    dx, dy, dz = apx - v * abx - w * acx, apy - v * aby - w * acy, apz - v * abz - w * acz
    return dx * dx + dy * dy + dz * dz


@_jit
def _nearest(
    corners: Points,
    boxes: Points,
    leaves: int,
    x: float,
    y: float,
    z: float,
    guess: int,
    enough: float,
    stack: NDArray[np.int64],
    distances: Points,
) -> tuple[float, int]:
    """Return the distance of a point to the surface, and the nearest face; `guess` is a face that may be near.

    The search ends at the first face that is not farther than `enough`, which need not be the nearest.
    """
    best, face = squared_distance(corners, guess, x, y, z), guess
    stack[0], distances[0], top = 1, _to_box(boxes, 1, x, y, z), 1
    while top and best > enough * enough:
        top -= 1
        if distances[top] >= best:
            continue
        node = stack[top]
        if node >= leaves:
            start = (node - leaves) * _LEAF
            for f in range(start, min(start + _LEAF, len(corners))):
                distance = squared_distance(corners, f, x, y, z)
                if distance < best:
                    best, face = distance, f
            continue
        left, right = _to_box(boxes, 2 * node, x, y, z), _to_box(boxes, 2 * node + 1, x, y, z)
        near = 0 if left <= right else 1
        for child in (1 - near, near):
            distance = left if child == 0 else right
            if distance < best:
                stack[top], distances[top] = 2 * node + child, distance
                top += 1
    return np.sqrt(best), face


@_jit
def _farthest(
    vertices: Points,
    faces: Faces,
    corners: Points,
    boxes: Points,
    leaves: int,
    least: float,
    limit: float,
    tolerance: float,
) -> tuple[float, NDArray[np.int64]]:
    """Return the largest distance of a point of a surface to another; see `SurfaceTree.farthest`."""
    over = np.full(len(faces), -1, np.int64)
    stack, distances = np.empty(_STACK, np.int64), np.empty(_STACK)
    known, near = np.empty(len(vertices)), np.empty(len(vertices), np.int64)
    guess, best = 0, least
    for v in range(len(vertices)):
        known[v], guess = _nearest(
            corners, boxes, leaves, vertices[v, 0], vertices[v, 1], vertices[v, 2], guess, least, stack, distances
        )
        near[v] = guess
    for f in range(len(faces)):
        for corner in range(3):
            v = faces[f, corner]
            best = max(best, known[v])
            if known[v] > limit:
                over[f] = near[v]
    points, values, nearest = (
        np.empty((_DEPTH + 1, 3, 3)),
        np.empty((_DEPTH + 1, 3)),
        np.empty((_DEPTH + 1, 3), np.int64),
    )
    depths = np.empty(_DEPTH + 1, np.int64)
    bound = best
    for f in range(len(faces)):
        for corner in range(3):
            v = faces[f, corner]
            for axis in range(3):
                points[0, corner, axis] = vertices[v, axis]
            values[0, corner], nearest[0, corner] = known[v], near[v]
        depths[0], top = 0, 1
        while top:
            top -= 1
            # Above the limit it only matters whether each face is; below, how far the farthest point is.
            enough = (best if over[f] >= 0 else min(best, limit)) + tolerance
            reach = _reach(points, values, top)
            if reach > enough:
                reach = min(reach, _reach_to_faces(corners, points, values, nearest, top, enough))
            if reach <= enough or depths[top] == _DEPTH - 1:
                bound = max(bound, reach)
                continue
            # The longest edge is halved: the first part keeps corner k, the second the one after it.
            k = _longest_side(points, top)
            after = (k + 1) % 3
            x, y, z = (
                (points[top, k, 0] + points[top, after, 0]) / 2,
                (points[top, k, 1] + points[top, after, 1]) / 2,
                (points[top, k, 2] + points[top, after, 2]) / 2,
            )
            height, face = _nearest(corners, boxes, leaves, x, y, z, nearest[top, k], least, stack, distances)
            best = max(best, height)
            if height > limit:
                over[f] = face
            for corner in range(3):
                for axis in range(3):
                    points[top + 1, corner, axis] = points[top, corner, axis]
                values[top + 1, corner], nearest[top + 1, corner] = values[top, corner], nearest[top, corner]
            points[top, after, 0], points[top, after, 1], points[top, after, 2] = x, y, z
            points[top + 1, k, 0], points[top + 1, k, 1], points[top + 1, k, 2] = x, y, z
            values[top, after] = values[top + 1, k] = height
            nearest[top, after] = nearest[top + 1, k] = face
            depths[top] += 1
            depths[top + 1] = depths[top]
            top += 2
    return bound, over


@_jit
def _longest_side(points: Points, i: int) -> int:
    """Return the side of triangle `i`, from that corner to the next, that is longest."""
    a, b, c = _side(points, i, 0, 1), _side(points, i, 1, 2), _side(points, i, 2, 0)
    if a >= b and a >= c:
        return 0
    return 1 if b >= c else 2


@_jit
def _reach_to_faces(
    corners: Points, points: Points, values: Points, nearest: NDArray[np.int64], i: int, enough: float
) -> float:
    """Return an upper bound of the distance of the points of triangle `i`, from the faces nearest to its corners.

    A face is convex, so that no point of a triangle is farther from it than a corner. The search ends at the first
    bound that is not larger than `enough`.
    """
    bound = np.inf
    for k in range(3):
        face = nearest[i, k]
        if k and face == nearest[i, k - 1]:
            continue
        worst = values[i, k]
        for step in (1, 2):
            corner = (k + step) % 3
            if worst >= bound:
                break
            if nearest[i, corner] == face:
                worst = max(worst, values[i, corner])
            else:
                x, y, z = points[i, corner, 0], points[i, corner, 1], points[i, corner, 2]
                worst = max(worst, np.sqrt(squared_distance(corners, face, x, y, z)))
        bound = min(bound, worst)
        if bound <= enough:
            break
    return float(bound)


@_jit
def _reach(points: Points, values: Points, i: int) -> float:
    """Return an upper bound of the distance of the points of triangle `i`, from that of its corners."""
    a, b, c = _side(points, i, 0, 1), _side(points, i, 1, 2), _side(points, i, 2, 0)
    # No point of a triangle is farther than its longest side / sqrt(3) from the nearest corner.
    bound = max(values[i, 0], values[i, 1], values[i, 2]) + max(a, b, c) * 0.5773502691896258
    return float(min(bound, values[i, 0] + max(a, c), values[i, 1] + max(a, b), values[i, 2] + max(b, c)))


@_jit
def _side(points: Points, i: int, j: int, k: int) -> float:
    x, y = points[i, j, 0] - points[i, k, 0], points[i, j, 1] - points[i, k, 1]
    z = points[i, j, 2] - points[i, k, 2]
    return np.sqrt(x * x + y * y + z * z)
