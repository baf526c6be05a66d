"""Compiled histograms and most frequent values of the cells of several levels."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from voxome.tools.common.cells.compiled import inner, jit
from voxome.tools.common.cells.cubes import elect, tally_cube
from voxome.tools.common.cells.uniform import compare_row, spread_row

_FEW = 4
"""So many values of a cell are compared one by one; others are looked up in a table."""
RECENT = 1 << 12
"""So many values are remembered, by a hash, so that most are listed once; a power of 2."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _bits_of(value: Any) -> Any:
    """Return 64 bits that equal values have in common; compiled code only."""
    raise NotImplementedError


@nb.extending.overload(_bits_of)
def _bits(value):  # type: ignore[no-untyped-def]
    if isinstance(value, nb.types.Integer):
        return lambda value: np.uint64(value)
    return lambda value: np.uint64(hash(value))


@inner
def _number(value, distinct, n, table, slots):  # type: ignore[no-untyped-def]
    """Return the number of a value among the distinct ones of a cell; it is added if it is new."""
    for number in range(min(n, _FEW)):
        if distinct[number] == value:
            return number
    if n < _FEW:
        distinct[n] = value
        return n
    mask = len(table) - 1
    slot = np.int64((_bits_of(value) * _MIX) >> np.uint64(40)) & mask
    while table[slot] >= 0:
        if distinct[table[slot]] == value:
            return np.int64(table[slot])
        slot = (slot + 1) & mask
    table[slot], slots[n], distinct[n] = n, slot, value
    return n


@inner
def _list(value, levels, found, marks, listed, recent):  # type: ignore[no-untyped-def]
    """Note that a value occurs on some levels, in its last entry if that is still known; return how many there are."""
    slot = np.int64((_bits_of(value) * _MIX) >> np.uint64(40)) & (RECENT - 1)
    entry = recent[slot]
    if entry >= 0 and found[entry] == value:
        marks[entry] |= levels
        return listed
    found[listed], marks[listed], recent[slot] = value, levels, listed
    return listed + 1


@inner
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


@inner
def _count(  # type: ignore[no-untyped-def]
    data, pz, py, px, start, stop, shape, masked, background, tracked,
    values, mixed, numbers, counts, ends, tally, wins, distinct, table, slots,
):  # fmt: skip
    """Fill the mixed ones of a box of cells of the first level, and their histograms; return how many are numbered."""
    n, last, number, size, cell = np.int64(0), background, np.int64(-1), np.int64(0), 0
    for i in range(start[0], stop[0]):
        z0, z1 = pz[i], pz[i + 1]
        for j in range(start[1], stop[1]):
            y0, y1, row = py[j], py[j + 1], (i * shape[1] + j) * shape[2]
            halved = z1 - z0 == 2 and y1 - y0 == 2
            for k in range(start[2], stop[2]):
                cell += 1
                if not mixed[row + k]:
                    ends[cell] = size
                    continue
                x0, x1, begin = px[k], px[k + 1], size
                if halved and x1 - x0 == 2:
                    value, b, c, d = (
                        data[z0, y0, x0],
                        data[z0, y0, x0 + 1],
                        data[z0, y1 - 1, x0],
                        data[z0, y1 - 1, x0 + 1],
                    )
                    e, f = data[z0 + 1, y0, x0], data[z0 + 1, y0, x0 + 1]
                    g, h = data[z0 + 1, y0 + 1, x0], data[z0 + 1, y0 + 1, x0 + 1]
                    same = 1 + (b == value) + (c == value) + (d == value)
                    same += (e == value) + (f == value) + (g == value) + (h == value)
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
                        number, last = _number(background, distinct, n, table, slots), background
                        n = max(n, number + 1)
                        wins[number] |= 1
                    continue
                best = _most_frequent(begin, size, numbers, counts, tally, distinct)
                values[row + k] = distinct[best]
                wins[best] |= 1
    return n


