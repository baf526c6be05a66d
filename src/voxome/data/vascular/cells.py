"""Placement of cells, as a function of seed and position.

Cells are added in rounds. A candidate is kept if it overlaps no cell of earlier rounds, no vessel and no candidate of
its round with a higher priority, kept or not (Matérn's second hard-core process, 1960). Whether a cell is kept depends
therefore on a neighbourhood of limited size only. In the last round of dense tissue, candidates touch a cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.data.hashing import mix, uniform
from voxome.data.vascular.ellipsoids import contact_scale, covariance, overlapping
from voxome.data.vascular.network import TRUNK, Lattice, vessels_in

MIN_DIAMETER_UM, MAX_DIAMETER_UM = 13 * 0.65, 29 * 0.65
"""Diameters of cells in X-ray volumes of mouse cortex (Dyer et al. 2017): 13 to 29 voxels, on average 21.5."""
_SKEW = 0.76
"""Power that sets the mean diameter; large cells are kept less often."""
_STRETCH = 0.12
"""Largest logarithm of the ratio of a semi-axis to the radius, of two of the axes."""
MAX_REACH_UM = 0.5 * MAX_DIAMETER_UM * math.exp(2 * _STRETCH)
_GAP_UM = 1.5
"""Smallest distance of a cell to a vessel."""
_TOUCHING = 0.9
"""Fraction of cells beside which there is a candidate that touches them."""
_PITCHES_UM: dict[str, tuple[float, ...]] = {"dense": (19.0, 19.0, 19.0, 19.0), "sparse": (75.0,)}
"""Density → grid spacing of the candidates of every round."""


class Cells(NamedTuple):
    """Ellipsoidal cells.

    Attributes
    ----------
    keys : (n,) uint64
        Hashes.
    centres : (n, 3) float64
        Centres (z, y, x) in micrometres.
    radii, reaches : (n,) float64
        Radius of the sphere of the same volume, and largest semi-axis, in micrometres.
    covariances : (n, 3, 3) float64
        Matrices of the ellipsoids; see `ellipsoids.covariance`.
    """

    keys: NDArray[np.uint64]
    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    reaches: NDArray[np.float64]
    covariances: NDArray[np.float64]

    def take(self, chosen: NDArray[Any]) -> Cells:
        """Return some of the cells."""
        return Cells(
            self.keys[chosen],
            self.centres[chosen],
            self.radii[chosen],
            self.reaches[chosen],
            self.covariances[chosen],
        )

    def inside(self, low_um: NDArray[np.float64], high_um: NDArray[np.float64]) -> Cells:
        """Return the cells whose centre is in a region."""
        return self.take(np.all((self.centres >= low_um) & (self.centres < high_um), axis=1))

    @classmethod
    def concatenate(cls, parts: Sequence[Cells]) -> Cells:
        """Return the cells of several parts."""
        columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return cls(*columns)


def cells_in(
    key: np.uint64, density: str, lattice: Lattice, low_um: NDArray[np.float64], high_um: NDArray[np.float64]
) -> Cells:
    """Return the cells whose centre is in a region, whatever the region, sorted by z, y, x."""
    pitches, reach = _PITCHES_UM[density], 2.0 * MAX_REACH_UM
    rounds = len(pitches) + (density == "dense")
    free = _Free(lattice, low_um - rounds * reach, high_um + rounds * reach)
    kept = _candidates(np.uint64(0), 1.0, low_um, low_um)
    for number, pitch in enumerate(pitches):
        margin = (rounds - number) * reach
        low, high = low_um - margin, high_um + margin
        offered = _candidates(np.uint64(mix(key, 601 + number)), pitch, low, high)
        kept = _add(kept, free.of(offered))
    if density == "dense":
        kept = _add(kept, free.of(_touching(kept, np.uint64(mix(key, 600)))))
    inner = kept.inside(low_um, high_um)
    return inner.take(np.lexsort(inner.centres.T[::-1]))


class _Free:
    """The space between the vessels of a region."""

    def __init__(self, lattice: Lattice, low_um: NDArray[np.float64], high_um: NDArray[np.float64]) -> None:
        margin = 2.0 * MAX_REACH_UM + _GAP_UM
        vessels = vessels_in(lattice, low_um - margin, high_um + margin)
        kinds = vessels.edges[:, 3] == TRUNK
        self.lines = [lines.reshape(-1, 4) for lines in (vessels.lines[kinds], vessels.lines[~kinds]) if len(lines)]
        self.trees = [KDTree(lines[:, :3]) for lines in self.lines]

    def of(self, cells: Cells) -> Cells:
        """Return the cells outside all vessels."""
        free = np.ones(len(cells.keys), bool)
        for lines, tree in zip(self.lines, self.trees, strict=True):
            distance, nearest = tree.query(cells.centres)
            free &= distance > lines[nearest, 3] + cells.reaches + _GAP_UM
        return cells.take(free)


def _add(kept: Cells, offered: Cells) -> Cells:
    """Return `kept`, and those of `offered` that overlap none of them and none of `offered` with a higher key."""
    both = Cells.concatenate([kept, offered])
    if not len(offered.keys):
        return both
    pairs = KDTree(both.centres).query_pairs(2.0 * MAX_REACH_UM, output_type="ndarray").astype(np.int64)
    pairs = pairs[overlapping(pairs, both.centres, both.reaches, both.covariances)]
    old = len(kept.keys)
    keep = np.ones(len(both.keys), bool)
    first, second = pairs[:, 0], pairs[:, 1]  # first < second: of a kept and an offered cell, the kept one is first
    keep[second[(second >= old) & (first < old)]] = False
    first, second = pairs[first >= old].T
    keep[np.where(both.keys[first] < both.keys[second], first, second)] = False
    return both.take(keep)


def _candidates(key: np.uint64, pitch: float, low_um: NDArray[np.float64], high_um: NDArray[np.float64]) -> Cells:
    """Return one candidate for each cell of a grid, with centres in a region."""
    first = np.floor(low_um / pitch).astype(np.int64)
    count = np.maximum(np.ceil(high_um / pitch).astype(np.int64) - first, 0)
    return Cells(*_draw(key, pitch, first, count)).inside(low_um, high_um)


def _touching(cells: Cells, salt: np.uint64) -> Cells:
    """Return candidates that touch some of the cells."""
    new = Cells(*_draw_beside(cells.keys, cells.centres, cells.covariances, salt))
    return new.take(new.radii > 0)


@njit(cache=True)
def _draw_shape(h: np.uint64, semi_axes: NDArray[np.float64], matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Fill the matrix of the cell with a hash; return its radius and reach."""
    mean = (uniform(h, 1) + uniform(h, 2) + uniform(h, 3)) / 3.0
    radius = 0.5 * (MIN_DIAMETER_UM + (MAX_DIAMETER_UM - MIN_DIAMETER_UM) * mean**_SKEW)
    a, b = _STRETCH * (2.0 * uniform(h, 4) - 1.0), _STRETCH * (2.0 * uniform(h, 5) - 1.0)
    semi_axes[0], semi_axes[1], semi_axes[2] = (
        radius * math.exp(a), radius * math.exp(b), radius * math.exp(-a - b),
    )  # fmt: skip
    turn = np.empty(4)
    u, v, w = uniform(h, 6), 2.0 * math.pi * uniform(h, 7), 2.0 * math.pi * uniform(h, 8)
    turn[0], turn[1] = math.sqrt(1.0 - u) * math.sin(v), math.sqrt(1.0 - u) * math.cos(v)
    turn[2], turn[3] = math.sqrt(u) * math.sin(w), math.sqrt(u) * math.cos(w)
    covariance(semi_axes, turn, matrix)
    return radius, semi_axes.max()


