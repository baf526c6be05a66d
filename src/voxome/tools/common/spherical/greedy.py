"""Greedy selection of balls: the best one, then the best of what is left, and so on.

Sums only decrease while voxels are removed, so that the sum of a ball is computed again only when it is the largest
that is known (Minoux 1978, accelerated greedy algorithms). The order is total: sum by the root of the number of voxels,
which is the correlation with a normalised ball, then place, then the larger ball.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.balls import Runs
from voxome.tools.common.spherical.candidates import CERTAIN, Balls

_CURRENT, _STALE, _OUT, _UNDECIDED = 0, 1, 2, 3
"""States of a candidate: its sum is exact, may have decreased, or is too small, or it cannot be decided on."""


@dataclass(frozen=True)
class Selection:
    """The outcome of a search: balls that are certainly selected, and places of those that cannot be decided on.

    Attributes
    ----------
    selected : Balls
        In the order of their selection.
    undecided : (n,) int64
        Places, in C order, of candidates that depend on voxels that are not known.
    """

    selected: Balls
    undecided: NDArray[np.int64]


def select(
    values: NDArray[np.uint8],
    doubtful: NDArray[np.uint8],
    candidates: Balls,
    balls: Sequence[Runs],
    removed: Sequence[Runs],
    stop: float,
) -> Selection:
    """Select balls, and remove them from `values`.

    Parameters
    ----------
    values : (z, y, x) uint8
        Probabilities; selected balls are set to 0.
    doubtful : (z, y, x) uint8
        255 at voxels that balls which are no candidates here may remove, else 0; undecided balls are added.
    candidates : Balls
        All balls with a mean of at least `stop`, of the voxels of which all are known.
    balls, removed : sequence of (n, 3) int64
        For each size, the voxels of a ball, and those that it removes.
    stop : float
        Least mean of a ball when it is selected, as a fraction of certainty.

    Returns
    -------
    Selection
        What is selected is also selected if the voxels beyond are known, because a candidate that would remove a
        doubtful voxel is undecided, and makes all voxels that it may remove doubtful. So neither its own sum
        nor that of an undecided one that comes before it can change.
    """
    order = np.lexsort((-candidates.sizes, candidates.places))
    places, sizes, totals, counts = (
        column[order] for column in (candidates.places, candidates.sizes, candidates.totals, candidates.counts)
    )
    keys = totals / np.sqrt(counts)
    depth, height, width = values.shape
    ends = [np.cumsum([0, *(len(runs) for runs in group)]) for group in (balls, removed)]
    voxels = (np.concatenate(balls), ends[0], np.concatenate(removed), ends[1])
    reach = sum(np.abs(runs).max(axis=0) for runs in (voxels[0], voxels[2]))
    lines = np.searchsorted(places, np.arange(depth * height + 1) * width)
    queue = np.argsort(-keys, kind="stable")
    chosen, final, undecided = _select(
        values, doubtful, places, sizes, totals, counts, keys, queue, lines, *voxels, reach, stop * CERTAIN
    )
    selected = Balls(places[chosen], sizes[chosen], final, counts[chosen])
    return Selection(selected, np.unique(places[undecided]))


@numba.njit(cache=True, nogil=True)
def _select(
    values: NDArray[np.uint8],
    doubtful: NDArray[np.uint8],
    places: NDArray[np.int64],
    sizes: NDArray[np.int16],
    totals: NDArray[np.int32],
    counts: NDArray[np.int32],
    keys: NDArray[np.float64],
    queue: NDArray[np.int64],
    lines: NDArray[np.int64],
    balls: Runs,
    ball_ends: NDArray[np.int64],
    removed: Runs,
    removed_ends: NDArray[np.int64],
    reach: NDArray[np.int64],
    least: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the selected candidates, their sums, and the numbers of those that are undecided.

    Candidates are sorted by place, those of the line along x with the number i from ``lines[i]`` on, and `queue` has
    the best first. When a ball is selected, the sums of those with their centre in what it removes are computed at
    once: next to each other they are in the cache, and most of them are out then. Others nearby are stale.
    """
    heap = [(np.float64(0.0), np.int64(0), np.int64(0)) for _ in range(0)]
    chosen = [np.int64(0) for _ in range(0)]
    final = [np.int64(0) for _ in range(0)]
    undecided = [np.int64(0) for _ in range(0)]
    sums, state, known = _sum_lines(values), np.zeros(len(places), np.uint8), totals.copy()
    n, height, width = np.int64(0), values.shape[1], values.shape[2]
    while n < len(queue) or len(heap) > 0:
        fresh = bool(n < len(queue))
        if fresh and len(heap) > 0:
            fresh = bool((-keys[queue[n]], queue[n]) < (heap[0][0], heap[0][1]))
        if fresh:
            i = queue[n]
            n, total = n + 1, np.int64(known[i])
        else:
            _, i, total = heapq.heappop(heap)
        if state[i] == _OUT:
            continue
        z, y, x = places[i] // width // height, places[i] // width % height, places[i] % width
        if state[i] == _STALE:
            totals[i] = _sum_ball(sums, balls[ball_ends[sizes[i]] : ball_ends[sizes[i] + 1]], z, y, x)
            state[i] = _CURRENT
        if totals[i] < least * counts[i]:
            continue
        if totals[i] < total:
            heapq.heappush(heap, (-totals[i] / np.sqrt(counts[i]), i, np.int64(totals[i])))
            continue
        gone = removed[removed_ends[sizes[i]] : removed_ends[sizes[i] + 1]]
        larger = i - 1
        while larger >= 0 and places[larger] == places[i] and state[larger] != _UNDECIDED:
            larger -= 1
        if larger >= 0 and places[larger] == places[i]:  # all that this one may remove is doubtful
            undecided.append(i)
            continue
        if _touches(values, doubtful, gone, z, y, x):
            undecided.append(i)
            state[i] = _UNDECIDED
            before = x > 0 and _is_undecided(places, sizes, state, i, -1)
            after = x < width - 1 and _is_undecided(places, sizes, state, i, 1)
            _add_doubt(doubtful, gone, z, y, x, before, after)
            continue
        chosen.append(i)
        final.append(np.int64(totals[i]))
        fill_ball(values, gone, z, y, x, 0)
        _remove_sums(sums, gone, z, y, x)
        for a in range(max(z - reach[0], 0), min(z + reach[0] + 1, values.shape[0])):
            for b in range(max(y - reach[1], 0), min(y + reach[1] + 1, height)):
                for j in _numbers(places, lines, (a * height + b) * width, width, x - reach[2], x + reach[2]):
                    if state[j] == _CURRENT:
                        state[j] = _STALE
        for r in range(len(gone)):
            a, b, half = z + gone[r, 0], y + gone[r, 1], gone[r, 2]
            if not (0 <= a < values.shape[0] and 0 <= b < height):
                continue
            for j in _numbers(places, lines, (a * height + b) * width, width, x - half, x + half):
                if state[j] == _STALE:
                    runs = balls[ball_ends[sizes[j]] : ball_ends[sizes[j] + 1]]
                    totals[j] = _sum_ball(sums, runs, a, b, places[j] % width)
                    state[j] = _OUT if totals[j] < least * counts[j] else _CURRENT
    return np.array(chosen), np.array(final), np.array(undecided)


