"""Geometry of the tissue: the neurite at any point.

Tissue is generated in reverse. A point is mapped through a chain of continuous functions: a smooth warp and then, for
each family of thick tubes, the removal of the tubes, where a point inside a tube belongs to it, and the material around
it closes the gap radially. What remains is a woven grid of thin rods that fills space. Tubes of one family are parallel
and never meet, so nothing is ever cut: every neurite stays connected, thin ones bend around thick ones and are
flattened by them, and the cost of a point does not depend on the size of the volume.

The kernels are compiled without numba's reference counting (`_nrt=False`), because counting the arrays in the tuples
that they pass would take five times as long as the work. They must therefore not allocate arrays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voxome.data.hashing import mix, normal, uniform
from voxome.data.phantom.plan import Plan

ROD_RADIUS = 0.3
"""Radius that is certainly inside a rod, in pitches; the rods fill space."""


@njit(cache=True)
def warp(plan: Plan, z: float, y: float, x: float) -> tuple[float, float, float]:
    """Return the displacement of a point (nm) by a sum of sine waves."""
    dz = dy = dx = 0.0
    for i in range(plan.wave_phases.size):
        k = plan.wave_vectors[i]
        s = math.sin(k[0] * z + k[1] * y + k[2] * x + plan.wave_phases[i])
        dz += s * plan.wave_amplitudes[i, 0]
        dy += s * plan.wave_amplitudes[i, 1]
        dx += s * plan.wave_amplitudes[i, 2]
    return dz, dy, dx


class TubeCache(NamedTuple):
    """Values computed for the last point, for each family; neighbouring points mostly share them.

    Attributes
    ----------
    cells : (families, 4) int64
        Grid position (two numbers), segment and knot of the tube.
    numbers : (families, 8) float64
        Axis (two), cosine and sine of its turn, flatness, radius at the knot and the next one, position of the segment.
    tubes : (families,) uint64
        Keys; 0 without a tube.
    rod_cells : (3, 2) int64
        Grid cells of the rods.
    rod_numbers : (3, 4, 3) float64
        Axis and weight of the rods at the corners of the cell.
    rods : (3, 4) uint64
        Keys of the rods.
    """

    cells: NDArray[np.int64]
    numbers: NDArray[np.float64]
    tubes: NDArray[np.uint64]
    rod_cells: NDArray[np.int64]
    rod_numbers: NDArray[np.float64]
    rods: NDArray[np.uint64]


@njit(cache=True)
def new_cache(plan: Plan) -> TubeCache:
    """Return an empty cache."""
    n = plan.pitches.size
    return TubeCache(
        np.full((n, 4), -(1 << 40)), np.zeros((n, 8)), np.zeros(n, np.uint64),
        np.full((3, 2), -(1 << 40)), np.zeros((3, 4, 3)), np.zeros((3, 4), np.uint64),
    )  # fmt: skip


@njit(cache=True)
def tube_key(plan: Plan, family: int, i: int, j: int) -> np.uint64:
    """Hash a line of tubes by its family and grid position."""
    return mix(mix(mix(mix(plan.key, 101), family), i), j)


@njit(cache=True)
def axis_of(plan: Plan, family: int, line: np.uint64, i: int, j: int) -> tuple[float, float]:
    """Return the position of the axis of a line of tubes in the plane across it (nm)."""
    v = (i + 0.5) * plan.pitches[family] + (2.0 * uniform(line, 4) - 1.0) * plan.jitters[family]
    w = (j + 0.5) * plan.pitches[family] + (2.0 * uniform(line, 5) - 1.0) * plan.jitters[family]
    return v, w


@njit(cache=True, _nrt=False)
def _reach(plan: Plan, family: int) -> float:
    return 0.5 * plan.pitches[family] - plan.jitters[family]


@njit(cache=True)
def _radius_at(plan: Plan, family: int, line: np.uint64, tube: np.uint64, knot: int) -> float:
    spread = 0.75 * normal(tube, 2) + 0.6 * normal(line, 1000 + knot)
    return min(plan.radii[family] * math.exp(plan.spreads[family] * spread), 0.46 * _reach(plan, family))


@njit(cache=True, _nrt=False)
def nearest_tube(plan: Plan, cache: TubeCache, family: int, t: float, v: float, w: float) -> float:
    """Find the tube nearest to a point and cache it; return its radius (nm) there, or 0 without a tube.

    The radius of tubes varies along their length, and their ends are round.
    """
    cells, numbers = cache.cells, cache.numbers
    i, j = math.floor(v / plan.pitches[family]), math.floor(w / plan.pitches[family])
    knots = t / (1.5 * plan.radii[family] + 250.0)
    knot = math.floor(knots)
    if cells[family, 0] != i or cells[family, 1] != j:
        line = tube_key(plan, family, i, j)
        numbers[family, 0], numbers[family, 1] = axis_of(plan, family, line, i, j)
        numbers[family, 7] = uniform(line, 3)
    position = t / plan.lengths[family] + numbers[family, 7]
    segment = math.floor(position)
    if cells[family, 0] != i or cells[family, 1] != j or cells[family, 2] != segment or cells[family, 3] != knot:
        line = tube_key(plan, family, i, j)
        tube = mix(line, segment)
        cells[family, 0], cells[family, 1], cells[family, 2], cells[family, 3] = i, j, segment, knot
        cache.tubes[family] = tube if uniform(tube, 1) < plan.presences[family] else np.uint64(0)
        turn = 6.283 * uniform(tube, 6)
        numbers[family, 2], numbers[family, 3] = math.cos(turn), math.sin(turn)
        numbers[family, 4] = 1.0 + 0.25 * uniform(tube, 8)
        numbers[family, 5] = _radius_at(plan, family, line, tube, knot)
        numbers[family, 6] = _radius_at(plan, family, line, tube, knot + 1)
    if cache.tubes[family] == 0:
        return 0.0
    f = knots - knot
    f = f * f * (3.0 - 2.0 * f)
    end = 2.0 * (position - segment) - 1.0
    end *= end
    end *= end
    return ((1.0 - f) * numbers[family, 5] + f * numbers[family, 6]) * math.sqrt(max(1.0 - end * end, 0.0))


@njit(cache=True, _nrt=False)
def _closest_rod(plan: Plan, cache: TubeCache, p: tuple[float, float, float]) -> tuple[np.uint64, float, float, float]:
    """Return the key of the nearest rod, and the position across it (two numbers) and along it, in pitches."""
    pitch = plan.rod_pitch
    best, best_key, best_v, best_w, best_t = 1e30, np.uint64(0), 0.0, 0.0, 0.0
    for family in range(3):
        t, v, w = p[family] / pitch, p[(family + 1) % 3] / pitch, p[(family + 2) % 3] / pitch - 0.5
        i, j = math.floor(v), math.floor(w)
        if cache.rod_cells[family, 0] != i or cache.rod_cells[family, 1] != j:
            cache.rod_cells[family, 0], cache.rod_cells[family, 1] = i, j
            for c in range(4):
                key = mix(mix(mix(mix(plan.key, 202), family), i + (c >> 1)), j + (c & 1))
                cache.rods[family, c] = key
                cache.rod_numbers[family, c, 0] = i + (c >> 1) + 0.24 * (uniform(key, 1) - 0.5)
                cache.rod_numbers[family, c, 1] = j + (c & 1) + 0.24 * (uniform(key, 2) - 0.5)
                cache.rod_numbers[family, c, 2] = 0.2 * (uniform(key, 3) - 0.5)
        for c in range(4):
            dv, dw = v - cache.rod_numbers[family, c, 0], w - cache.rod_numbers[family, c, 1]
            d = math.sqrt(dv * dv + dw * dw) - cache.rod_numbers[family, c, 2]
            if d < best:
                best, best_key, best_v, best_w, best_t = d, cache.rods[family, c], dv, dw, t
    return best_key, best_v, best_w, best_t


@njit(cache=True, _nrt=False)
def locate(
    plan: Plan, cache: TubeCache, first: int, z: float, y: float, x: float
) -> tuple[np.uint64, float, float, float, float, int]:
    """Find the neurite at a warped point (nm), through the families from `first` on.

    Returns the key of the neurite, its radius (nm), the position across it (two numbers, relative to the radius) and
    along it (nm), and its family (the number of families for a rod).
    """
    frames, numbers = plan.frames, cache.numbers
    for family in range(first, plan.pitches.size):
        e = family
        t = frames[e, 0, 0] * z + frames[e, 0, 1] * y + frames[e, 0, 2] * x
        v = frames[e, 1, 0] * z + frames[e, 1, 1] * y + frames[e, 1, 2] * x
        w = frames[e, 2, 0] * z + frames[e, 2, 1] * y + frames[e, 2, 2] * x
        radius = nearest_tube(plan, cache, family, t, v, w)
        if radius <= 0.0:
            continue
        dv, dw = v - numbers[family, 0], w - numbers[family, 1]
        a = (numbers[family, 2] * dv + numbers[family, 3] * dw) / numbers[family, 4]
        b = (numbers[family, 2] * dw - numbers[family, 3] * dv) * numbers[family, 4]
        d = math.sqrt(a * a + b * b)
        if d < radius:
            return cache.tubes[family], radius, a / radius, b / radius, t, family
        reach = _reach(plan, family) / numbers[family, 4]
        if d < reach:
            g = reach * (d - radius) / (reach - radius) / d - 1.0
            dv, dw = dv * g, dw * g
            z += frames[e, 1, 0] * dv + frames[e, 2, 0] * dw
            y += frames[e, 1, 1] * dv + frames[e, 2, 1] * dw
            x += frames[e, 1, 2] * dv + frames[e, 2, 2] * dw
    e = plan.pitches.size
    q = (
        frames[e, 0, 0] * z + frames[e, 0, 1] * y + frames[e, 0, 2] * x,
        frames[e, 1, 0] * z + frames[e, 1, 1] * y + frames[e, 1, 2] * x,
        frames[e, 2, 0] * z + frames[e, 2, 1] * y + frames[e, 2, 2] * x,
    )
    rod, a, b, t = _closest_rod(plan, cache, q)
    t *= plan.rod_pitch
    rod = mix(rod, math.floor(t / plan.rod_length + uniform(rod, 4)))
    return rod, ROD_RADIUS * plan.rod_pitch, a / ROD_RADIUS, b / ROD_RADIUS, t, plan.pitches.size


@njit(cache=True)
def locate_box(
    plan: Plan, start: NDArray[np.int64], shape: tuple[int, int, int], voxel_nm: NDArray[np.float64],
    keys: NDArray[np.uint64], tubes: NDArray[np.float32],
) -> None:  # fmt: skip
    """Find the neurite at every voxel of a box; the warp is exact every 4 voxels and linear in between.

    `keys` (z, y, x) receives the neurites, `tubes` (z, y, x, 4) the radius and the position across and along, see
    `locate`.
    """
    cache = new_cache(plan)
    first = np.empty(3, np.int64)
    count = np.empty(3, np.int64)
    for a in range(3):
        first[a] = math.floor(start[a] / 4)
        count[a] = math.floor((start[a] + shape[a] - 1) / 4) + 2 - first[a]
    shifts = np.empty((count[0], count[1], count[2], 3), np.float64)
    for i in range(count[0]):
        for j in range(count[1]):
            for k in range(count[2]):
                shifts[i, j, k] = warp(
                    plan,
                    (first[0] + i) * 4 * voxel_nm[0],
                    (first[1] + j) * 4 * voxel_nm[1],
                    (first[2] + k) * 4 * voxel_nm[2],
                )
    for z in range(shape[0]):
        i = (start[0] + z) // 4 - first[0]
        fz = (start[0] + z) % 4 * 0.25
        for y in range(shape[1]):
            j = (start[1] + y) // 4 - first[1]
            fy = (start[1] + y) % 4 * 0.25
            for x in range(shape[2]):
                k = (start[2] + x) // 4 - first[2]
                fx = (start[2] + x) % 4 * 0.25
                p0 = p1 = p2 = 0.0
                for c in range(8):
                    u, v, w = c >> 2, c >> 1 & 1, c & 1
                    f = (fz if u else 1 - fz) * (fy if v else 1 - fy) * (fx if w else 1 - fx)
                    s = shifts[i + u, j + v, k + w]
                    p0 += f * s[0]
                    p1 += f * s[1]
                    p2 += f * s[2]
                p0 += (start[0] + z) * voxel_nm[0]
                p1 += (start[1] + y) * voxel_nm[1]
                p2 += (start[2] + x) * voxel_nm[2]
                key, radius, a, b, t, _ = locate(plan, cache, 0, p0, p1, p2)
                keys[z, y, x] = key
                tubes[z, y, x, 0] = radius
                tubes[z, y, x, 1] = a
                tubes[z, y, x, 2] = b
                tubes[z, y, x, 3] = t
