"""Means of cells: exact sums and counts, which add up over any number of levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from voxome.tools.common.cells.pairs import add_sums, add_voxels, round_means, shift_of, steps_of

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
            highs, sums = (_sum(half, mask, edges, factors) for half in halves)
        else:
            highs, sums = None, _sum(compilable(data), mask, edges, factors)
        counts = None if mask is None else _sum(mask.view(np.uint8), None, edges, factors).astype(np.int64)
        return cls(box.coarsen(factors), sums, highs, counts, sizes_of(edges), dtype, no_data)

    def coarsen(self, factors: tuple[int, ...]) -> MeanCells:
        """Return the cells of `factors` of these cells."""
        edges = cell_edges(self.box, factors)
        sizes = add_sizes(self.sizes, edges)
        sums, highs, counts = (
            None if one is None else _sum_cells(one, edges, sizes) for one in (self.sums, self.highs, self.counts)
        )
        assert sums is not None
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
            self._round(means)
            means = restored(means, self.dtype)
        if self.no_data is not None and self.counts is not None:
            means[self.counts == 0] = self.no_data
        return means

    def _round(self, means: NDArray[Any]) -> None:
        shift = None if self.highs is not None or self.counts is not None else shift_of(self.sizes)
        if shift is not None:
            round_means(self.sums, shift, means)
            return
        from voxome.tools.common.cells import mean_kernels as kernels

        if self.highs is not None:
            counts = np.ascontiguousarray(self.all_counts).reshape(-1)
            kernels.round_wide(self.highs.reshape(-1), self.sums.reshape(-1), counts, means.reshape(-1))
        elif self.counts is None:
            kernels.round_full(self.sums, *self.sizes, means)
        else:
            kernels.round(self.sums.reshape(-1), self.counts.reshape(-1), means.reshape(-1))


def _counted(data: NDArray[Any], no_data: Any) -> NDArray[np.bool_] | None:
    """Return which voxels count; None if all do."""
    mask = None if no_data is None else data != no_data
    if data.dtype.kind == "f":
        known = ~np.isnan(data)
        mask = known if mask is None else mask & known
    return None if mask is None or mask.all() else mask


def _sum(data: NDArray[Any], mask: NDArray[np.bool_] | None, edges: Edges, factors: Sequence[int] = ()) -> NDArray[Any]:
    """Return the sums of cells of voxels, which have `factors`, or of cells."""
    voxels, short = np.ascontiguousarray(data), data.dtype.itemsize <= 2 and math.prod(factors) <= _MAX_SHORT
    steps = steps_of(edges) if mask is None and short and data.dtype.kind == "u" else None
    if steps is not None:
        return add_voxels(voxels, steps)
    from voxome.tools.common.cells.mean_kernels import add, add_counted

    sums = np.zeros(shape_of(edges), np.float64 if data.dtype.kind == "f" else np.int32 if short else np.int64)
    if mask is None:
        add(voxels, *edges, *(bool((np.diff(one) == 2).all()) for one in edges[1:]), sums)
    else:
        add_counted(voxels, np.ascontiguousarray(mask), *edges, sums)
    return sums


def _sum_cells(sums: NDArray[Any], edges: Edges, sizes: Sizes) -> NDArray[Any]:
    """Return the sums of cells of cells, which then have `sizes`."""
    steps = None if sums.dtype.kind == "f" else steps_of(edges)
    if steps is None:
        return _sum(sums, None, edges)
    voxels = math.prod(int(one.max()) for one in sizes)
    return add_sums(sums, steps, exact=sums.dtype == np.int32 and voxels <= _MAX_SHORT)
