"""Most frequent values of several levels at once, in one pass over the voxels."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.dtypes import compilable, restored
from voxome.tools.common.cells.edges import Edges, cell_edges, shape_of

_jit = nb.njit(nogil=True, cache=True, boundscheck=False)
_FEW = 4
"""So many values of a cell are compared one by one; others are looked up in a table."""
_rooms = threading.local()
_MIX = np.uint64(0x9E3779B97F4A7C15)


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
    found, marks = _room("found", voxels.size if ids else 0, voxels.dtype)
    ends = np.empty(sizes[-1] if keep else 0, np.int64)
    entries, counts = _room("entries", voxels.size if keep else 0, voxels.dtype)
    distinct = np.empty(largest + 1, voxels.dtype)
    n, m = _fill(
        *(voxels, *axes, *firsts, shapes, begins, *background_of(no_data, voxels.dtype)),
        *(values, ids, found, marks, keep, ends, entries, counts, distinct),
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


def _sorted_ids(found: NDArray[Any], marks: NDArray[np.int64], levels: int) -> list[NDArray[Any]]:
    order = np.argsort(found)
    values, marks = found[order], marks[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]][: len(values)])
    if not len(starts):
        return [values] * (levels + 1)
    values, marks = values[starts], np.bitwise_or.reduceat(marks, starts)
    return [values, *(values[(marks >> level) & 1 == 1] for level in range(levels))]


@_jit
def _mark_differing(data, z0, z1, y0, y1, edges, firsts, differs):  # type: ignore[no-untyped-def]
    """Note which voxels of a row of cells differ from the first voxel of their cell, in any of the rows."""
    for cell in range(len(edges) - 1):
        firsts[edges[cell] : edges[cell + 1]] = data[z0, y0, edges[cell]]
    differs[:] = 0
    for z in range(z0, z1):
        for y in range(y0, y1):
            row = data[z, y]
            for x in range(len(row)):
                differs[x] |= row[x] != firsts[x]


@_jit
def _number(value, distinct, n, table, slots):  # type: ignore[no-untyped-def]
    """Return the number of a value among the distinct ones of a cell; it is added if it is new."""
    for number in range(min(n, _FEW)):
        if distinct[number] == value:
            return number
    if n < _FEW:
        distinct[n] = value
        return n
    mask = len(table) - 1
    slot = np.int64((np.uint64(hash(value)) * _MIX) >> np.uint64(40)) & mask
    while table[slot] >= 0:
        if distinct[table[slot]] == value:
            return np.int64(table[slot])
        slot = (slot + 1) & mask
    table[slot], slots[n], distinct[n] = n, slot, value
    return n


@_jit
def _most_frequent(start, size, numbers, counts, tally, distinct):  # type: ignore[no-untyped-def]
    """Complete the histogram in entries `start` to `size`; return the number of the most frequent value."""
    best, most = numbers[start], 0
    for entry in range(start, size):
        one = numbers[entry]
        count = tally[one]
        tally[one], counts[entry] = 0, count
        if count > most or (count == most and distinct[one] < distinct[best]):
            best, most = one, count
    return best


@_jit
def _count(  # type: ignore[no-untyped-def]
    data, pz, py, px, start, stop, shape, masked, background, tracked,
    values, numbers, counts, ends, tally, wins, distinct, table, slots,
):  # fmt: skip
    """Fill a box of cells of the first level, and their histograms; return how many values were numbered."""
    n, last, number, size, cell = 0, background, -1, 0, 0
    for i in range(start[0], stop[0]):
        z0, z1 = pz[i], pz[i + 1]
        for j in range(start[1], stop[1]):
            y0, y1, row = py[j], py[j + 1], (i * shape[1] + j) * shape[2]
            halved = z1 - z0 == 2 and y1 - y0 == 2
            for k in range(start[2], stop[2]):
                x0, x1, begin = px[k], px[k + 1], size
                cell += 1
                value = data[z0, y0, x0]
                if halved and x1 - x0 == 2:
                    b, c, d = data[z0, y0, x0 + 1], data[z0, y0 + 1, x0], data[z0, y0 + 1, x0 + 1]
                    e, f = data[z0 + 1, y0, x0], data[z0 + 1, y0, x0 + 1]
                    g, h = data[z0 + 1, y0 + 1, x0], data[z0 + 1, y0 + 1, x0 + 1]
                    same = 1 + (b == value) + (c == value) + (d == value)
                    same += (e == value) + (f == value) + (g == value) + (h == value)
                    if same == 8 and not (masked and value == background):
                        if number < 0 or value != last:
                            number, last = _number(value, distinct, n, table, slots), value
                            n = max(n, number + 1)
                        numbers[size], counts[size] = number, 8
                        size += 1
                        ends[cell] = size
                        values[row + k] = value
                        wins[number] |= 1
                        continue
                    other = b if b != value else c if c != value else d if d != value else e
                    other = other if other != value else f if f != value else g if g != value else h
                    rest = (b == other) + (c == other) + (d == other) + (e == other)
                    rest += (f == other) + (g == other) + (h == other)
                    if same + rest == 8 and not (masked and (value == background or other == background)):
                        if number < 0 or value != last:
                            number = _number(value, distinct, n, table, slots)
                            n = max(n, number + 1)
                        numbers[size], counts[size], best = number, same, number
                        number, last = _number(other, distinct, n, table, slots), other
                        n = max(n, number + 1)
                        numbers[size + 1], counts[size + 1] = number, rest
                        size += 2
                        ends[cell] = size
                        if rest > same or (rest == same and other < value):
                            best = number
                        values[row + k] = distinct[best]
                        wins[best] |= 1
                        continue
                for z in range(z0, z1):
                    for y in range(y0, y1):
                        for x in range(x0, x1):
                            value = data[z, y, x]
                            if value != value:
                                continue
                            if number < 0 or value != last:
                                number, last = _number(value, distinct, n, table, slots), value
                                n = max(n, number + 1)
                            if masked and value == background:
                                continue
                            if tally[number] == 0:
                                numbers[size] = number
                                size += 1
                            tally[number] += 1
                ends[cell] = size
                if size == begin:
                    values[row + k] = background
                    if tracked:
                        wins[_number(background, distinct, n, table, slots)] |= 1
                    continue
                best = _most_frequent(begin, size, numbers, counts, tally, distinct)
                values[row + k] = distinct[best]
                wins[best] |= 1
    return n


@_jit
def _merge(  # type: ignore[no-untyped-def]
    pz, py, px, start, stop, shape, first, ny, nx, background, tracked, bit, n,
    values, old, old_counts, old_ends, numbers, counts, ends, tally, wins, distinct, table, slots,
):  # fmt: skip
    """Fill a box of cells of a level, and their histograms, from those of the level before; return their entries."""
    size, cell = 0, 0
    for i in range(start[0], stop[0]):
        z0, z1 = pz[i] - first[0], pz[i + 1] - first[0]
        for j in range(start[1], stop[1]):
            y0, y1, row = py[j] - first[1], py[j + 1] - first[1], (i * shape[1] + j) * shape[2]
            for k in range(start[2], stop[2]):
                x0, x1, begin = px[k] - first[2], px[k + 1] - first[2], size
                for z in range(z0, z1):
                    for y in range(y0, y1):
                        line = (z * ny + y) * nx
                        for entry in range(old_ends[line + x0], old_ends[line + x1]):
                            one = old[entry]
                            if tally[one] == 0:
                                numbers[size] = one
                                size += 1
                            tally[one] += old_counts[entry]
                cell += 1
                ends[cell] = size
                if size == begin:
                    values[row + k] = background
                    if tracked:
                        wins[_number(background, distinct, n, table, slots)] |= bit
                    continue
                best = _most_frequent(begin, size, numbers, counts, tally, distinct)
                values[row + k] = distinct[best]
                wins[best] |= bit
    return size


@_jit
def _fill(  # type: ignore[no-untyped-def]
    data, pz, py, px, fz, fy, fx, shapes, begins, masked, background,
    values, tracked, found, marks, keep, ends, entries, counts, distinct,
):  # fmt: skip
    """Fill the values of all levels; return the number of ids found, and of entries of histograms kept.

    In each cell of the last level, values are numbered, and histograms have these numbers.
    """
    levels, largest = len(shapes), len(distinct)
    tally, wins = np.zeros(largest, np.int64), np.zeros(largest, np.int64)
    slots, size = np.empty(largest, np.int64), 16
    while size < 2 * largest:
        size *= 2
    table = np.full(size, -1, np.int32)
    new, old = np.empty(largest, np.int64), np.empty(largest, np.int64)
    new_counts, old_counts = np.empty(largest, np.int64), np.empty(largest, np.int64)
    new_ends, old_ends = np.zeros(largest + 1, np.int64), np.zeros(largest + 1, np.int64)
    edges = px[0][fx[0, : shapes[levels - 1, 2] + 1]]
    firsts, differs = np.empty(data.shape[2], data.dtype), np.empty(data.shape[2], np.int64)
    every = (1 << levels) - 1
    top, listed, end = 0, 0, 0
    for tz in range(shapes[levels - 1, 0]):
        z0, z1 = pz[0, fz[0, tz]], pz[0, fz[0, tz + 1]]
        for ty in range(shapes[levels - 1, 1]):
            y0, y1 = py[0, fy[0, ty]], py[0, fy[0, ty + 1]]
            _mark_differing(data, z0, z1, y0, y1, edges, firsts, differs)
            for tx in range(shapes[levels - 1, 2]):
                differ = 0
                for x in range(edges[tx], edges[tx + 1]):
                    differ |= differs[x]
                if not differ:
                    first = firsts[edges[tx]]
                    for level in range(levels):
                        for i in range(fz[level, tz], fz[level, tz + 1]):
                            for j in range(fy[level, ty], fy[level, ty + 1]):
                                row = begins[level] + (i * shapes[level, 1] + j) * shapes[level, 2]
                                values[row + fx[level, tx] : row + fx[level, tx + 1]] = first
                    if tracked and not (listed and found[listed - 1] == first and marks[listed - 1] == every):
                        found[listed], marks[listed] = first, every
                        listed += 1
                    if keep:
                        ends[top] = end
                    top += 1
                    continue
                start, stop = (fz[0, tz], fy[0, ty], fx[0, tx]), (fz[0, tz + 1], fy[0, ty + 1], fx[0, tx + 1])
                shape = (shapes[0, 0], shapes[0, 1], shapes[0, 2])
                n = _count(
                    data, pz[0], py[0], px[0], start, stop, shape, masked, background, tracked,
                    values, new, new_counts, new_ends, tally, wins, distinct, table, slots,
                )  # fmt: skip
                size = new_ends[(stop[0] - start[0]) * (stop[1] - start[1]) * (stop[2] - start[2])]
                for level in range(1, levels):
                    new, old, new_counts, old_counts = old, new, old_counts, new_counts
                    new_ends, old_ends = old_ends, new_ends
                    first_child, ny, nx = start, stop[1] - start[1], stop[2] - start[2]
                    start = (fz[level, tz], fy[level, ty], fx[level, tx])
                    stop = (fz[level, tz + 1], fy[level, ty + 1], fx[level, tx + 1])
                    shape = (shapes[level, 0], shapes[level, 1], shapes[level, 2])
                    size = _merge(
                        pz[level], py[level], px[level], start, stop, shape, first_child, ny, nx, background, tracked,
                        1 << level, n, values[begins[level] :], old, old_counts, old_ends, new, new_counts, new_ends,
                        tally, wins, distinct, table, slots,
                    )  # fmt: skip
                if keep:
                    if size != 1 or new_counts[0] != (z1 - z0) * (y1 - y0) * (edges[tx + 1] - edges[tx]):
                        for entry in range(size):
                            entries[end], counts[end] = distinct[new[entry]], new_counts[entry]
                            end += 1
                    ends[top] = end
                top += 1
                for one in range(n):
                    if one >= _FEW:
                        table[slots[one]] = -1
                    if tracked:
                        found[listed], marks[listed] = distinct[one], wins[one]
                        listed += 1
                    wins[one] = 0
    return listed, end
