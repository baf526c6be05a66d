"""Geometry of the vessels: a network of tubes that fills space, as a function of seed and position.

Nodes are those of a cubic lattice, shifted at random. Trunks run through the nodes along one axis; every node has at
most one lateral vessel to a neighbouring trunk, which is drawn as complete, blind or absent. So three vessels meet at a
branch point, and trunks and laterals close loops. The lattice is turned at random, and centre lines are smooth (Bezier
curves).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voxome.data.hashing import mix, uniform

PITCH_UM = 52.0
"""Distance between trunks, and between nodes along a trunk."""
STEPS = 128
"""Segments of a centre line."""
MAX_RADIUS_UM = 7.0
TRUNK, LATERAL = 0, 1
_JITTER = 0.15
_BEND = 0.12
_BLIND_END = 0.55
"""Fraction of the way to the neighbouring trunk at which blind vessels end."""
_COMPLETE, _BLIND = 0.8, 0.87


class Vessels(NamedTuple):
    """Vessels between neighbouring nodes.

    Attributes
    ----------
    edges : (n, 5) int64
        Lattice position (3 numbers) of the first node, `TRUNK` or `LATERAL`, and whether the vessel ends blindly.
    ends : (n, 3) int64
        Lattice position of the second node.
    lines : (n, STEPS + 1, 4) float64
        Centre lines: z, y, x and radius, in micrometres.
    """

    edges: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.float64]


class Lattice(NamedTuple):
    """Lattice of the nodes.

    Attributes
    ----------
    key : uint64
        Initial value of every hash.
    frame : (3, 3) float64
        Axes of the lattice, as rows; the first is that of the trunks.
    """

    key: np.uint64
    frame: NDArray[np.float64]


def draw_lattice(key: np.uint64) -> Lattice:
    """Draw the lattice of a seed."""
    rng = np.random.default_rng(int(key))
    return Lattice(np.uint64(mix(key, 501)), np.ascontiguousarray(np.linalg.qr(rng.normal(size=(3, 3)))[0]))


def lattice_range(
    lattice: Lattice, low_um: NDArray[np.float64], high_um: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last lattice position whose vessels may extend into a region."""
    corners = np.array(list(itertools.product(*zip(low_um, high_um, strict=True)))) @ lattice.frame.T / PITCH_UM
    slack = 1.0 + 2.0 * _JITTER + _BEND + MAX_RADIUS_UM / PITCH_UM
    first, last = np.floor(corners.min(axis=0) - slack), np.ceil(corners.max(axis=0) + slack)
    return first.astype(np.int64), last.astype(np.int64)


def vessels_in(lattice: Lattice, low_um: NDArray[np.float64], high_um: NDArray[np.float64]) -> Vessels:
    """Return the vessels that may extend into a region, in the order of their lattice positions."""
    return Vessels(*_vessels(lattice, *lattice_range(lattice, low_um, high_um), low_um, high_um))


@njit(cache=True)
def _place_node(lattice: Lattice, i: int, j: int, k: int, out: NDArray[np.float64]) -> np.uint64:
    """Fill the position (z, y, x) of a node in micrometres; return its hash."""
    h = mix(mix(mix(lattice.key, i), j), k)
    a = (i + 2.0 * _JITTER * (uniform(h, 1) - 0.5)) * PITCH_UM
    b = (j + 2.0 * _JITTER * (uniform(h, 2) - 0.5)) * PITCH_UM
    c = (k + 2.0 * _JITTER * (uniform(h, 3) - 0.5)) * PITCH_UM
    for n in range(3):
        out[n] = lattice.frame[0, n] * a + lattice.frame[1, n] * b + lattice.frame[2, n] * c
    return h


@njit(cache=True)
def _trunk_radius(lattice: Lattice, h: np.uint64, j: int, k: int) -> float:
    """Return the radius of a trunk at a node; most trunks are capillaries."""
    wide = uniform(mix(mix(mix(lattice.key, 502), j), k), 0)
    return (2.6 + 3.7 * wide * wide * wide) * (0.9 + 0.2 * uniform(h, 4))


