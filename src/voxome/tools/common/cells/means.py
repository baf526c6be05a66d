"""Means of cells: exact sums and counts, which add up over any number of levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.dtypes import compilable, restored
from voxome.tools.common.cells.edges import (
    SIZES,
    Edges,
    Sizes,
    add_sizes,
    cell_edges,
    paste,
    paste_sizes,
    shape_of,
    sizes_of,
)

_jit = nb.njit(nogil=True, cache=True, boundscheck=False)
_LOW_BITS = 32
"""Integers of 64 bits are summed in two halves, so that no sum overflows."""
_MAX_SHORT = 1 << 15
"""Voxels of 16 bits whose sum fits into 32 bits, which are added up faster."""


@dataclass(frozen=True)
class MeanCells:
    """Sums over the voxels of cells.

    Attributes
    ----------
    box : Box
        The cells, along z, y, x.
    sums : (z, y, x) array of int32, int64 or float64
        Sums of the voxels that count; of 64-bit integers, of their lower 32 bits.
    highs : (z, y, x) array of int64, or None
        Sums of the upper 32 bits of 64-bit integers.
    counts : (z, y, x) array of int64, or None
        How many voxels count; None if all do.
    sizes : three arrays of int64
        Voxels along the cells, along z, y and x.
    dtype : dtype
        Data type of the voxels.
    no_data : number or None
        Value that does not count.
    """

    box: Box
    sums: NDArray[Any]
    highs: NDArray[np.int64] | None
    counts: NDArray[np.int64] | None
    sizes: Sizes
    dtype: np.dtype[Any]
    no_data: Any

    @classmethod
    def of_voxels(cls, data: NDArray[Any], box: Box, factors: tuple[int, ...], no_data: Any) -> MeanCells:
        """Return the cells of `factors` voxels; `data` are the voxels of `box`."""
        edges, dtype = cell_edges(box, factors), data.dtype
        mask = _counted(data, no_data)
        if dtype.kind in "iu" and dtype.itemsize == 8:
            halves = (
                (data >> _LOW_BITS).astype(np.int64),
                (data & np.asarray((1 << _LOW_BITS) - 1, dtype)).astype(np.int64),
            )
            highs, sums = (_sum(half, mask, edges) for half in halves)
        else:
            highs, sums = None, _sum(compilable(data), mask, edges)
        counts = None if mask is None else _sum(mask.view(np.uint8), None, edges).astype(np.int64)
        return cls(box.coarsen(factors), sums, highs, counts, sizes_of(edges), dtype, no_data)

    def coarsen(self, factors: tuple[int, ...]) -> MeanCells:
        """Return the cells of `factors` of these cells."""
        edges = cell_edges(self.box, factors)
        highs = None if self.highs is None else _sum(self.highs, None, edges)
        sums, counts = _sum(self.sums, None, edges), None if self.counts is None else _sum(self.counts, None, edges)
        sizes = add_sizes(self.sizes, edges)
        return MeanCells(self.box.coarsen(factors), sums, highs, counts, sizes, self.dtype, self.no_data)

    @classmethod
    def join(cls, box: Box, parts: Sequence[MeanCells]) -> MeanCells:
        """Return the cells of `box`, which `parts` cover together."""
        first = parts[0]
        sums = paste(box, [(one.box, one.sums) for one in parts])
        halves = [(one.box, one.highs) for one in parts if one.highs is not None]
        highs = paste(box, halves) if halves else None
        masked = any(one.counts is not None for one in parts)
        counts = paste(box, [(one.box, one.all_counts) for one in parts]) if masked else None
        sizes = paste_sizes(box, [(one.box, one.sizes) for one in parts])
        return cls(box, sums, highs, counts, sizes, first.dtype, first.no_data)

    @property
    def all_counts(self) -> NDArray[np.int64]:
        """How many voxels of each cell count."""
        z, y, x = self.sizes
        return z[:, None, None] * y[:, None] * x if self.counts is None else self.counts

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of_arrays` needs to restore the cells."""
        some = {"highs": self.highs, "counts": self.counts}
        known = {name: values for name, values in some.items() if values is not None}
        return {"sums": self.sums, **known, **dict(zip(SIZES, self.sizes, strict=True))}

    @classmethod
    def of_arrays(cls, box: Box, arrays: Mapping[str, NDArray[Any]], dtype: np.dtype[Any], no_data: Any) -> MeanCells:
        """Return the cells whose `arrays` were stored."""
        z, y, x = (arrays[name] for name in SIZES)
        return cls(box, arrays["sums"], arrays.get("highs"), arrays.get("counts"), (z, y, x), dtype, no_data)

    @property
    def values(self) -> NDArray[Any]:
        """Means, those of integers rounded half to even; of cells in which nothing counts, no data or NaN."""
        if self.dtype.kind == "f":
            with np.errstate(all="ignore"):
                means = (self.sums / self.all_counts).astype(self.dtype)
        else:
            means = np.empty(self.sums.shape, np.uint8 if self.dtype.kind == "b" else self.dtype)
            if self.highs is not None:
                counts = np.ascontiguousarray(self.all_counts).reshape(-1)
                _round_wide(self.highs.reshape(-1), self.sums.reshape(-1), counts, means.reshape(-1))
            elif self.counts is None:
                _round_full(self.sums, *self.sizes, means)
            else:
                _round(self.sums.reshape(-1), self.counts.reshape(-1), means.reshape(-1))
            means = restored(means, self.dtype)
        if self.no_data is not None and self.counts is not None:
            means[self.counts == 0] = self.no_data
        return means