@inner
def _merge(  # type: ignore[no-untyped-def]
    pz, py, px, start, stop, shape, first, ny, nx, wz, wy, wx, finer_shape, masked, background, tracked, bit, n,
    values, mixed, finer, old, old_counts, old_ends, numbers, counts, ends, tally, wins, distinct, table, slots,
):  # fmt: skip
    """Fill the mixed ones of a box of cells of a level, and their histograms, from the cells of the level before.

    Those without a histogram are of one value. Returns the number of entries, and how many values are numbered.
    """
    size, cell, last, number = np.int64(0), 0, background, np.int64(-1)
    for i in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            row = (i * shape[1] + j) * shape[2]
            for k in range(start[2], stop[2]):
                cell += 1
                if not mixed[row + k]:
                    ends[cell] = size
                    continue
                begin = size
                for z in range(pz[i], pz[i + 1]):
                    for y in range(py[j], py[j + 1]):
                        line = ((z - first[0]) * ny + y - first[1]) * nx - first[2]
                        children = (z * finer_shape[1] + y) * finer_shape[2]
                        for x in range(px[k], px[k + 1]):
                            low, high = old_ends[line + x], old_ends[line + x + 1]
                            if low == high:
                                value = finer[children + x]
                                if value != value:
                                    continue
                                if number < 0 or value != last:
                                    number, last = _number(value, distinct, n, table, slots), value
                                    n = max(n, number + 1)
                                wins[number] |= bit - 1
                                if masked and value == background:
                                    continue
                                if tally[number] == 0:
                                    numbers[size] = number
                                    size += 1
                                tally[number] += wz[z] * wy[y] * wx[x]
                            for entry in range(low, high):
                                one = old[entry]
                                if tally[one] == 0:
                                    numbers[size] = one
                                    size += 1
                                tally[one] += old_counts[entry]
                ends[cell] = size
                if size == begin:
                    values[row + k] = background
                    if tracked:
                        number, last = _number(background, distinct, n, table, slots), background
                        n = max(n, number + 1)
                        wins[number] |= bit
                    continue
                best = _most_frequent(begin, size, numbers, counts, tally, distinct)
                values[row + k] = distinct[best]
                wins[best] |= bit
    return size, n


