"""Straight segments: whether they meet a box, and which cells of a grid they cross."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def segments_meet_box(ends: NDArray[np.floating[Any]], start: ArrayLike, stop: ArrayLike) -> NDArray[np.bool_]:
    """Return which segments have a point in the half-open box from `start` to `stop`.

    Parameters
    ----------
    ends : (n, 2, d) array of floats
        Both ends of each segment.
    start, stop : (d,) arrays of floats
        Corners of the box.

    Returns
    -------
    (n,) array of bool

    Examples
    --------
    >>> segments_meet_box(np.array([[[0.0, 0.0], [4.0, 4.0]], [[0.0, 0.0], [4.0, 0.0]]]), (2, 2), (3, 3))
    array([ True, False])
    """
    first, step = ends[:, 0].astype(np.float64), (ends[:, 1] - ends[:, 0]).astype(np.float64)
    low, high = np.asarray(start, np.float64), np.asarray(stop, np.float64)
    moving, falling = step != 0, step < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        enters = np.where(moving, np.where(falling, high - first, low - first) / step, -np.inf)
        leaves = np.where(moving, np.where(falling, low - first, high - first) / step, np.inf)
    inside = (moving | ((first >= low) & (first < high))).all(axis=1)
    # a segment that rises along an axis enters at a closed face and leaves at an open one; one that falls, conversely
    begin, begin_open = _latest(enters, falling & moving)
    end, end_open = _latest(-leaves, ~falling & moving)
    end = -end
    begin, begin_open = np.maximum(begin, 0), begin_open & (begin >= 0)
    end, end_open = np.minimum(end, 1), end_open & (end <= 1)
    return inside & ((begin < end) | ((begin == end) & ~begin_open & ~end_open))


def _latest(times: NDArray[np.float64], is_open: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the largest time of each row, and whether any bound at that time is open."""
    latest = np.maximum.reduce([times[:, axis] for axis in range(times.shape[1])])
    opens = [is_open[:, axis] & (times[:, axis] == latest) for axis in range(times.shape[1])]
    return latest, np.logical_or.reduce(opens)


def crossed_cells(ends: NDArray[np.float64], grid: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells of a grid that segments cross, each cell once a segment.

    Source: J. Amanatides and A. Woo, "A Fast Voxel Traversal Algorithm for Ray Tracing" (1987), for many segments at
    once. Cells are half-open; what lies outside the grid belongs to its nearest cell.

    Parameters
    ----------
    ends : (n, 2, d) array of float64
        Both ends of each segment, in cells.
    grid : (d,) array of integers
        Number of cells along each axis.

    Returns
    -------
    rows : (m,) array of int64
        The segment of each cell, ascending.
    cells : (m, d) array of int64
        Its cells, from the first end to the second.

    Examples
    --------
    >>> rows, cells = crossed_cells(np.array([[[0.5, 0.5], [1.5, 2.5]]]), (4, 4))
    >>> cells.tolist()
    [[0, 0], [0, 1], [1, 1], [1, 2]]
    """
    last = np.asarray(grid, np.int64) - 1
    first_cell, last_cell = (np.clip(np.floor(ends[:, end]), 0, last).astype(np.int64) for end in (0, 1))
    crossings = [_crossings(ends[:, :, axis], first_cell[:, axis], last_cell[:, axis]) for axis in range(ends.shape[2])]
    rows = np.concatenate([one[0] for one in crossings])
    times = np.concatenate([one[1] for one in crossings])
    signs = np.concatenate([one[2] for one in crossings])
    axes = np.repeat(np.arange(len(crossings)), [len(one[0]) for one in crossings])
    order = np.lexsort((-signs, times, rows))
    rows, times, signs, axes = rows[order], times[order], signs[order], axes[order]
    steps = np.zeros((len(rows), ends.shape[2]), np.int64)
    steps[np.arange(len(rows)), axes] = signs
    walked = np.cumsum(steps, axis=0)
    counts = np.bincount(rows, minlength=len(ends))
    before = np.concatenate([np.zeros((1, steps.shape[1]), np.int64), walked])[np.cumsum(counts) - counts]
    # faces crossed at one time are one step, except that cells are entered (rising) before they are left (falling)
    ends_step = np.ones(len(rows), np.bool_)
    ends_step[:-1] = (rows[1:] != rows[:-1]) | (times[1:] != times[:-1]) | (signs[1:] != signs[:-1])
    found = rows[ends_step]
    cells = first_cell[found] + walked[ends_step] - before[found]
    rows = np.concatenate([np.arange(len(ends)), found])
    order = np.argsort(rows, kind="stable")
    return rows[order], np.concatenate([first_cell, cells])[order]


def _crossings(
    ends: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the row, time (0 to 1) and direction of each crossing of a face between cells, along one axis."""
    counts, direction = np.abs(last - first), np.sign(last - first)
    rows = np.repeat(np.arange(len(ends)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    faces = first[rows] + direction[rows] * number + (direction[rows] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (faces - ends[rows, 0]) / (ends[rows, 1] - ends[rows, 0])
    return rows, np.clip(times, 0, 1), direction[rows]
