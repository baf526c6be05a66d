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

from voxome.tools.common.spherical.balls import Runs
from voxome.tools.common.spherical.candidates import CERTAIN, Balls


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
    keys = candidates.totals / np.sqrt(candidates.counts)
    order = np.lexsort((-candidates.sizes, candidates.places, -keys))
    ends = [np.cumsum([0, *(len(runs) for runs in group)]) for group in (balls, removed)]
    columns = (candidates.places, candidates.sizes, candidates.totals, candidates.counts)
    chosen, totals, undecided = _select(
        values,
        doubtful,
        *(column[order] for column in columns),
        np.concatenate(balls),
        ends[0],
        np.concatenate(removed),
        ends[1],
        stop * CERTAIN,
    )
    places, sizes, _, counts = (column[order][chosen] for column in columns)
    return Selection(Balls(places, sizes, totals, counts), np.unique(undecided))


@numba.njit(cache=True, nogil=True)
def _select(
    values: NDArray[np.uint8],
    doubtful: NDArray[np.uint8],
    places: NDArray[np.int64],
    sizes: NDArray[np.int64],
    totals: NDArray[np.int64],
    counts: NDArray[np.int64],
    balls: Runs,
    ball_ends: NDArray[np.int64],
    removed: Runs,
    removed_ends: NDArray[np.int64],
    least: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the selected candidates, which are sorted, their sums, and the undecided places."""
    heap = [(np.float64(0.0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    chosen = [np.int64(0) for _ in range(0)]
    final = [np.int64(0) for _ in range(0)]
    undecided = [np.int64(0) for _ in range(0)]
    n, height, width = np.int64(0), values.shape[1], values.shape[2]
    while n < len(places) or len(heap) > 0:
        fresh = bool(n < len(places))
        if fresh and len(heap) > 0:
            first = (-totals[n] / np.sqrt(counts[n]), places[n], -sizes[n])
            fresh = bool(first < (heap[0][0], heap[0][1], heap[0][2]))
        if fresh:
            i, known = n, totals[n]
            n += 1
        else:
            _, _, _, i, known = heapq.heappop(heap)
        z, y, x = places[i] // width // height, places[i] // width % height, places[i] % width
        runs = balls[ball_ends[sizes[i]] : ball_ends[sizes[i] + 1]]
        total = _sum_ball(values, runs, z, y, x)
        if total < least * counts[i]:
            continue
        if total < known:
            heapq.heappush(heap, (-total / np.sqrt(counts[i]), places[i], -sizes[i], i, total))
            continue
        gone = removed[removed_ends[sizes[i]] : removed_ends[sizes[i] + 1]]
        if _touches(values, doubtful, gone, z, y, x):
            undecided.append(places[i])
            fill_ball(doubtful, gone, z, y, x, CERTAIN)
        else:
            chosen.append(i)
            final.append(total)
            fill_ball(values, gone, z, y, x, 0)
    return np.array(chosen), np.array(final), np.array(undecided)


@numba.njit(cache=True, nogil=True)
def _sum_ball(values: NDArray[np.uint8], runs: Runs, z: int, y: int, x: int) -> int:
    """Return the sum of a ball."""
    total = np.int64(0)
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < values.shape[0] and 0 <= b < values.shape[1]:
            for c in range(max(x - half, 0), min(x + half, values.shape[2] - 1) + 1):
                total += values[a, b, c]
    return int(total)


@numba.njit(cache=True, nogil=True)
def _touches(values: NDArray[np.uint8], doubtful: NDArray[np.uint8], runs: Runs, z: int, y: int, x: int) -> bool:
    """Return whether a voxel of a ball that is not 0 is doubtful."""
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < values.shape[0] and 0 <= b < values.shape[1]:
            for c in range(max(x - half, 0), min(x + half, values.shape[2] - 1) + 1):
                if values[a, b, c] & doubtful[a, b, c]:
                    return True
    return False


@numba.njit(cache=True, nogil=True)
def fill_ball(array: NDArray[Any], runs: Runs, z: int, y: int, x: int, value: int) -> None:
    """Set the voxels of a ball at (z, y, x), which may be outside, that are inside the array."""
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < array.shape[0] and 0 <= b < array.shape[1]:
            array[a, b, max(x - half, 0) : max(min(x + half + 1, array.shape[2]), 0)] = value
