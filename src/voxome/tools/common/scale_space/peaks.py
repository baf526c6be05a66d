"""Local maxima in scale space, between voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PLATEAU = 4
"""Voxels beyond its first one that a plateau may reach along an axis, to be one peak whatever the blocks."""


@dataclass(frozen=True)
class Peaks:
    """Peaks, one for each connected set of voxels with the same largest value.

    Attributes
    ----------
    first : (n, 3) int64
        First voxel of the set, in C order.
    centres : (n, 3) float64
        Centre, in voxels from `first`: of a set of several voxels their centroid, else the top of a parabola.
    levels : (n,) float64
        Number of the scale, between scales too.
    scores : (n,) float32
        Value at the voxel.
    at_end : (n,) bool
        Whether the largest value is that of the first or last scale, so that a better one may be beyond it.
    """

    first: NDArray[np.int64]
    centres: NDArray[np.float64]
    levels: NDArray[np.float64]
    scores: NDArray[np.float32]
    at_end: NDArray[np.bool_]


def find_peaks(responses: Sequence[NDArray[np.float32]], least: float) -> Peaks:
    """Return the voxels that are at least `least`, and not below any of their neighbours in space and scale."""
    parts = [Peaks(*(np.empty((0, *tail), dtype) for tail, dtype in _COLUMNS))]
    above = [None, *responses[:-1]]
    below = [*responses[1:], None]
    for level, (response, lower, upper) in enumerate(zip(responses, above, below, strict=True)):
        neighbours = [one for one in (lower, upper) if one is not None]
        mask = (response >= least) & (response == ndimage.maximum_filter(response, 3, mode="nearest"))
        for other in neighbours:
            mask &= response >= other
        if lower is not None:
            mask &= response > lower
        labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
        if count:
            parts.append(_measure(labels, count, responses, level))
    return Peaks(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))


_COLUMNS = (((3,), np.int64), ((3,), np.float64), ((), np.float64), ((), np.float32), ((), np.bool_))


def _measure(labels: NDArray[np.int32], count: int, responses: Sequence[NDArray[np.float32]], level: int) -> Peaks:
    points = np.argwhere(labels)
    numbers = labels[tuple(points.T)]
    order = np.argsort(numbers, kind="stable")
    points, numbers = points[order], numbers[order]
    starts = np.searchsorted(numbers, np.arange(1, count + 1))
    first = points[starts]
    sizes = np.diff([*starts, len(points)])
    centres = np.add.reduceat(points - np.repeat(first, sizes, axis=0), starts).astype(np.float64) / sizes[:, None]
    response, at = responses[level], tuple(first.T)
    scores = response[at]
    for axis in range(3):
        low, high = (np.clip(first[:, axis] + step, 0, response.shape[axis] - 1) for step in (-1, 1))
        before, after = (response[_replaced(at, axis, index)].astype(np.float64) for index in (low, high))
        inside = (sizes == 1) & (low < first[:, axis]) & (high > first[:, axis])
        centres[:, axis] += np.where(inside, _top(before, scores, after), 0)
    at_end = np.full(count, level in (0, len(responses) - 1))
    levels = np.full(count, float(level))
    if 0 < level < len(responses) - 1:
        levels += _top(responses[level - 1][at], scores, responses[level + 1][at])
    return Peaks(first, centres, levels, scores, at_end)


def _replaced(at: tuple[NDArray[np.int64], ...], axis: int, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    return tuple(index if number == axis else values for number, values in enumerate(at))


def _top(
    before: NDArray[np.floating], middle: NDArray[np.floating], after: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return where the parabola through three values has its maximum, from -1/2 to 1/2."""
    before, middle, after = (np.asarray(values, np.float64) for values in (before, middle, after))
    bend = before - 2 * middle + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return np.clip(shift, -0.5, 0.5)
