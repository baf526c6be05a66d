"""Edge collapse of a triangle mesh, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.meshing.distance import squared_distance

MAX_VALENCE = 20
"""No collapse makes a vertex with more faces than this."""
_ROOM = 64
_COSINE = 0.2
"""A face may turn by at most 78 degrees in one collapse."""
_QUALITY = 0.02
"""A face may not become thinner than this (1 for an equilateral triangle), unless it was."""
_RAMP = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0])
_SWEEPS = 40
_NONE = np.inf

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _quadrics(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the sum of the squared distances to the planes of its faces, of each vertex, weighted by their areas.

    Rows are xx, xy, xz, yy, yz, zz, x, y, z, 1, and the sum of the weights.
    """
    rows = np.zeros((len(vertices), 11))
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        x, y, z = _cross(a, b, c)
        length = np.sqrt(x * x + y * y + z * z)
        if length == 0.0:
            continue
        x, y, z = x / length, y / length, z / length
        d = -(x * a[0] + y * a[1] + z * a[2])
        for corner in range(3):
            row = rows[faces[f, corner]]
            row[0] += length * x * x
            row[1] += length * x * y
            row[2] += length * x * z
            row[3] += length * y * y
            row[4] += length * y * z
            row[5] += length * z * z
            row[6] += length * x * d
            row[7] += length * y * d
            row[8] += length * z * d
            row[9] += length * d * d
            row[10] += length
    return rows


@_jit
def _cross(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any]) -> tuple[float, float, float]:
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@_jit
def _error(q: NDArray[np.float64], x: float, y: float, z: float) -> float:
    """Return the root mean square distance of a position to the planes of a quadric."""
    total = q[0] * x * x + q[3] * y * y + q[5] * z * z + q[9]
    total += 2.0 * (q[1] * x * y + q[2] * x * z + q[4] * y * z + q[6] * x + q[7] * y + q[8] * z)
    return np.sqrt(max(total, 0.0) / q[10]) if q[10] > 0.0 else 0.0


@_jit
def _place(
    q: NDArray[np.float64],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    fixed: bool,
    box: NDArray[np.float64],
    out: NDArray[np.float64],
) -> float:
    """Find the position, in a box, of the vertex into which the edge u, v collapses, and return its error."""
    if fixed:
        out[:] = v
        return _error(q, v[0], v[1], v[2])
    mx, my, mz = (u[0] + v[0]) / 2, (u[1] + v[1]) / 2, (u[2] + v[2]) / 2
    reach = (u[0] - v[0]) ** 2 + (u[1] - v[1]) ** 2 + (u[2] - v[2]) ** 2
    # Minors of the 3x3 matrix; the right side is relative to the middle of the edge, for precision.
    bx = -(q[6] + q[0] * mx + q[1] * my + q[2] * mz)
    by = -(q[7] + q[1] * mx + q[3] * my + q[4] * mz)
    bz = -(q[8] + q[2] * mx + q[4] * my + q[5] * mz)
    c0, c1, c2 = q[3] * q[5] - q[4] * q[4], q[2] * q[4] - q[1] * q[5], q[1] * q[4] - q[2] * q[3]
    determinant = q[0] * c0 + q[1] * c1 + q[2] * c2
    if determinant > 1e-3 * q[10] ** 3:
        c3, c4, c5 = q[0] * q[5] - q[2] * q[2], q[1] * q[2] - q[0] * q[4], q[0] * q[3] - q[1] * q[1]
        x = (c0 * bx + c1 * by + c2 * bz) / determinant
        y = (c1 * bx + c3 * by + c4 * bz) / determinant
        z = (c2 * bx + c4 * by + c5 * bz) / determinant
        if x * x + y * y + z * z <= reach:
            out[0] = min(max(mx + x, box[0, 0]), box[1, 0])
            out[1] = min(max(my + y, box[0, 1]), box[1, 1])
            out[2] = min(max(mz + z, box[0, 2]), box[1, 2])
            return _error(q, out[0], out[1], out[2])
    middle = _error(q, mx, my, mz)
    first, second = _error(q, u[0], u[1], u[2]), _error(q, v[0], v[1], v[2])
    if middle <= first and middle <= second:
        out[0], out[1], out[2] = mx, my, mz
        return middle
    out[:] = u if first < second else v
    return min(first, second)