@numba.njit(cache=True, nogil=True)
def _is_undecided(
    places: NDArray[np.int64], sizes: NDArray[np.int16], state: NDArray[np.uint8], i: int, side: int
) -> bool:
    """Return whether a ball at least as large as that of candidate i, one voxel beside it along x, is undecided."""
    j = i + side
    while 0 <= j < len(places) and abs(places[j] - places[i]) <= 1:
        if places[j] != places[i] and sizes[j] >= sizes[i] and state[j] == _UNDECIDED:
            return True
        j += side
    return False


@numba.njit(cache=True, nogil=True)
def _add_doubt(doubtful: NDArray[np.uint8], runs: Runs, z: int, y: int, x: int, before: bool, after: bool) -> None:
    """Make the voxels of a ball doubtful, of which those of balls as large, one voxel before or after it, may be so."""
    if not (before or after):
        fill_ball(doubtful, runs, z, y, x, CERTAIN)
        return
    width = doubtful.shape[2]
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < doubtful.shape[0] and 0 <= b < doubtful.shape[1]:
            if not after and x + half < width:
                doubtful[a, b, x + half] = CERTAIN
            if not before and x - half >= 0:
                doubtful[a, b, x - half] = CERTAIN
            if half == 0:
                doubtful[a, b, x] = CERTAIN