@njit(cache=True)
def _lateral(i: int, j: int, k: int) -> int:
    """Return the axis (1 or 2) along which a node is the first one of a lateral vessel, or 0."""
    side, shift = 1 + i % 2, (i // 2) % 2
    return side if ((j if side == 1 else k) + shift) % 2 == 0 else 0


@njit(cache=True)
def _control_points(lattice: Lattice, i: int, j: int, k: int, kind: int, out: NDArray[np.float64]) -> np.uint64:
    """Fill the four control points (z, y, x, radius) of a vessel; return its hash."""
    dj = 1 if kind == LATERAL and _lateral(i, j, k) == 1 else 0
    dk = 1 if kind == LATERAL and _lateral(i, j, k) == 2 else 0
    h = _place_node(lattice, i, j, k, out[0])
    far = _place_node(lattice, i + (1 if kind == TRUNK else 0), j + dj, k + dk, out[3])
    edge = mix(h, 20 + kind)
    if kind == TRUNK:
        before, after = np.empty(3), np.empty(3)
        _place_node(lattice, i - 1, j, k, before)
        _place_node(lattice, i + 2, j, k, after)
        for a in range(3):
            out[1, a] = out[0, a] + (out[3, a] - before[a]) / 6.0
            out[2, a] = out[3, a] - (after[a] - out[0, a]) / 6.0
        out[0, 3] = _trunk_radius(lattice, h, j, k)
        out[3, 3] = _trunk_radius(lattice, far, j, k)
    else:
        for a in range(3):
            d = (out[3, a] - out[0, a]) / 3.0
            out[1, a] = out[0, a] + d + 2.0 * _BEND * PITCH_UM * (uniform(edge, a) - 0.5)
            out[2, a] = out[3, a] - d + 2.0 * _BEND * PITCH_UM * (uniform(edge, 3 + a) - 0.5)
        out[0, 3] = out[3, 3] = 2.2 + 0.8 * uniform(edge, 6)
    out[1, 3] = (2.0 * out[0, 3] + out[3, 3]) / 3.0
    out[2, 3] = (out[0, 3] + 2.0 * out[3, 3]) / 3.0
    return edge


@njit(cache=True)
def _is_near(points: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    radius = max(points[0, 3], points[3, 3])
    for a in range(3):  # noqa: SIM110 (numba compiles no generators)
        if points[:, a].max() + radius < low[a] or points[:, a].min() - radius > high[a]:
            return False
    return True


@njit(cache=True)
def _vessels(
    lattice: Lattice, first: NDArray[np.int64], last: NDArray[np.int64],
    low: NDArray[np.float64], high: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    points = np.empty((4, 4))
    found = []
    for i in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            for k in range(first[2], last[2] + 1):
                for kind in range(2):
                    if kind == LATERAL and _lateral(i, j, k) == 0:
                        continue
                    edge = _control_points(lattice, i, j, k, kind, points)
                    share = uniform(edge, 7)
                    if _is_near(points, low, high) and (kind == TRUNK or share < _BLIND):
                        found.append((i, j, k, kind, 1 if kind == LATERAL and share >= _COMPLETE else 0))
    edges, ends = np.empty((len(found), 5), np.int64), np.empty((len(found), 3), np.int64)
    lines = np.empty((len(found), STEPS + 1, 4))
    for n, (i, j, k, kind, blind) in enumerate(found):
        edges[n, 0], edges[n, 1], edges[n, 2], edges[n, 3], edges[n, 4] = i, j, k, kind, blind
        side = _lateral(i, j, k)
        ends[n, 0] = i + (1 if kind == TRUNK else 0)
        ends[n, 1] = j + (1 if kind == LATERAL and side == 1 else 0)
        ends[n, 2] = k + (1 if kind == LATERAL and side == 2 else 0)
        _control_points(lattice, i, j, k, kind, points)
        for s in range(STEPS + 1):
            t = s / STEPS * (_BLIND_END if blind else 1.0)
            u = 1.0 - t
            for a in range(4):
                lines[n, s, a] = (
                    u * u * u * points[0, a] + 3.0 * u * u * t * points[1, a]
                    + 3.0 * u * t * t * points[2, a] + t * t * t * points[3, a]
                )  # fmt: skip
    return edges, ends, lines
