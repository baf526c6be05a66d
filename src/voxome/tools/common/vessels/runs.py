"""Runs of a mask along x: objects and enclosed voids of a whole volume, in the memory of its runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.geometry import Box
from voxome.tools.common.compilation import announce_compilation
from voxome.tools.common.faces import long_axes

announce_compilation()

RUNS = kinds.Table({"z": "int32", "y": "int32", "start": "int32", "stop": "int32"}, key=("z", "y", "start"))
"""Runs ``start`` to ``stop`` (exclusive) along x, in voxels of the volume."""
_OBJECT_ROWS = ((0, 1), (1, -1), (1, 0), (1, 1))
_VOID_ROWS = ((-1, 0), (0, -1), (0, 1), (1, 0))
Index = NDArray[np.int64]


class Voids(NamedTuple):
    """A mask without enclosed voids, and what was filled."""

    runs: Rows
    voids: int
    voxels: int


def find_runs(mask: NDArray[np.bool_], box: Box) -> Rows:
    """Return the runs of a mask (z, y, x) of `box`."""
    padded = np.zeros((*mask.shape[:2], mask.shape[2] + 2), np.int8)
    padded[..., 1:-1] = mask
    change = np.diff(padded, axis=2)
    z, y, start = np.nonzero(change == 1)
    stop = np.nonzero(change == -1)[2]
    rows = zip(RUNS.columns, (z, y, start, stop), (*box.start, box.start[2]), strict=True)
    return {name: (values + first).astype(np.int32) for name, values, first in rows}


def paint_runs(runs: Rows, box: Box) -> NDArray[np.bool_]:
    """Return the mask of `box`: True in the runs."""
    change = np.zeros((*box.shape[:2], box.shape[2] + 1), np.int8)
    z, y = runs["z"] - box.start[0], runs["y"] - box.start[1]
    start = np.clip(runs["start"] - box.start[2], 0, box.shape[2])
    stop = np.clip(runs["stop"] - box.start[2], 0, box.shape[2])
    inside = (z >= 0) & (z < box.shape[0]) & (y >= 0) & (y < box.shape[1]) & (start < stop)
    np.add.at(change, (z[inside], y[inside], start[inside]), 1)
    np.add.at(change, (z[inside], y[inside], stop[inside]), -1)
    mask: NDArray[np.bool_] = np.cumsum(change, axis=2, dtype=np.int8)[..., :-1] > 0
    return mask


def join_runs(runs: Rows) -> Rows:
    """Return sorted runs with those joined that touch along x, as blocks cut them."""
    if not len(runs["z"]):
        return runs
    row = (np.diff(runs["z"]) != 0) | (np.diff(runs["y"]) != 0)
    first = np.concatenate(([True], row | (runs["start"][1:] > runs["stop"][:-1])))
    last = np.concatenate((first[1:], [True]))
    return {**{name: runs[name][first] for name in ("z", "y", "start")}, "stop": runs["stop"][last]}


def count_voxels(runs: Rows) -> Index:
    """Return the voxels of every run."""
    return runs["stop"].astype(np.int64) - runs["start"]


def label_objects(runs: Rows) -> Index:
    """Return the 26-connected object of every run: 0, 1, … in the order of their first runs."""
    first, rows = _rows_of(runs)
    parents = np.arange(len(runs["z"]))
    for offset in _OBJECT_ROWS:
        _join_rows(first, _neighbours(rows, offset), runs["start"], runs["stop"], parents, 1)
    return _number_roots(_roots(parents))


def fill_voids(runs: Rows, box: Box) -> Voids:
    """Fill the 6-connected voids that the mask encloses; what reaches a face of `box` is no void.

    Runs are sorted, and whole along x. In a section, a volume of one plane, voids are the 4-connected holes; along a
    line there are none.
    """
    axes = long_axes(box.shape)
    if not len(runs["z"]) or len(axes) < 2:
        return Voids(runs, 0, 0)
    if 2 not in axes:
        turned = fill_voids(_turn(runs), Box((0, *box.start[:2]), (1, *box.stop[:2])))
        return turned._replace(runs=_turn_back(turned.runs, box.start[2]))
    first, rows = _rows_of(runs)
    start, stop = runs["start"], runs["stop"]
    gap_of = np.zeros(len(start) + 1, np.int64)  # of every run: the gaps before that behind it
    is_gap = np.ones(len(start), bool)
    is_gap[first[1:] - 1] = False
    np.cumsum(is_gap, out=gap_of[1:])
    low, high = stop[is_gap], start[1:][is_gap[:-1]]
    outside = np.zeros(len(low) + 1, bool)
    outside[-1] = True
    parents = np.arange(len(low) + 1)  # the last is the outside
    for offset in (row for row in _VOID_ROWS if all(axis in axes for axis in np.flatnonzero(row))):
        _join_gaps(first, gap_of, _neighbours(rows, offset), start, stop, low, high, parents)
    roots = _roots(parents)
    enclosed = roots[:-1] != roots[-1]
    before = np.flatnonzero(is_gap)[enclosed]
    begins = np.ones(len(start), bool)
    begins[before + 1] = False
    joined = {name: runs[name][begins] for name in ("z", "y", "start")} | {"stop": stop[np.append(begins[1:], True)]}
    filled = high[enclosed].astype(np.int64) - low[enclosed]
    return Voids(joined, len(np.unique(roots[:-1][enclosed])), int(filled.sum()))


def _turn(runs: Rows) -> Rows:
    """Return runs of a single voxel along x as runs along y."""
    return join_runs({"z": np.zeros_like(runs["z"]), "y": runs["z"], "start": runs["y"], "stop": runs["y"] + 1})


def _turn_back(runs: Rows, x: int) -> Rows:
    """Return turned runs as runs of a single voxel at `x`."""
    count = count_voxels(runs)
    y = np.repeat(runs["stop"] - np.cumsum(count), count) + np.arange(count.sum())
    start = np.full(len(y), x, np.int32)
    return {"z": np.repeat(runs["y"], count), "y": y.astype(np.int32), "start": start, "stop": start + 1}


def _rows_of(runs: Rows) -> tuple[Index, NDArray[np.int64]]:
    """Return the first run of every row (and the end), and z, y of the rows."""
    z, y = runs["z"], runs["y"]
    new = np.ones(len(z), bool)
    new[1:] = (z[1:] != z[:-1]) | (y[1:] != y[:-1])
    first = np.flatnonzero(new)
    return np.append(first, len(z)), np.stack([z[first], y[first]], axis=1).astype(np.int64)


def _neighbours(rows: NDArray[np.int64], offset: tuple[int, int]) -> Index:
    """Return the row at an offset (z, y) from every row; -1 where it has no run."""
    if not len(rows):
        return np.zeros(0, np.int64)
    y_first, width = rows[:, 1].min() - 1, int(np.ptp(rows[:, 1])) + 3
    keys = rows[:, 0] * width + (rows[:, 1] - y_first)
    wanted = keys + offset[0] * width + offset[1]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def _number_roots(roots: Index) -> Index:
    """Return roots as numbers from 0 on, in the order of the first members, which they are."""
    number = np.cumsum(roots == np.arange(len(roots)))
    number -= 1
    return number[roots]


@numba.njit(cache=True)
def _root(parents: Any, i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@numba.njit(cache=True)
def _join(parents: Any, i: int, j: int) -> None:
    i, j = _root(parents, i), _root(parents, j)
    if i < j:
        parents[j] = i
    else:
        parents[i] = j


@numba.njit(cache=True)
def _roots(parents: Any) -> Any:
    for i in range(len(parents)):
        parents[i] = _root(parents, i)
    return parents


@numba.njit(cache=True)
def _join_rows(first: Any, neighbours: Any, start: Any, stop: Any, parents: Any, reach: int) -> None:
    """Join runs with those of a neighbouring row that overlap when grown by `reach`."""
    for row in range(len(neighbours)):
        other = neighbours[row]
        if other < 0:
            continue
        i, j = first[row], first[other]
        while i < first[row + 1] and j < first[other + 1]:
            if start[i] < stop[j] + reach and start[j] < stop[i] + reach:
                _join(parents, i, j)
            if stop[i] < stop[j]:
                i += 1
            else:
                j += 1


@numba.njit(cache=True)
def _join_gaps(
    first: Any, gap_of: Any, neighbours: Any, start: Any, stop: Any, low: Any, high: Any, parents: Any
) -> None:
    """Join the gaps between the runs of a row with those of a neighbouring row, and with the outside."""
    outside = len(low)
    for row in range(len(neighbours)):
        other = neighbours[row]
        begin, end = gap_of[first[row]], gap_of[first[row + 1] - 1]
        if other < 0:
            for gap in range(begin, end):
                _join(parents, gap, outside)
            continue
        left, right = start[first[other]], stop[first[other + 1] - 1]
        j, last = gap_of[first[other]], gap_of[first[other + 1] - 1]
        for gap in range(begin, end):
            if low[gap] < left or high[gap] > right:
                _join(parents, gap, outside)
            while j < last and high[j] <= low[gap]:
                j += 1
            k = j
            while k < last and low[k] < high[gap]:
                _join(parents, gap, k)
                k += 1
