"""Most frequent values of cells: exact histograms, which merge over any number of levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.compiled import inner, jit
from voxome.tools.common.cells.dtypes import compilable, restored
from voxome.tools.common.cells.edges import (
    SIZES,
    Sizes,
    add_sizes,
    cell_edges,
    paste,
    paste_sizes,
    shape_of,
    sizes_of,
)
from voxome.tools.common.cells.mode_levels import ModeLevels, background_of, mode_levels

_FEW = 48
"""Up to so many entries are compared one by one; more are sorted."""


@dataclass(frozen=True)
class ModeCells:
    """Histograms of the voxels of cells, cell by cell in C order; cells of one value have no entries.

    Attributes
    ----------
    box : Box
        The cells, along z, y, x.
    values : (z, y, x) array
        The most frequent value of each, the smallest of equally frequent ones; of cells in which nothing counts, no
        data or NaN.
    ends : (n,) array of int64
        Where the entries of each cell end.
    ids : (m,) array
        Value of each entry.
    counts : (m,) array of int64
        How many voxels have it.
    sizes : three arrays of int64
        Voxels along the cells, along z, y and x.
    no_data : number or None
        Value that does not count.
    """

    box: Box
    values: NDArray[Any]
    ends: NDArray[np.int64]
    ids: NDArray[Any]
    counts: NDArray[np.int64]
    sizes: Sizes
    no_data: Any

    @classmethod
    def of_voxels(cls, data: NDArray[Any], box: Box, factors: tuple[int, ...], no_data: Any) -> ModeCells:
        """Return the cells of `factors` voxels; `data` are the voxels of `box`."""
        one = mode_levels(data, box, [factors], no_data, ids=False, keep=True)
        return cls.of_levels(one, box, factors, no_data)

    @classmethod
    def of_levels(cls, levels: ModeLevels, box: Box, factors: tuple[int, ...], no_data: Any) -> ModeCells:
        """Return the cells of the last of some levels, of `factors` voxels of `box`, with their histograms."""
        assert levels.histograms is not None, "the histograms are kept"
        sizes, values = sizes_of(cell_edges(box, factors)), levels.values[-1].copy()
        return cls(box.coarsen(factors), values, *levels.histograms, sizes, no_data)

    def coarsen(self, factors: tuple[int, ...]) -> ModeCells:
        """Return the cells of `factors` of these cells."""
        edges, old = cell_edges(self.box, factors), compilable(self.values)
        sizes, most = add_sizes(self.sizes, edges), len(self.ids) + old.size
        values = np.empty(shape_of(edges), old.dtype)
        ends, ids, counts = np.empty(values.size, np.int64), np.empty(most, old.dtype), np.empty(most, np.int64)
        background = background_of(self.no_data, old.dtype)
        entries = self.ends, self.ids, self.counts
        size = _merge(old, *entries, *self.sizes, *edges, *background, values, ends, ids, counts)
        entries = ends, ids[:size].copy(), counts[:size].copy()
        return ModeCells(self.box.coarsen(factors), restored(values, self.values.dtype), *entries, sizes, self.no_data)

    @classmethod
    def join(cls, box: Box, parts: Sequence[ModeCells]) -> ModeCells:
        """Return the cells of `box`, which `parts` cover together."""
        values = paste(box, [(one.box, one.values) for one in parts])
        ends = np.cumsum(paste(box, [(one.box, one._entries) for one in parts]), dtype=np.int64)
        ids, counts = np.empty(ends[-1], parts[0].ids.dtype), np.empty(ends[-1], np.int64)
        for one in parts:
            overlap = box & one.box
            start = tuple(slice_.start for slice_ in overlap.within(one.box))
            to = tuple(slice_.start for slice_ in overlap.within(box))
            _place(one.ends, one.ids, one.counts, one.box.shape, start, overlap.shape, ends, ids, counts, box.shape, to)
        sizes = paste_sizes(box, [(one.box, one.sizes) for one in parts])
        return cls(box, values, ends, ids, counts, sizes, parts[0].no_data)

    @property
    def _entries(self) -> NDArray[np.int64]:
        """Number of entries of each cell."""
        return np.diff(self.ends, prepend=0).reshape(self.box.shape)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of_arrays` needs to restore the cells."""
        entries = {"ends": self.ends, "ids": self.ids, "counts": self.counts}
        return {"values": self.values, **entries, **dict(zip(SIZES, self.sizes, strict=True))}

    @classmethod
    def of_arrays(cls, box: Box, arrays: Mapping[str, NDArray[Any]], dtype: np.dtype[Any], no_data: Any) -> ModeCells:
        """Return the cells whose `arrays` were stored."""
        z, y, x = (arrays[name] for name in SIZES)
        return cls(box, arrays["values"], arrays["ends"], arrays["ids"], arrays["counts"], (z, y, x), no_data)


