"""Levels computed together, and levels put together from their pieces: what a worker needs to know, as JSON values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from voxome.contracts.downsampling import Method
from voxome.contracts.spec import Scale
from voxome.geometry import Box
from voxome.services.transfer.blocks import Blocks

TILE_VOXELS, TILE_CELLS = 1 << 21, 1 << 18
"""Voxels that are combined at a time, unless a chunk of the source has more, and cells with their histograms."""


@dataclass(frozen=True)
class Axes:
    """Order of the axes of a volume: z, y, x last in everything that is computed.

    Attributes
    ----------
    order : tuple of int
        Position, in the volume, of each axis of the computed arrays.
    """

    order: tuple[int, ...]

    @classmethod
    def of(cls, ndim: int, spatial: Sequence[int]) -> Axes:
        """Return the order for a volume whose z, y, x are at `spatial`."""
        return cls((*(axis for axis in range(ndim) if axis not in spatial), *spatial))

    def arrange(self, box: Box) -> Box:
        """Return a box of the volume with z, y, x last."""
        return Box(tuple(box.start[i] for i in self.order), tuple(box.stop[i] for i in self.order))

    def restore(self, box: Box) -> Box:
        """Return a box with z, y, x last in the order of the volume."""
        start, stop = list(box.start), list(box.stop)
        for new, old in enumerate(self.order):
            start[old], stop[old] = box.start[new], box.stop[new]
        return Box(tuple(start), tuple(stop))

    @property
    def inverse(self) -> tuple[int, ...]:
        """Position, in the computed arrays, of each axis of the volume."""
        return tuple(self.order.index(axis) for axis in range(len(self.order)))


def spatial_part(box: Box) -> Box:
    """Return the last three axes of a box."""
    return Box(box.start[-3:], box.stop[-3:])


@dataclass(frozen=True, kw_only=True)
class Pass(Blocks):
    """Levels that are computed together: the first is written, block by block, and pieces of the others are kept.

    Attributes
    ----------
    source, target : str
        URIs of level 0 and of the volume with the levels.
    scratch : str
        Address of the folder for pieces.
    levels : tuple of int
        Numbers of the levels, in order.
    scales : tuple of (z, y, x)
        Their scales.
    earlier : Pass or None
        The pass from whose cells they are computed; None for the voxels of level 0.
    voxels : str
        Domain of level 0.
    spatial : tuple of int
        Positions of z, y and x among the axes.
    tile : (z, y, x)
        Cells of the last level that are computed at a time.
    dtype, method : str
        Data type of the voxels, and how they are combined.
    no_data : number or None
        Value that does not count.
    keep : bool
        Whether a later pass needs the cells of the last level.
    ids : bool
        Whether the ids of each level are collected.
    """

    source: str
    target: str
    scratch: str
    levels: tuple[int, ...]
    scales: tuple[Scale, ...]
    earlier: Pass | None
    voxels: str
    spatial: tuple[int, ...]
    tile: Scale
    dtype: str
    method: Method
    no_data: float | int | None
    keep: bool
    ids: bool

    @property
    def name(self) -> str:
        """Name to display."""
        first, last = self.levels[0], self.levels[-1]
        return f"level {first}" if first == last else f"levels {first} to {last}"

    @cached_property
    def axes(self) -> Axes:
        """Order of the axes."""
        return Axes.of(self.grid.domain.ndim, self.spatial)

    @property
    def before(self) -> int:
        """Level from whose cells the levels are computed; 0 for voxels."""
        return 0 if self.earlier is None else self.earlier.levels[-1]

    @cached_property
    def _scales(self) -> dict[int, Scale]:
        before = (1, 1, 1) if self.earlier is None else self.earlier.scales[-1]
        return {self.before: before, **dict(zip(self.levels, self.scales, strict=True))}

    def cells(self, level: int) -> Box:
        """Return all cells of a level along z, y, x, whether or not its array has a voxel for each."""
        return spatial_part(self.axes.arrange(Box.parse(self.voxels))).coarsen(self._scales[level])

    def ratio(self, level: int, finer: int) -> Scale:
        """Return the cells (z, y, x) of one level along a cell of another."""
        z, y, x = (a // b for a, b in zip(self._scales[level], self._scales[finer], strict=True))
        return z, y, x

    def write_box(self, index: int) -> Box:
        """Return what block `index` writes, with z, y, x last."""
        return self.axes.arrange(self.grid[index].write)

    def piece(self, index: int, level: int) -> Box:
        """Return the cells of a level that block `index` computes and keeps, with z, y, x last; empty, if none.

        Each cell is kept by one block: that in which it begins.
        """
        write, last = self.write_box(index), self.levels[-1]
        ratio, cells, all_written = self.ratio(last, self.levels[0]), self.cells(last), self.axes.arrange(self.grid.box)
        start, stop = [], []
        for axis in range(3):
            n = write.ndim - 3 + axis
            at_start, at_stop = write.start[n] == all_written.start[n], write.stop[n] == all_written.stop[n]
            start.append(cells.start[axis] if at_start else write.start[n] // ratio[axis])
            stop.append(cells.stop[axis] if at_stop else write.stop[n] // ratio[axis])
        box = Box(tuple(start), tuple(max(a, b) for a, b in zip(start, stop, strict=True)))
        part = box.refine(self.ratio(last, level)) & self.cells(level)
        return Box((*write.start[:-3], *part.start), (*write.stop[:-3], *part.stop))

    def tiles(self, index: int) -> Iterator[tuple[Box, bool]]:
        """Yield boxes of cells of the last level that together cover block `index`, and whether they are kept."""
        write, last = spatial_part(self.write_box(index)), self.levels[-1]
        kept = spatial_part(self.piece(index, last))
        touched = write.coarsen(self.ratio(last, self.levels[0]))
        ranges = [
            list(_cuts(min(a, k), max(b, m), k, m, n))
            for a, b, k, m, n in zip(touched.start, touched.stop, kept.start, kept.stop, self.tile, strict=True)
        ]
        for parts in itertools.product(*ranges):
            yield Box(tuple(p[0] for p in parts), tuple(p[1] for p in parts)), all(p[2] for p in parts)

    def pieces(self, box: Box, level: int) -> Iterator[tuple[int, Box]]:
        """Yield the blocks that keep cells of a level in `box` (z, y, x last), and all cells that each keeps."""
        last, first = self.levels[-1], self.levels[0]
        ratio = self.ratio(last, first)
        near = spatial_part(box).coarsen(self.ratio(last, level)).refine(ratio).grow(ratio)
        searched = Box((*box.start[:-3], *near.start), (*box.stop[:-3], *near.stop))
        for index in self.grid.touching(self.axes.restore(self._reach(searched))):
            piece = self.piece(index, level)
            if not (piece & box).empty:
                yield index, piece

    def _reach(self, box: Box) -> Box:
        """Return a box moved into what is written, so that cells beyond it are found with the blocks at its faces."""
        inner = self.axes.arrange(self.grid.box)
        start = (min(max(a, low), high - 1) for a, low, high in zip(box.start, inner.start, inner.stop, strict=True))
        stop = (max(min(b, high), low + 1) for b, low, high in zip(box.stop, inner.start, inner.stop, strict=True))
        return Box(tuple(start), tuple(stop))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pass:
        """Return the pass that `dataclasses.asdict` turned into `data`."""
        tuples = {name: tuple(data[name]) for name in ("block", "levels", "spatial", "tile")}
        scales = tuple(tuple(scale) for scale in data["scales"])
        earlier = None if data["earlier"] is None else cls.from_json(data["earlier"])
        return cls(**{**data, **tuples, "scales": scales, "earlier": earlier})


@dataclass(frozen=True, kw_only=True)
class Assembly(Blocks):
    """A level that is put together from the pieces of a pass.

    Attributes
    ----------
    level : int
        Its number.
    made_by : Pass
        What has computed it.
    """

    level: int
    made_by: Pass

    @property
    def name(self) -> str:
        """Name to display."""
        return f"level {self.level}"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assembly:
        """Return the assembly that `dataclasses.asdict` turned into `data`."""
        return cls(**{**data, "block": tuple(data["block"]), "made_by": Pass.from_json(data["made_by"])})


def tile_shape(ratio: Sequence[int], chunk: Sequence[int], voxels: int) -> Scale:
    """Return how many cells to compute at a time.

    Parameters
    ----------
    ratio : (z, y, x)
        Voxels of the source along one cell.
    chunk : (z, y, x)
        Voxels of the source that are best read, and written as cells, together; tiles hold complete chunks, where these
        are not much larger than a tile.
    voxels : int
        Approximate number of voxels of the source in a tile.
    """
    tile = [max(1, -(-chunk // n)) for chunk, n in zip(chunk, ratio, strict=True)]
    while _voxels(tile, ratio) > 4 * voxels and max(tile) > 1:
        longest = max((axis for axis in range(3) if tile[axis] > 1), key=lambda axis: tile[axis] * ratio[axis])
        tile[longest] = -(-tile[longest] // 2)
    while 2 * _voxels(tile, ratio) <= voxels:
        shortest = min(range(3), key=lambda axis: (tile[axis] * ratio[axis], axis))
        tile[shortest] *= 2
    z, y, x = tile
    return z, y, x


def _voxels(tile: Sequence[int], ratio: Sequence[int]) -> int:
    return math.prod(n * r for n, r in zip(tile, ratio, strict=True))


def _cuts(start: int, stop: int, first: int, end: int, step: int) -> Iterator[tuple[int, int, bool]]:
    """Cut a range every `step` from `first` on, at `end`; yield the parts, and whether they are between these."""
    edges = sorted({start, stop, *(at for at in (first, end) if start <= at <= stop), *range(first, end, step)})
    for a, b in itertools.pairwise(edges):
        yield a, b, first <= a and b <= end
