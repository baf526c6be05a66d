"""Position and appearance of synapses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.tissue import Tissue
from voxome.geometry import Box

SEARCH_NM = 45.0
"""Maximum distance of a synapse from the middle of its grid cell, along each axis."""
BALL_NM = 70.0
"""Radius around a contact in which most voxels must belong to the two neurons."""
CLOUD_NM = 160.0
"""Radius of the cloud of vesicles around a synapse."""
DENSITY, CLEFT, CLOUD, BARE = 1, 2, 4, 8
"""Bits of a mark: presynaptic density, thickened membrane, cloud of vesicles, no mitochondrion."""


@dataclass(frozen=True)
class Site:
    """Synapse, before neurons are numbered.

    Attributes
    ----------
    centre_nm : (z, y, x)
        Middle of the contact, on the membrane.
    normal : (z, y, x)
        Unit vector from the presynaptic to the postsynaptic side.
    pre_voxel, post_voxel : (z, y, x)
        A voxel of each of the two neurons.
    pre_key, post_key : int
        Keys of the two neurons.
    """

    centre_nm: tuple[float, float, float]
    normal: tuple[float, float, float]
    pre_voxel: tuple[int, int, int]
    post_voxel: tuple[int, int, int]
    pre_key: int
    post_key: int


def synapse_sites(spec: PhantomSpec, box: Box, tissue: Tissue | None = None) -> list[Site]:
    """Return all synapses that may extend into a box.

    In each grid cell, the best contact near the middle is chosen: two neurons that share most of a small ball, of which
    the one with more voxels is presynaptic. Synapses are therefore at least the pitch minus twice the search distance
    apart.

    Parameters
    ----------
    spec : PhantomSpec
        Phantom; synapses keep a distance from the faces of its domain.
    box : Box
        Box (z, y, x).
    tissue : Tissue, optional
        Tissue that covers the box grown by `reach_voxels`, if already computed.
    """
    around = box.grow(reach_voxels(spec))
    tissue = Tissue.around(spec, around) if tissue is None else tissue
    sites = (_site_in(spec, tissue, middle) for middle in _middles(spec, around))
    return [site for site in sites if site is not None]


def reach_voxels(spec: PhantomSpec) -> tuple[int, int, int]:
    """Return the distance from the middle of a cell within which its synapse may affect or read voxels."""
    z, y, x = (math.ceil((SEARCH_NM + CLOUD_NM) / v) + 1 for v in spec.voxel_size_nm)
    return z, y, x


def _middles(spec: PhantomSpec, box: Box) -> Iterator[tuple[int, int, int]]:
    size = np.array(spec.voxel_size_nm)
    margin = np.ceil((SEARCH_NM + BALL_NM) / size).astype(int) + 1
    inside = box & spec.domain
    pitch = spec.synapse_pitch_nm / size
    ranges = []
    for axis in range(3):
        low = max(inside.start[axis], int(margin[axis]))
        high = min(inside.stop[axis], spec.shape[axis] - int(margin[axis]))
        cells = range(math.floor(low / pitch[axis]) - 1, math.floor(high / pitch[axis]) + 2)
        positions = (round((c + 0.5) * pitch[axis]) for c in cells)
        ranges.append([p for p in positions if low <= p < high])
    yield from itertools.product(*ranges)


def _site_in(spec: PhantomSpec, tissue: Tissue, middle: tuple[int, int, int]) -> Site | None:
    size = np.array(spec.voxel_size_nm)
    search = np.maximum(SEARCH_NM // size, 1).astype(np.int64)
    ball = np.ceil(BALL_NM / size).astype(np.int64) + 1
    start = np.array(middle) - search - ball
    patch = Box.of_shape((2 * (search + ball) + 1).tolist(), start.tolist())
    keys = tissue.keys_before_cleaning(patch)
    best = _best_contact(keys, ball, size)
    if best[0] <= 0.0:
        return None
    at, normal = np.array(best[1:4]) + start, np.array(best[4:7])
    pre = np.rint(at - normal * 30.0 / size).astype(int)
    post = np.rint(at + normal * 15.0 / size).astype(int)
    pre_key, post_key = tissue.key_at(pre), tissue.key_at(post)
    if pre_key == post_key:
        return None
    return Site(_triple(at * size), _triple(normal), _triple(pre), _triple(post), pre_key, post_key)


def _triple(values: NDArray[Any]) -> Any:
    z, y, x = values.tolist()
    return z, y, x


@njit(cache=True)
def _best_contact(
    keys: NDArray[np.uint64], margin: NDArray[np.int64], size: NDArray[np.float64]
) -> tuple[float, float, float, float, float, float, float]:
    """Return (score, position in voxels, normal) of the best contact, `margin` from the faces of a patch."""
    best = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    nz, ny, nx = keys.shape
    for z in range(margin[0], nz - margin[0]):
        for y in range(margin[1], ny - margin[1]):
            for x in range(margin[2], nx - margin[2]):
                if (z + y + x) % 2:
                    continue
                for axis in range(3):
                    z2, y2, x2 = z + (axis == 0), y + (axis == 1), x + (axis == 2)
                    if keys[z, y, x] != keys[z2, y2, x2]:
                        contact = _score_contact(keys, margin, size, 0.5 * (z + z2), 0.5 * (y + y2), 0.5 * (x + x2),
                                         keys[z, y, x], keys[z2, y2, x2])  # fmt: skip
                        if contact[0] > best[0]:
                            best = contact
    return best


@njit(cache=True)
def _score_contact(
    keys: NDArray[np.uint64], margin: NDArray[np.int64], size: NDArray[np.float64],
    z: float, y: float, x: float, first: np.uint64, second: np.uint64,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """Score a contact by the fraction of the ball in the two neurons, and in the smaller one."""
    count = np.zeros(2)
    moment = np.zeros((2, 3))
    total = 0.0
    for i in range(math.ceil(z - margin[0]), math.floor(z + margin[0]) + 1):
        for j in range(math.ceil(y - margin[1]), math.floor(y + margin[1]) + 1):
            for k in range(math.ceil(x - margin[2]), math.floor(x + margin[2]) + 1):
                dz, dy, dx = (i - z) * size[0], (j - y) * size[1], (k - x) * size[2]
                if dz * dz + dy * dy + dx * dx > BALL_NM * BALL_NM:
                    continue
                total += 1.0
                side = 0 if keys[i, j, k] == first else 1 if keys[i, j, k] == second else 2
                if side < 2:
                    count[side] += 1.0
                    moment[side, 0] += dz
                    moment[side, 1] += dy
                    moment[side, 2] += dx
    both, less = (count[0] + count[1]) / total, min(count[0], count[1]) / total
    if both < 0.8 or less < 0.2:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    pre = 0 if count[0] >= count[1] else 1
    n = moment[1 - pre] / count[1 - pre] - moment[pre] / count[pre]
    length = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9
    return both + less, z, y, x, n[0] / length, n[1] / length, n[2] / length


@njit(cache=True)
def mark_site(
    marks: NDArray[np.uint8], keys: NDArray[np.uint64], start: NDArray[np.int64], size: NDArray[np.float64],
    centre: tuple[float, float, float], normal: tuple[float, float, float], pre: np.uint64, post: np.uint64,
) -> None:  # fmt: skip
    """Mark the voxels of one synapse in a block that starts at `start`: a T-bar and a thickened membrane.

    The T-bar has a pedestal of 35 nm radius on the membrane, and a platform of 45 nm radius at a depth of 25 to 65 nm.
    """
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for a in range(3):
        low[a] = max(0, math.ceil((centre[a] - CLOUD_NM) / size[a]) - start[a])
        high[a] = min(keys.shape[a], math.floor((centre[a] + CLOUD_NM) / size[a]) - start[a] + 1)
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            for x in range(low[2], high[2]):
                dz = (start[0] + z) * size[0] - centre[0]
                dy = (start[1] + y) * size[1] - centre[1]
                dx = (start[2] + x) * size[2] - centre[2]
                square = dz * dz + dy * dy + dx * dx
                if square > CLOUD_NM * CLOUD_NM:
                    continue
                depth = -(dz * normal[0] + dy * normal[1] + dx * normal[2])
                across = math.sqrt(max(square - depth * depth, 0.0))
                if keys[z, y, x] == pre:
                    marks[z, y, x] |= CLOUD | BARE
                    if (-10 <= depth < 25 and across <= 35) or (25 <= depth <= 65 and across <= 45):
                        marks[z, y, x] |= DENSITY
                    elif depth < 15 and across <= 50:
                        marks[z, y, x] |= CLEFT
                elif keys[z, y, x] == post:
                    if square < 120.0**2:
                        marks[z, y, x] |= BARE
                    if -22 <= depth < 15 and across <= 50:
                        marks[z, y, x] |= CLEFT