@numba.njit(cache=True, nogil=True)
def _numbers(places: NDArray[np.int64], lines: NDArray[np.int64], first: int, width: int, low: int, high: int) -> range:
    """Return the numbers of the candidates from `low` to `high` on the line along x that begins at place `first`."""
    start, stop = lines[first // width], lines[first // width + 1]
    line = places[start:stop]
    left = np.searchsorted(line, first + max(low, 0))
    right = np.searchsorted(line, first + min(high, width - 1), side="right")
    return range(start + left, start + right)


@numba.njit(cache=True, nogil=True)
def _sum_lines(values: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return for every voxel the sum of those before it on its line along x, and at the end of a line that of all."""
    depth, height, width = values.shape
    sums = np.zeros((depth, height, width + 1), np.uint32)
    for a in range(depth):
        for b in range(height):
            for c in range(width):
                sums[a, b, c + 1] = sums[a, b, c] + values[a, b, c]
    return sums


@numba.njit(cache=True, nogil=True)
def _sum_ball(sums: NDArray[np.uint32], runs: Runs, z: int, y: int, x: int) -> int:
    """Return the sum of a ball."""
    total = np.int64(0)
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < sums.shape[0] and 0 <= b < sums.shape[1]:
            left, right = max(x - half, 0), min(x + half + 1, sums.shape[2] - 1)
            total += np.int64(sums[a, b, right]) - np.int64(sums[a, b, left])
    return int(total)


@numba.njit(cache=True, nogil=True)
def _remove_sums(sums: NDArray[np.uint32], runs: Runs, z: int, y: int, x: int) -> None:
    """Subtract a ball, whose voxels are 0 now, from the sums of its lines."""
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < sums.shape[0] and 0 <= b < sums.shape[1]:
            left, right = max(x - half, 0), min(x + half + 1, sums.shape[2] - 1)
            before, gone = sums[a, b, left], sums[a, b, right] - sums[a, b, left]
            if gone:
                sums[a, b, left:right] = before
                sums[a, b, right:] -= gone


@numba.njit(cache=True, nogil=True)
def _touches(values: NDArray[np.uint8], doubtful: NDArray[np.uint8], runs: Runs, z: int, y: int, x: int) -> bool:
    """Return whether a voxel of a ball that is not 0 is doubtful."""
    if values[z, y, x] & doubtful[z, y, x]:
        return True
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < values.shape[0] and 0 <= b < values.shape[1]:
            both = np.uint8(0)
            for c in range(max(x - half, 0), min(x + half + 1, values.shape[2])):
                both |= values[a, b, c] & doubtful[a, b, c]
            if both:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def fill_ball(array: NDArray[Any], runs: Runs, z: int, y: int, x: int, value: int) -> None:
    """Set the voxels of a ball at (z, y, x), which may be outside, that are inside the array."""
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < array.shape[0] and 0 <= b < array.shape[1]:
            array[a, b, max(x - half, 0) : max(min(x + half + 1, array.shape[2]), 0)] = value