@njit(cache=True)
def _draw(
    key: np.uint64, pitch: float, first: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n = count[0] * count[1] * count[2]
    keys, centres, matrices = np.empty(n, np.uint64), np.empty((n, 3)), np.empty((n, 3, 3))
    radii, reaches, semi_axes = np.empty(n), np.empty(n), np.empty(3)
    m = 0
    for i in range(first[0], first[0] + count[0]):
        for j in range(first[1], first[1] + count[1]):
            for k in range(first[2], first[2] + count[2]):
                h = mix(mix(mix(key, i), j), k)
                keys[m] = h
                centres[m, 0] = (i + uniform(h, 11)) * pitch
                centres[m, 1] = (j + uniform(h, 12)) * pitch
                centres[m, 2] = (k + uniform(h, 13)) * pitch
                radii[m], reaches[m] = _draw_shape(h, semi_axes, matrices[m])
                m += 1
    return keys, centres, radii, reaches, matrices


@njit(cache=True)
def _draw_beside(
    parents: NDArray[np.uint64], places: NDArray[np.float64], covariances: NDArray[np.float64], salt: np.uint64
) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Draw a cell that touches each parent; its radius is 0 where there is none."""
    n = len(parents)
    keys, centres, matrices = np.empty(n, np.uint64), np.empty((n, 3)), np.empty((n, 3, 3))
    radii, reaches, semi_axes, d = np.zeros(n), np.zeros(n), np.empty(3), np.empty(3)
    for m in range(n):
        h = mix(parents[m], np.int64(salt >> np.uint64(1)))
        keys[m] = h
        centres[m] = places[m]
        matrices[m] = covariances[m]
        if uniform(h, 21) >= _TOUCHING:
            continue
        radii[m], reaches[m] = _draw_shape(h, semi_axes, matrices[m])
        d[0] = 2.0 * uniform(h, 22) - 1.0
        turn = 2.0 * math.pi * uniform(h, 23)
        d[1], d[2] = math.sqrt(1.0 - d[0] * d[0]) * math.cos(turn), math.sqrt(1.0 - d[0] * d[0]) * math.sin(turn)
        distance = 1.000001 / contact_scale(covariances[m], matrices[m], d)
        for a in range(3):
            centres[m, a] = places[m, a] + distance * d[a]
    return keys, centres, radii, reaches, matrices
