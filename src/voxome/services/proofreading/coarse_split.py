"""Division of supervoxels in the coarser levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale
from voxome.geometry import Box
from voxome.services.proofreading.chunk_edits import ChunkEdit, chunk_edits
from voxome.services.proofreading.voxels import StoredVoxels


def coarse_levels(pyramid: SupportsLevels) -> list[tuple[int, Scale]]:
    """Return number and scale of the coarser levels, up to the first whose voxels are not multiples of the finest."""
    result = []
    for number, level in enumerate(pyramid.levels[1:], 1):
        if level.scale is None:
            break
        result.append((number, level.scale))
    return result


def coarse_levels_of(source: VolumeSource) -> list[tuple[int, Scale]]:
    """Return the `coarse_levels` of a volume, which may have none."""
    pyramid = ability(source, SupportsLevels)
    return [] if pyramid is None else coarse_levels(pyramid)


def cells_around(source: VolumeSource, box: Box) -> Box:
    """Return the voxels of all coarser voxels that meet a box, which is not empty."""
    cells = [box, *(box.snap(scale) & source.spec.domain for _, scale in coarse_levels_of(source))]
    return Box(
        tuple(min(one.start[axis] for one in cells) for axis in range(3)),
        tuple(max(one.stop[axis] for one in cells) for axis in range(3)),
    )


@dataclass(frozen=True, eq=False)
class CoarseSplit:
    """A split, as the coarser levels show it.

    A voxel of these keeps its id, or gets the new one that is divided off it, never another: so it changes where the
    split is done, and neither on other branches nor in earlier versions. It is on side b where more of the voxels in it
    that its supervoxel has are on side b than on side a.

    Attributes
    ----------
    box : Box
        Voxels of the finest level: `cells_around` what changes.
    ids : (z, y, x) array of uint64
        Ids in these before the split.
    on_b : (z, y, x) array of bool
        Which are on side b, of the divided supervoxels.
    divided : list of set of int
        Ids in the voxels of each divided supervoxel.
    parents : list of int
        Ids in the voxels that are divided.
    """

    box: Box
    ids: NDArray[np.uint64]
    on_b: NDArray[np.bool_]
    divided: list[set[int]]
    parents: list[int]

    def chunk_edits(self, source: VolumeSource, connection: sa.Connection, touched: Box) -> Iterator[ChunkEdit]:
        """Yield the changes of the coarser levels of `source` in a box of the finest one."""
        pyramid = ability(source, SupportsLevels)
        if pyramid is None:
            return
        for level, scale in coarse_levels(pyramid):
            voxels = StoredVoxels(pyramid.level(level), level)
            box = touched.coarsen(scale) & voxels.source.spec.domain
            if not box.empty:
                new = self._new_ids(voxels.read(box, connection), box, scale)
                yield from chunk_edits(voxels.source.spec.domain, level, box, new)

    def _new_ids(self, before: NDArray[np.uint64], box: Box, scale: Scale) -> NDArray[np.int32]:
        """Return the positions of the new ids of coarser voxels, from 1; 0 for those that keep their id."""
        fine = box.refine(scale) & self.box
        inside = fine.within(self.box)
        ends = zip(fine.start, fine.stop, box.start, scale, strict=True)
        cells = [np.arange(a, b) // factor - low for a, b, low, factor in ends]
        supervoxels = _find(before, self._numbers)
        is_same = self._supervoxels[inside] == supervoxels[np.ix_(*cells)]
        on_b = _count(is_same & self.on_b[inside], cells)
        is_b = 2 * on_b > _count(is_same, cells)
        parts = _find(before, {id: number for number, id in enumerate(self.parents, 1)})
        return np.where(is_b, parts, np.int32(0))

    @cached_property
    def _supervoxels(self) -> NDArray[np.int32]:
        return _find(self.ids, self._numbers)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {id: number for number, ids in enumerate(self.divided, 1) for id in ids}


def _find(ids: NDArray[np.uint64], numbers: dict[int, int]) -> NDArray[np.int32]:
    """Return the numbers of ids, 0 for others."""
    keys = np.array(sorted(numbers), np.uint64)
    values = np.array([numbers[key] for key in keys.tolist()], np.int32)
    at = np.minimum(np.searchsorted(keys, ids), len(keys) - 1)
    return np.where(keys[at] == ids, values[at], np.int32(0))


def _count(mask: NDArray[np.bool_], cells: Sequence[NDArray[np.intp]]) -> NDArray[np.int64]:
    """Return how many voxels are true in each cell; `cells` are the positions of their cells, along each axis."""
    counts: NDArray[Any] = mask
    for axis in (2, 1, 0):
        first = np.searchsorted(cells[axis], np.arange(cells[axis][-1] + 1))
        counts = np.add.reduceat(counts, first, axis, dtype=np.int64)
    return counts
