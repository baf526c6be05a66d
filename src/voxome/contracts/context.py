"""Where a tool works: a block, a region of a tree, a group of ids, or the frame of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.geometry import Box


@dataclass(frozen=True)
class BlockContext:
    """One block: the boxes to write and to read, the frame of the step, and the id of the run."""

    write: Box
    read: Box
    frame: Frame
    run: str = ""


class RegionParts(Protocol):
    """The rows of a tree of regions, read region by region; also what a tool gets as such an input."""

    @property
    def levels(self) -> int:
        """Number of levels of the tree; the last has one region."""

    def rows(self, output: str, level: int, index: int) -> Rows:
        """Return the rows of region `index` of `level`."""

    def index_at(self, level: int, point: Sequence[int]) -> int:
        """Return the region of `level` that contains the voxel `point` (z, y, x)."""


@dataclass(frozen=True)
class Region:
    """One region of a tree: a block at level 0, above it two of the level below along every axis."""

    level: int
    box: Box
    children: tuple[int, ...]
    parts: RegionParts
    frame: Frame


class GroupRows(Protocol):
    """The rows of the objects of one group of ids, which several blocks have returned; memory holds those of one."""

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of the group, sorted."""

    def rows(self, id: int) -> Rows:
        """Return the rows of an object, in the order of the blocks."""


@dataclass(frozen=True)
class Group:
    """One group of ids: its number, how many there are, and the frame of the step; see `contracts.id_groups`."""

    index: int
    count: int
    frame: Frame


Context = BlockContext | Region | Group | Frame
"""Context of a tool of blocks, of regions, of groups of ids or of whole tables."""
