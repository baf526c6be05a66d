"""Most frequent values of several levels at once, in one pass over the voxels."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.cubes import MAX_VALUES, rows_of
from voxome.tools.common.cells.dtypes import compilable, restored
from voxome.tools.common.cells.edges import Edges, cell_edges, shape_of
from voxome.tools.common.cells.mode_kernels import RECENT, fill

_LEVELS = 6
"""More levels at once are rare."""
_rooms = threading.local()


@dataclass(frozen=True)
class ModeLevels:
    """Most frequent values of the cells of several levels.

    Attributes
    ----------
    values : sequence of (z, y, x) arrays
        Those of each level.
    ids : sequence of (n,) arrays, or None
        The values that occur among the voxels, and on each level, sorted.
    histograms : three arrays, or None
        `ends`, `ids` and `counts` of the cells of the last level, as in `ModeCells`.
    """

    values: Sequence[NDArray[Any]]
    ids: Sequence[NDArray[Any]] | None
    histograms: tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]] | None


def mode_levels(
    data: NDArray[Any], box: Box, ratios: Sequence[Sequence[int]], no_data: Any, *, ids: bool, keep: bool
) -> ModeLevels:
    """Return the most frequent values of the cells of several levels.

    Parameters
    ----------
    data : (z, y, x) array
        Voxels of `box`.
    box : Box
        Box of the data.
    ratios : sequence of (z, y, x) of int
        Edge lengths of the cells of each level, in those of the level before.
    no_data : number or None
        Value that does not count.
    ids : bool
        Whether to find the values of each level.
    keep : bool
        Whether to keep the histograms of the last level.
    """
    voxels, chain = compilable(data), list[Edges]()
    for ratio in ratios:
        chain.append(cell_edges(box, ratio))
        box = box.coarsen(ratio)
    shapes = np.array([shape_of(edges) for edges in chain], np.int64)
    sizes = shapes.prod(axis=1)
    begins = np.cumsum(sizes) - sizes
    values = np.empty(sizes.sum(), voxels.dtype)
    axes = [_padded([edges[axis] for edges in chain]) for axis in range(3)]
    firsts = [_firsts(children, chain[-1][axis]) for axis, children in enumerate(axes)]
    largest = int(np.prod([np.diff(children[0][first[0]]).max() for children, first in zip(axes, firsts, strict=True)]))
    widths = [_padded(_widths([edges[axis] for edges in chain])) for axis in range(3)]
    found, marks = _room("found", voxels.size if ids else 0, voxels.dtype)
    ends = np.empty(sizes[-1] if keep else 0, np.int64)
    entries, counts = _room("entries", voxels.size if keep else 0, voxels.dtype)
    mixed, distinct = np.empty(len(values), np.uint8), np.empty(largest + 1, voxels.dtype)
    halving = all(n == 2 for ratio in ratios for n in ratio) and len(ratios) < _LEVELS
    unsigned = np.dtype(f"u{voxels.dtype.itemsize}")
    # Memory is allocated here, as that would take longer to compile
    table, recent = np.full(1 << (2 * len(distinct)).bit_length(), -1), np.full(RECENT, -1)
    cells = 8 ** len(ratios) // 8 if halving else 0
    planes, pairs = np.empty((4, 2 * cells), voxels.dtype), np.empty(2 * cells, np.int64)
    cubes = np.empty((3 + MAX_VALUES, (8 * cells) // 7), np.int64)
    n, m = fill(
        *(voxels, voxels.view(unsigned), *axes, *firsts, *widths, shapes, begins),
        *(*background_of(no_data, voxels.dtype), values, values.view(unsigned), mixed),
        *(halving, rows_of(len(ratios) if halving else 1), ids, found, marks, keep, ends, entries, counts, distinct),
        *(np.zeros((9, len(distinct) + 1), np.int64), table, recent, planes, pairs, cubes),
    )
    levels = [values[a : a + size].reshape(shape) for a, size, shape in zip(begins, sizes, shapes, strict=True)]
    return ModeLevels(
        [restored(one, data.dtype) for one in levels],
        [restored(one, data.dtype) for one in _sorted_ids(found[:n], marks[:n], len(levels))] if ids else None,
        (ends, entries[:m].copy(), counts[:m].copy()) if keep else None,
    )


def _room(name: str, size: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return memory for values and numbers that this thread reuses, as most of it is never touched."""
    known = getattr(_rooms, name, None)
    if known is None or len(known[0]) < size or known[0].dtype != dtype:
        known = np.empty(size, dtype), np.empty(size, np.int64)
        setattr(_rooms, name, known)
    return known


def background_of(no_data: Any, dtype: np.dtype[Any]) -> tuple[bool, Any]:
    """Return whether there is a value that does not count, and what a cell gets in which nothing counts."""
    if no_data is not None:
        return True, dtype.type(no_data)
    return False, dtype.type(np.nan if dtype.kind == "f" else 0)


def _padded(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    padded = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for own, row in zip(padded, rows, strict=True):
        own[: len(row)] = row
    return padded


def _firsts(children: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each level, the first cell in each cell of the last level, and the end."""
    firsts = np.empty((len(children), len(last)), np.int64)
    firsts[-1] = np.arange(len(last))
    for level in range(len(children) - 1, 0, -1):
        firsts[level - 1] = children[level][firsts[level]]
    return firsts


def _widths(chain: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Return how many voxels the cells of each level span along an axis, of which `chain` are the edges."""
    widths = [np.diff(chain[0])]
    for edges in chain[1:]:
        widths.append(np.add.reduceat(widths[-1], edges[:-1]))
    return widths


def _sorted_ids(found: NDArray[Any], marks: NDArray[np.int64], levels: int) -> list[NDArray[Any]]:
    order = np.argsort(found)
    values, marks = found[order], marks[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]][: len(values)])
    if not len(starts):
        return [values] * (levels + 1)
    values, marks = values[starts], np.bitwise_or.reduceat(marks, starts)
    return [values, *(values[(marks >> level) & 1 == 1] for level in range(levels))]
