"""A lazy cover of a box by blocks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from voxome.calls import explain_construction
from voxome.errors import InvalidBox, describe_value
from voxome.geometry.box import Box, parse_indices

Halo = tuple[tuple[int, ...], tuple[int, ...]]
"""Voxels read before and after a write box, along every axis."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a grid.

    Attributes
    ----------
    index : int
        Position in the grid, in C order.
    write : Box
        Voxels that belong to this block alone: the write boxes of a grid tile the requested box.
    read : Box
        Voxels that it may read: `write` grown by the halo, clipped at the domain.
    """

    index: int
    write: Box
    read: Box


@explain_construction
@dataclass(frozen=True)
class BlockGrid:
    """The blocks of a regular grid that touch `box`.

    No list is kept: block *i*, and the blocks that touch a box, are computed in constant time, so a grid of a petabyte
    costs as much as one of a crop. Blocks at the border of `box` write only the part inside it.

    Parameters
    ----------
    domain : Box
        All existing voxels, beyond which nothing is read.
    block : tuple of int
        Shape of a full block in voxels.
    box : Box, optional
        Voxels to cover; the domain if None.
    halo : pair of tuples of int, optional
        Voxels read before and after the write box, along every axis.
    anchor : tuple of int, optional
        A voxel at which a block starts; the start of `domain` if None, whatever `box` is.

    Raises
    ------
    InvalidBox
        If `box` is empty or leaves the domain, or a block has no voxel.

    Examples
    --------
    >>> grid = BlockGrid(Box((0,), (10,)), (4,), halo=((1,), (1,)))
    >>> [(str(b.write), str(b.read)) for b in grid]
    [('0:4', '0:5'), ('4:8', '3:9'), ('8:10', '7:10')]
    """

    domain: Box
    block: tuple[int, ...]
    box: Box = None  # type: ignore[assignment]
    halo: Halo | None = None
    anchor: tuple[int, ...] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.box is None:
            object.__setattr__(self, "box", self.domain)
        for name, box in (("domain", self.domain), ("box", self.box)):
            if not isinstance(box, Box):
                raise InvalidBox(f"{name} is {describe_value(box)}; expected a voxome.Box")
        object.__setattr__(self, "block", parse_indices("block", self.block))
        if self.halo is not None:
            object.__setattr__(self, "halo", _parse_halo(self.halo, self.domain.ndim))
        anchor = self.domain.start if self.anchor is None else self.anchor
        object.__setattr__(self, "anchor", parse_indices("anchor", anchor))
        if len(self.anchor) != self.domain.ndim:
            raise InvalidBox(f"anchor {self.anchor} must have {self.domain.ndim} axes")
        if len(self.block) != self.domain.ndim or min(self.block, default=0) < 1:
            raise InvalidBox(f"block {self.block} must have {self.domain.ndim} axes of at least 1 voxel")
        if self.box.ndim != self.domain.ndim or self.box not in self.domain or self.box.empty:
            raise InvalidBox(f"box {self.box} is empty or outside the domain {self.domain}")

    @cached_property
    def _first(self) -> tuple[int, ...]:
        return self._cell(self.box.start)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks along every axis."""
        last = self._cell(tuple(i - 1 for i in self.box.stop))
        return tuple(b - a + 1 for a, b in zip(self._first, last, strict=True))

    def _cell(self, point: Sequence[int]) -> tuple[int, ...]:
        return tuple((i - o) // n for i, o, n in zip(point, self.anchor, self.block, strict=True))

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __iter__(self) -> Iterator[Block]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Block:
        """Return block `index`, in C order (the last axis fastest)."""
        if not 0 <= index < len(self):
            raise IndexError(f"block {index} is out of range for a grid of {len(self)} blocks")
        cell, rest = [], index
        for n in reversed(self.shape):
            rest, i = divmod(rest, n)
            cell.append(i)
        sides = zip(self.anchor, self._first, reversed(cell), self.block, strict=True)
        start = tuple(o + (f + i) * n for o, f, i, n in sides)
        write = Box.of_shape(self.block, start) & self.box
        read = write if self.halo is None else write.grow(*self.halo) & self.domain
        return Block(index, write, read)

    def index_at(self, cell: Sequence[int]) -> int:
        """Return the index of the block at position `cell` of the grid."""
        index = 0
        for i, n in zip(cell, self.shape, strict=True):
            if not 0 <= i < n:
                raise IndexError(f"cell {tuple(cell)} is out of range for a grid of shape {self.shape}")
            index = index * n + i
        return index

    def index_of(self, point: Sequence[int]) -> int:
        """Return the index of the block whose write box contains `point`."""
        voxel = parse_indices("point", point)
        if voxel not in self.box:
            raise InvalidBox(f"voxel {voxel} is not in the box {self.box}")
        return self.index_at(tuple(i - f for i, f in zip(self._cell(voxel), self._first, strict=True)))

    def touching(self, box: Box) -> Iterator[int]:
        """Yield the indices of the blocks whose write box meets `box`, in order."""
        overlap = box & self.box
        if overlap.empty:
            return
        low = self._cell(overlap.start)
        high = self._cell(tuple(i - 1 for i in overlap.stop))
        ranges = [range(a - f, b - f + 1) for a, b, f in zip(low, high, self._first, strict=True)]
        for cell in itertools.product(*ranges):
            yield self.index_at(cell)


def _parse_halo(halo: Halo, ndim: int) -> Halo:
    """Return a halo of whole numbers, two for each axis."""
    if not isinstance(halo, Sequence) or len(halo) != 2:
        raise InvalidBox(f"halo is {describe_value(halo)}; expected the voxels before and after, as ((1, 1), (1, 1))")
    low, high = (parse_indices("halo", side) for side in halo)
    if not len(low) == len(high) == ndim or min(*low, *high) < 0:
        raise InvalidBox(f"halo {halo} must have {ndim} axes of at least 0 voxels")
    return low, high


def region_grids(box: Box, block: Sequence[int]) -> tuple[BlockGrid, ...]:
    """Return the levels of a tree: blocks from the corner of `box` on, then regions of twice the size, up to one."""
    grids = [BlockGrid(box, tuple(block))]
    while len(grids[-1]) > 1:
        grids.append(BlockGrid(box, tuple(2 * n for n in grids[-1].block)))
    return tuple(grids)