@jit
def _place(  # type: ignore[no-untyped-def]
    old_ends, old_ids, old_counts, old_shape, start, shape, ends, ids, counts, new_shape, to
):
    """Copy the entries of a box of cells, row by row."""
    _, ny, nx = old_shape
    _, my, mx = new_shape
    for z in range(shape[0]):
        for y in range(shape[1]):
            old = ((start[0] + z) * ny + start[1] + y) * nx + start[2]
            new = ((to[0] + z) * my + to[1] + y) * mx + to[2]
            low, high = (old_ends[old - 1] if old else 0), old_ends[old + shape[2] - 1]
            at = ends[new - 1] if new else 0
            ids[at : at + high - low] = old_ids[low:high]
            counts[at : at + high - low] = old_counts[low:high]


@inner
def _sort(found, weights, size):  # type: ignore[no-untyped-def]
    """Sort values, with their weights, in place; an `argsort` would take seconds to compile."""
    gap = 1
    while gap < size // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, size):
            value, weight, at = found[i], weights[i], i
            while at >= gap and found[at - gap] > value:
                found[at], weights[at] = found[at - gap], weights[at - gap]
                at -= gap
            found[at], weights[at] = value, weight
        gap //= 3


@inner
def _tally(found, weights, size, ids, counts, at):  # type: ignore[no-untyped-def]
    """Write the histogram of weighted values from entry `at` on; return its end."""
    end = at
    if size <= _FEW:
        for i in range(size):
            entry = at
            while entry < end and ids[entry] != found[i]:
                entry += 1
            if entry == end:
                ids[end], counts[end] = found[i], 0
                end += 1
            counts[entry] += weights[i]
        return end
    _sort(found, weights, size)
    for i in range(size):
        if end == at or ids[end - 1] != found[i]:
            ids[end], counts[end] = found[i], 0
            end += 1
        counts[end - 1] += weights[i]
    return end


@inner
def _most_frequent(ids, counts, start, end, background):  # type: ignore[no-untyped-def]
    if start == end:
        return background
    best = start
    for entry in range(start + 1, end):
        more = counts[entry] > counts[best]
        if more or (counts[entry] == counts[best] and ids[entry] < ids[best]):
            best = entry
    return ids[best]


@inner
def _is_uniform(data, z0, z1, y0, y1, x0, x1):  # type: ignore[no-untyped-def]
    first = data[z0, y0, x0]
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                if data[z, y, x] != first:
                    return False
    return True


@jit
def _merge(  # type: ignore[no-untyped-def]
    old, old_ends, old_ids, old_counts, sz, sy, sx, ez, ey, ex, masked, background, values, ends, ids, counts
):
    """Merge the histograms of the cells in each coarser cell; return the number of entries."""
    found, weights = np.empty(_FEW, old.dtype), np.empty(_FEW, np.int64)
    ny, nx = old.shape[1], old.shape[2]
    cell, end = 0, np.int64(0)
    for cz in range(len(ez) - 1):
        for cy in range(len(ey) - 1):
            for cx in range(len(ex) - 1):
                first = old[ez[cz], ey[cy], ex[cx]]
                uniform = first == first
                for z in range(ez[cz], ez[cz + 1]):
                    for y in range(ey[cy], ey[cy + 1]):
                        begin = (z * ny + y) * nx + ex[cx]
                        last = begin + ex[cx + 1] - ex[cx] - 1
                        uniform = uniform and (old_ends[last] == (old_ends[begin - 1] if begin else 0))
                if uniform and _is_uniform(old, ez[cz], ez[cz + 1], ey[cy], ey[cy + 1], ex[cx], ex[cx + 1]):
                    values[cz, cy, cx] = first
                    ends[cell] = end
                    cell += 1
                    continue
                size, full = np.int64(0), 0
                for z in range(ez[cz], ez[cz + 1]):
                    for y in range(ey[cy], ey[cy + 1]):
                        for x in range(ex[cx], ex[cx + 1]):
                            child = (z * ny + y) * nx + x
                            low, high = (old_ends[child - 1] if child else 0), old_ends[child]
                            voxels = sz[z] * sy[y] * sx[x]
                            full += voxels
                            if size + max(1, high - low) > len(found):
                                room = np.empty(size + high - low + 1, old.dtype)
                                found = np.concatenate((found, room))
                                weights = np.concatenate((weights, np.empty(len(room), np.int64)))
                            if low == high:
                                value = old[z, y, x]
                                if size and found[size - 1] == value:
                                    weights[size - 1] += voxels
                                elif value == value and not (masked and value == background):
                                    found[size], weights[size] = value, voxels
                                    size += 1
                            for entry in range(low, high):
                                if size and found[size - 1] == old_ids[entry]:
                                    weights[size - 1] += old_counts[entry]
                                    continue
                                found[size], weights[size] = old_ids[entry], old_counts[entry]
                                size += 1
                start = end
                end = _tally(found, weights, size, ids, counts, end)
                values[cz, cy, cx] = _most_frequent(ids, counts, start, end, background)
                if end == start + 1 and counts[start] == full:
                    end = start
                ends[cell] = end
                cell += 1
    return end