def _counted(data: NDArray[Any], no_data: Any) -> NDArray[np.bool_] | None:
    """Return which voxels count; None if all do."""
    mask = None if no_data is None else data != no_data
    if data.dtype.kind == "f":
        known = ~np.isnan(data)
        mask = known if mask is None else mask & known
    return None if mask is None or mask.all() else mask


def _sum(data: NDArray[Any], mask: NDArray[np.bool_] | None, edges: Edges) -> NDArray[Any]:
    largest = max(np.diff(edges[0])) * max(np.diff(edges[1])) * max(np.diff(edges[2]))
    short = data.dtype.itemsize <= 2 and largest <= _MAX_SHORT
    sums = np.zeros(shape_of(edges), np.float64 if data.dtype.kind == "f" else np.int32 if short else np.int64)
    voxels = np.ascontiguousarray(data)
    if mask is None:
        _add(voxels, *edges, *(bool((np.diff(one) == 2).all()) for one in edges[1:]), sums)
    else:
        _add_counted(voxels, np.ascontiguousarray(mask), *edges, sums)
    return sums


@_jit
def _add(data, ez, ey, ex, y_paired, x_paired, sums):  # type: ignore[no-untyped-def]
    """Add up the voxels of each cell, row by row; those of pairs in the same order, without a look at their edges."""
    zero = sums.dtype.type(0)
    cells = len(ex) - 1
    for cz in range(len(ez) - 1):
        for z in range(ez[cz], ez[cz + 1]):
            for cy in range(len(ey) - 1):
                total = sums[cz, cy]
                if y_paired and x_paired:
                    row, other = data[z, ey[cy]], data[z, ey[cy] + 1]
                    for cx in range(cells):
                        part = total[cx] + ((zero + row[2 * cx]) + row[2 * cx + 1])
                        total[cx] = part + ((zero + other[2 * cx]) + other[2 * cx + 1])
                    continue
                for y in range(ey[cy], ey[cy + 1]):
                    row = data[z, y]
                    if x_paired:
                        for cx in range(cells):
                            total[cx] += (zero + row[2 * cx]) + row[2 * cx + 1]
                    else:
                        for cx in range(cells):
                            part = zero
                            for x in range(ex[cx], ex[cx + 1]):
                                part += row[x]
                            total[cx] += part


@_jit
def _add_counted(data, mask, ez, ey, ex, sums):  # type: ignore[no-untyped-def]
    """Add up those voxels of each cell that count, in the order of `_add`."""
    zero = sums.dtype.type(0)
    for cz in range(len(ez) - 1):
        for z in range(ez[cz], ez[cz + 1]):
            for cy in range(len(ey) - 1):
                for y in range(ey[cy], ey[cy + 1]):
                    for cx in range(len(ex) - 1):
                        part = zero
                        for x in range(ex[cx], ex[cx + 1]):
                            if mask[z, y, x]:
                                part += data[z, y, x]
                        sums[cz, cy, cx] += part


@_jit
def _round_full(sums, sz, sy, sx, means):  # type: ignore[no-untyped-def]
    """Divide by the number of voxels, and round half to even; rows of cells of 1, 2, 4, … voxels by shifts."""
    cells = len(sx)
    for z in range(sums.shape[0]):
        for y in range(sums.shape[1]):
            row, out, n = sums[z, y], means[z, y], sz[z] * sy[y] * sx[cells // 2]
            begin, end, shift = cells, cells, 0
            if n & (n - 1) == 0:
                begin, end = int(sx[0] != sx[cells // 2]), cells - int(sx[cells - 1] != sx[cells // 2])
                while 1 << shift < n:
                    shift += 1
            exact = sums.dtype.type  # without it integers of 32 bits become 64, of which a register has half as many
            below, odd, by = exact(n // 2 - 1 if n > 1 else 0), exact(n > 1), exact(shift)
            inner, rounded = row[begin:end], out[begin:end]
            for x in range(len(inner)):
                rounded[x] = exact(exact(inner[x] + below) + exact(exact(inner[x] >> by) & odd)) >> by
            for at in range(cells - end + begin):
                x = at if at < begin else at + end - begin
                total, m = row[x], sz[z] * sy[y] * sx[x]
                mean = total // m
                rest = total - mean * m
                if 2 * rest > m or (2 * rest == m and mean & 1):
                    mean += 1
                out[x] = mean


@_jit
def _round(sums, counts, means):  # type: ignore[no-untyped-def]
    """Divide, and round half to even."""
    for i in range(len(sums)):
        total, n = sums[i], counts[i]
        if n == 8:
            mean, rest = total >> 3, total & 7
        elif n:
            mean = total // n
            rest = total - mean * n
        else:
            mean, rest = 0, 0
        if 2 * rest > n or (2 * rest == n and mean & 1):
            mean += 1
        means[i] = mean


@_jit
def _round_wide(highs, lows, counts, means):  # type: ignore[no-untyped-def]
    """Divide sums of two halves, and round half to even; counts are below 2**31."""
    for i in range(len(lows)):
        n = counts[i]
        if n == 0:
            means[i] = 0
            continue
        high = highs[i] // n
        left = ((highs[i] - high * n) << 32) + lows[i]
        low = left // n
        rest = left - low * n
        mean = (high << 32) + low
        if 2 * rest > n or (2 * rest == n and mean & 1):
            mean += 1
        means[i] = mean