@_jit
def _prune(vertex: int, first: NDArray[np.int32], following: NDArray[np.int32], dead: NDArray[np.bool_]) -> None:
    """Take the corners of removed faces off the list of a vertex."""
    while first[vertex] >= 0 and dead[first[vertex] // 3]:
        first[vertex] = following[first[vertex]]
    corner = first[vertex]
    while corner >= 0:
        after = following[corner]
        while after >= 0 and dead[after // 3]:
            after = following[after]
        following[corner] = after
        corner = after


@_jit
def _keeps_shape(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    following: NDArray[np.int32],
    moved: int,
    other: int,
    at: NDArray[np.float64],
) -> bool:
    """Whether the faces of `moved` that do not contain `other` neither flip nor become slivers at a new position."""
    corner = first[moved]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        a, b = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
        if other != a and other != b:
            p, r = vertices[a], vertices[b]
            ox, oy, oz = _cross(vertices[moved], p, r)
            nx, ny, nz = _cross(at, p, r)
            old = np.sqrt(ox * ox + oy * oy + oz * oz)
            new = np.sqrt(nx * nx + ny * ny + nz * nz)
            if ox * nx + oy * ny + oz * nz <= _COSINE * old * new:
                return False
            if new < _QUALITY * _edges(at, p, r) and new * _edges(vertices[moved], p, r) < old * _edges(at, p, r):
                return False
        corner = following[corner]
    return True


@_jit
def _departure(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    following: NDArray[np.int32],
    u: int,
    v: int,
    at: NDArray[np.float64],
    point: int,
) -> float:
    """Return the distance of vertex `point` to the faces that are left when the edge u, v collapses to a position."""
    corners = np.empty((1, 3, 3))
    best = np.inf
    for side in range(2):
        moved, other = (u, v) if side == 0 else (v, u)
        corner = first[moved]
        while corner >= 0:
            f, k = corner // 3, corner % 3
            a, b = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
            if other != a and other != b:
                for axis in range(3):
                    corners[0, 0, axis], corners[0, 1, axis] = at[axis], vertices[a, axis]
                    corners[0, 2, axis] = vertices[b, axis]
                x, y, z = vertices[point, 0], vertices[point, 1], vertices[point, 2]
                best = min(best, squared_distance(corners, 0, x, y, z))
            corner = following[corner]
    return float(np.sqrt(best))


@_jit
def _edges(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    """Return the sum of the squared edges, so scaled that twice the area of an equilateral triangle is 1 of it."""
    total = 0.0
    for axis in range(3):
        total += (a[axis] - b[axis]) ** 2 + (b[axis] - c[axis]) ** 2 + (c[axis] - a[axis]) ** 2
    return float(total * 0.28867513459481287)


@_jit
def _is_simple(
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    following: NDArray[np.int32],
    valence: NDArray[np.int32],
    seen: NDArray[np.int64],
    stamp: int,
    u: int,
    v: int,
) -> bool:
    """Whether the surface stays one after the edge collapses: two common neighbours, and none with too few faces."""
    merged = valence[u] + valence[v] - 4
    if merged < 3 or merged > MAX_VALENCE:
        return False
    corner = first[u]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        seen[faces[f, (k + 1) % 3]] = stamp
        seen[faces[f, (k + 2) % 3]] = stamp
        corner = following[corner]
    common = 0
    corner = first[v]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        for step in (1, 2):
            w = faces[f, (k + step) % 3]
            if w != u and seen[w] == stamp:
                seen[w] = 0
                common += 1
                if valence[w] < 4:
                    return False
        corner = following[corner]
    return common == 2


@_jit
def _merge(
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    following: NDArray[np.int32],
    dead: NDArray[np.bool_],
    valence: NDArray[np.int32],
    u: int,
    v: int,
) -> None:
    """Let vertex v take the faces of vertex u, and remove those of the edge between them."""
    corner = last = first[u]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        a, b = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
        faces[f, k] = v
        third = b if a == v else a if b == v else -1
        if third >= 0:
            dead[f] = True
            valence[third] -= 1
        last = corner
        corner = following[corner]
    following[last] = first[v]
    first[v] = first[u]
    first[u] = -1
    valence[v] += valence[u] - 4
    _prune(v, first, following, dead)


@_jit
def collapse(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    tolerance: NDArray[np.float64],
    locked: NDArray[np.bool_],
    reach: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Collapse edges in place, those with the smallest error first, as far as a tolerance allows.

    No vertex leaves the bounding box. Sweeps with a rising limit each collapse edges that share no neighbour, so that
    the result depends on the order of the vertices only.

    Source: M. Garland, P. Heckbert, Surface simplification using quadric error metrics, SIGGRAPH 1997; T. Dey et al.,
    Topology preserving edge contraction, 1998 (which edges keep a surface one).

    Parameters
    ----------
    vertices : (n, 3) array of float64
        Positions; those of vertices that remain are changed.
    faces : (m, 3) array of int32
        Vertices of each face; changed.
    tolerance : (n,) array of float64
        Largest root mean square distance, at each vertex, to the planes of the faces that it replaces; changed.
    locked : (n,) array of bool
        Vertices that keep their position.
    reach : float
        Largest sum of the distances by which the surface leaves a vertex, as a multiple of the tolerance.

    Returns
    -------
    removed vertices : (n,) array of bool
    removed faces : (m,) array of bool
    """
    count = len(vertices)
    quadrics = _quadrics(vertices, faces)
    dead, gone = np.zeros(len(faces), np.bool_), np.zeros(count, np.bool_)
    first, following = np.full(count, -1, np.int32), np.empty(3 * len(faces), np.int32)
    valence = np.zeros(count, np.int32)
    for corner in range(3 * len(faces) - 1, -1, -1):
        v = faces[corner // 3, corner % 3]
        following[corner] = first[v]
        first[v] = corner
        valence[v] += 1
    touched, seen = np.zeros(count, np.int32), np.zeros(count, np.int64)
    wait, drifts = np.zeros(count), np.zeros(count)
    stamp = 0
    costs, neighbours = np.empty(_ROOM), np.empty(_ROOM, np.int32)
    sum_, at = np.empty(11), np.empty(3)
    live = count
    box = np.empty((2, 3))
    for axis in range(3):
        box[0, axis], box[1, axis] = vertices[:, axis].min(), vertices[:, axis].max()
    for sweep in range(1, _SWEEPS + 1):
        share = _RAMP[min(sweep, len(_RAMP)) - 1]
        collapsed = 0
        for u in range(count):
            if gone[u] or locked[u] or touched[u] == sweep or wait[u] > share * tolerance[u]:
                continue
            _prune(u, first, following, dead)
            found = 0
            corner = first[u]
            while corner >= 0 and found < _ROOM:
                v = faces[corner // 3, (corner % 3 + 1) % 3]
                if touched[v] != sweep:
                    sum_[:] = quadrics[u] + quadrics[v]
                    costs[found] = _place(sum_, vertices[u], vertices[v], locked[v], box, at)
                    neighbours[found] = v
                    found += 1
                corner = following[corner]
            least = _NONE
            while True:
                best = -1
                for i in range(found):
                    if best < 0 or costs[i] < costs[best]:
                        best = i
                if best < 0 or costs[best] == _NONE:
                    break
                v = int(neighbours[best])
                if costs[best] > share * min(tolerance[u], tolerance[v]):
                    least = min(least, costs[best])
                    costs[best] = _NONE
                    continue
                costs[best] = _NONE
                _prune(v, first, following, dead)
                stamp += 1
                if not _is_simple(faces, first, following, valence, seen, stamp, u, v):
                    continue
                sum_[:] = quadrics[u] + quadrics[v]
                _place(sum_, vertices[u], vertices[v], locked[v], box, at)
                if not _keeps_shape(vertices, faces, first, following, u, v, at):
                    continue
                if not locked[v] and not _keeps_shape(vertices, faces, first, following, v, u, at):
                    continue
                drift = max(
                    drifts[u] + _departure(vertices, faces, first, following, u, v, at, u),
                    drifts[v] + _departure(vertices, faces, first, following, u, v, at, v),
                )
                if drift > reach * min(tolerance[u], tolerance[v]):
                    continue
                drifts[v] = drift
                _merge(faces, first, following, dead, valence, u, v)
                vertices[v] = at
                quadrics[v] = sum_
                tolerance[v] = min(tolerance[u], tolerance[v])
                gone[u] = True
                touched[v] = sweep
                wait[v] = 0.0
                corner = first[v]
                while corner >= 0:
                    w = faces[corner // 3, (corner % 3 + 1) % 3]
                    touched[w] = sweep
                    wait[w] = 0.0
                    corner = following[corner]
                collapsed += 1
                break
            if not gone[u]:
                wait[u] = least
        live -= collapsed
        if sweep > len(_RAMP) and collapsed * 100 < live:
            break
    return gone, dead
