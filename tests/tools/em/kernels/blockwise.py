"""A runner in memory that segments a volume block by block, as the blockwise tools do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.tools.common.voxel_ids import unpack
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.exits import Resolved, apply_lookup, block_exits, relabel, resolve_region
from voxome.tools.em.kernels.height import HeightParams, height_halo, height_map

Cell = tuple[int, ...]
Ids = NDArray[np.uint64]


class Runner:
    """Fragments of a grid, through a tree of regions of 2**level blocks a side."""

    def __init__(self, membrane: NDArray[np.uint8], grid: BlockGrid, params: HeightParams) -> None:
        self.grid = grid
        self.labels: dict[Cell, Ids] = {}
        self.tables: dict[tuple[int, Cell], Resolved] = {}
        outgoing: dict[Cell, Ids] = {}
        halo = height_halo(params)
        for block in grid:
            near = block.write.grow((1, 1, 1)) & grid.box
            read = block.write.grow(halo) & grid.domain
            height = height_map(membrane[read.within(grid.domain)], params)[near.within(read)]
            cell = self.cell(block.index)
            self.labels[cell] = basins(height, near, block.write, grid.domain, grid.box)
            outgoing[cell] = block_exits(self.labels[cell], block.write, grid.domain)
        level = 0
        while len(outgoing) > 1 or any(len(o) for o in outgoing.values()):
            level += 1
            outgoing = self.resolve(level, outgoing)

    def cell(self, index: int) -> Cell:
        return tuple(int(i) for i in np.unravel_index(index, self.grid.shape))

    def region(self, level: int, cell: Cell) -> Box:
        first = self.grid._first
        start = [
            o + (f + (c << level)) * n
            for o, f, c, n in zip(self.grid.domain.start, first, cell, self.grid.block, strict=True)
        ]
        return Box.of_shape([n << level for n in self.grid.block], start) & self.grid.box

    def resolve(self, level: int, outgoing: dict[Cell, Ids]) -> dict[Cell, Ids]:
        parents: dict[Cell, list[Ids]] = {}
        for cell, exits in outgoing.items():
            parents.setdefault(tuple(i >> 1 for i in cell), []).append(exits)
        left = {}
        for cell, exits in parents.items():
            found = resolve_region(
                exits, lambda keys: self.lookup(level, keys), self.region(level, cell), self.grid.domain
            )
            self.tables[level, cell] = found
            left[cell] = found.outgoing
        return left

    def ancestors(self, cell: Cell, below: int) -> list[tuple[Ids, Ids]]:
        tables = (self.tables[k, tuple(i >> k for i in cell)] for k in range(1, below))
        return [(t.keys, t.targets) for t in tables]

    def lookup(self, level: int, keys: Ids) -> Ids:
        out = np.zeros_like(keys)
        for i, point in enumerate(unpack(keys, self.grid.domain)):
            cell = self.grid._cell(tuple(point))
            cell = tuple(c - f for c, f in zip(cell, self.grid._first, strict=True))
            start = self.region(0, cell).start
            label = self.labels[cell][tuple(point - start)].reshape(1)
            for table in self.ancestors(cell, level):
                label = apply_lookup(label, *table)
            out[i] = label[0]
        return out

    def fragments(self) -> Ids:
        out = np.zeros(self.grid.box.shape, np.uint64)
        top = max((level for level, _ in self.tables), default=0)
        for cell, labels in self.labels.items():
            box = self.region(0, cell)
            out[box.within(self.grid.box)] = relabel(labels, box, self.grid.domain, self.ancestors(cell, top + 1))
        return out