@jit
def fill(  # type: ignore[no-untyped-def]
    data, bits, pz, py, px, fz, fy, fx, wz, wy, wx, shapes, begins, masked, background,
    values, value_bits, mixed, halving, rows, tracked, found, marks, keep, ends, entries, counts, distinct,
    room, table, recent, planes, pairs, cubes,
):  # fmt: skip
    """Fill the values of all levels; return the number of ids found, and of entries of histograms kept.

    For a row of cells of the last level, cells of one value are found first, on each level. In each of the others,
    values are numbered, and histograms, of cells of several values only, have these numbers.
    """
    levels, cells = len(shapes), len(pairs) // 2
    cube = 1 << levels
    tally, wins, slots = room[0], room[1], room[2]
    new, new_counts, new_ends = room[3], room[4], room[5]
    old, old_counts, old_ends = room[6], room[7], room[8]
    total, most, best = cubes[0, :cells], cubes[1], cubes[2]
    sums = cubes[3:]
    every = (1 << levels) - 1
    top, listed, end = np.int64(0), np.int64(0), np.int64(0)
    for tz in range(shapes[levels - 1, 0]):
        for ty in range(shapes[levels - 1, 1]):
            for level in range(levels):
                nx = shapes[level, 2]
                edges = px[level, : nx + 1]
                other = np.int64(0)
                for k in range(nx):
                    other += edges[k + 1] - edges[k] != 2
                paired = other == 0
                for i in range(fz[level, tz], fz[level, tz + 1]):
                    z0, z1 = pz[level, i], pz[level, i + 1]
                    for j in range(fy[level, ty], fy[level, ty + 1]):
                        y0, y1 = py[level, j], py[level, j + 1]
                        row = begins[level] + (i * shapes[level, 1] + j) * nx
                        first, flags = value_bits[row : row + nx], mixed[row : row + nx]
                        if level == 0:
                            compare_row(bits, z0, z1, y0, y1, edges, paired, first, flags)
                            for k in range(nx):
                                flags[k] |= values[row + k] != values[row + k]  # NaN does not count
                            continue
                        a, b = begins[level - 1], begins[level]
                        before = (shapes[level - 1, 0], shapes[level - 1, 1], shapes[level - 1, 2])
                        compare_row(value_bits[a:b].reshape(before), z0, z1, y0, y1, edges, paired, first, flags)
                        spread_row(mixed[a:b].reshape(before), z0, z1, y0, y1, edges, paired, flags)
            for tx in range(shapes[levels - 1, 2]):
                at = begins[levels - 1] + top
                if not mixed[at]:
                    if tracked:
                        listed = _list(values[at], every, found, marks, listed, recent)
                    if keep:
                        ends[top] = end
                    top += 1
                    continue
                z0, y0, x0 = pz[0, fz[0, tz]], py[0, fy[0, ty]], px[0, fx[0, tx]]
                z1, y1, x1 = pz[0, fz[0, tz + 1]], py[0, fy[0, ty + 1]], px[0, fx[0, tx + 1]]
                if halving and z1 - z0 == cube and y1 - y0 == cube and x1 - x0 == cube:
                    n = tally_cube(data, z0, y0, x0, rows, planes, distinct, sums, pairs, total, masked, background)
                    if n > 0:
                        counted = n - 1 if masked and distinct[n - 1] == background else n
                        elect(sums, n, counted, cube // 2, most, best)
                        at, side = 0, cube // 2
                        for level in range(levels):
                            ny, nx = shapes[level, 1], shapes[level, 2]
                            row = begins[level] + (fz[level, tz] * ny + fy[level, ty]) * nx + fx[level, tx]
                            for m in range(side * side):
                                begin = row + ((rows[m, 0] >> 1) * ny + (rows[m, 1] >> 1)) * nx
                                line = values[begin : begin + side]
                                for k in range(side):
                                    line[k] = distinct[best[at]]
                                    wins[best[at]] |= 1 << level
                                    at += 1
                            side //= 2
                        for one in range(n):
                            if keep and one < counted:
                                entries[end], counts[end] = distinct[one], sums[one, len(most) - 1]
                                end += 1
                            if tracked:
                                listed = _list(distinct[one], wins[one], found, marks, listed, recent)
                            wins[one] = 0
                        if keep:
                            ends[top] = end
                        top += 1
                        continue
                start, stop = (fz[0, tz], fy[0, ty], fx[0, tx]), (fz[0, tz + 1], fy[0, ty + 1], fx[0, tx + 1])
                shape = (shapes[0, 0], shapes[0, 1], shapes[0, 2])
                n = _count(
                    data, pz[0], py[0], px[0], start, stop, shape, masked, background, tracked,
                    values, mixed, new, new_counts, new_ends, tally, wins, distinct, table, slots,
                )  # fmt: skip
                size = new_ends[(stop[0] - start[0]) * (stop[1] - start[1]) * (stop[2] - start[2])]
                for level in range(1, levels):
                    new, old, new_counts, old_counts = old, new, old_counts, new_counts
                    new_ends, old_ends = old_ends, new_ends
                    first_child, ny, nx, finer_shape = start, stop[1] - start[1], stop[2] - start[2], shape
                    start = (fz[level, tz], fy[level, ty], fx[level, tx])
                    stop = (fz[level, tz + 1], fy[level, ty + 1], fx[level, tx + 1])
                    shape = (shapes[level, 0], shapes[level, 1], shapes[level, 2])
                    size, n = _merge(
                        pz[level], py[level], px[level], start, stop, shape, first_child, ny, nx,
                        wz[level - 1], wy[level - 1], wx[level - 1], finer_shape, masked, background, tracked,
                        1 << level, n, values[begins[level] :], mixed[begins[level] :], values[begins[level - 1] :],
                        old, old_counts, old_ends, new, new_counts, new_ends, tally, wins, distinct, table, slots,
                    )  # fmt: skip
                if keep:
                    for entry in range(size):
                        entries[end], counts[end] = distinct[new[entry]], new_counts[entry]
                        end += 1
                    ends[top] = end
                top += 1
                for one in range(n):
                    if one >= _FEW:
                        table[slots[one]] = -1
                    if tracked:
                        listed = _list(distinct[one], wins[one], found, marks, listed, recent)
                    wins[one] = 0
    return listed, end
