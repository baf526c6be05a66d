"""Most frequent values in cubes of 2, 4, 8, … voxels, halved again and again: few values, without branches."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.cells.compiled import inner

MAX_VALUES = 8
"""Up to so many values of a cube are counted one after the other, each in all of its cells at once."""


@cache
def rows_of(levels: int) -> NDArray[np.int64]:
    """Return the first voxel (z, y) of each row of cells in a cube of 2^levels; rows of a parent are consecutive."""
    rows, step = np.zeros((1, 2), np.int64), 2
    for _ in range(1, levels):
        rows = np.concatenate([rows + step * np.array(corner) for corner in np.ndindex(2, 2)])
        step *= 2
    return rows


@inner
def tally_cube(data, z0, y0, x0, rows, planes, distinct, sums, pairs, total, masked, background):  # type: ignore[no-untyped-def]
    """Count every value of a cube of 2, 4, 8, … voxels in its cells of 2^3 voxels.

    Row `number` of `sums` gets the counts of value `number`, in the order of `rows`; values are sorted, except that the
    one that does not count comes last. Returns how many there are, or -1 if there are too many, or NaN.
    """
    cells, edge = len(total), planes.shape[1] // len(rows)
    for at in range(len(rows)):
        for plane in range(4):
            row = data[z0 + rows[at, 0] + (plane >> 1), y0 + rows[at, 1] + (plane & 1), x0 : x0 + edge]
            copy = planes[plane, at * edge : (at + 1) * edge]
            for x in range(edge):
                copy[x] = row[x]
    a, b, c, d = planes[0], planes[1], planes[2], planes[3]
    total[:] = 0
    n = 0
    for at in range(cells):
        while total[at] < 8:
            if n == MAX_VALUES:
                return -1
            value = a[2 * at]
            for corner in range(8):
                value = planes[corner >> 1, 2 * at + (corner & 1)]
                known = False
                for number in range(n):
                    known |= distinct[number] == value
                if not known:
                    break
            if value != value:
                return -1
            place = n
            while place > 0 and not (masked and value == background):
                if distinct[place - 1] < value and not (masked and distinct[place - 1] == background):
                    break
                distinct[place] = distinct[place - 1]
                for m in range(cells):  # a whole row at once would take seconds to compile
                    sums[place, m] = sums[place - 1, m]
                place -= 1
            distinct[place] = value
            n += 1
            row = sums[place, :cells]
            for m in range(2 * cells):
                pairs[m] = (a[m] == value) + (b[m] == value) + (c[m] == value) + (d[m] == value)
            for m in range(cells):
                row[m] = pairs[2 * m] + pairs[2 * m + 1]
            for m in range(cells):
                total[m] += row[m]
    return n


@inner
def elect(sums, n, counted, edge, most, best):  # type: ignore[no-untyped-def]
    """Add up counts of cells in those of 8 of them, level by level, and find the most frequent value of each."""
    cells = len(most)
    for number in range(n):
        begin, side = 0, edge
        while side > 1:
            finer, coarser = sums[number, begin : begin + side**3], sums[number, begin + side**3 :]
            half = side // 2
            for row in range(half * half):
                for k in range(half):
                    count = 0
                    for line in range(4 * row * side, 4 * (row + 1) * side, side):
                        count += finer[line + 2 * k] + finer[line + 2 * k + 1]
                    coarser[row * half + k] = count
            begin, side = begin + side**3, half
    most[:] = 0
    best[:] = n - 1
    for number in range(counted):
        row = sums[number]
        for at in range(cells):
            more = row[at] > most[at]
            most[at] = row[at] if more else most[at]
            best[at] = number if more else best[at]
