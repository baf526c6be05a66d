"""Regions of interest: sets of blocks, as runs and as masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.remotes.dvid.instance import Instance, as_points, block_shape
from voxome.remotes.dvid.parsing import flags
from voxome.remotes.dvid.sparse import Runs

BATCH = 10_000
"""Points asked for at once."""


@dataclass(frozen=True)
class Subvolume:
    """A piece of a region's partition.

    Attributes
    ----------
    box : Box
        z, y, x in voxels.
    total_blocks, active_blocks : int
        Blocks in it, and how many of them are in the region.
    """

    box: Box
    total_blocks: int
    active_blocks: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Subvolume:
        """Read DVID's JSON."""
        (x0, y0, z0), (x1, y1, z1) = said["MinPoint"], said["MaxPoint"]
        box = Box((z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1))
        return cls(box, int(said["TotalBlocks"]), int(said["ActiveBlocks"]))


class Roi(Instance):
    """A region of interest: a set of blocks."""

    @cached_property
    def block_shape(self) -> tuple[int, int, int]:
        """Voxels of a block along z, y, x."""
        return block_shape(self.info)

    def runs(self) -> Runs:
        """The region, in blocks: rows of z, y, x0, x1 with x1 not in it, where DVID's own lists include it."""
        return self._json("roi", read=_runs)

    def write(self, runs: Runs | ArrayLike) -> None:
        """Replace the region.

        DVID erases a region before it reads the new one, so nothing is sent that it would refuse.

        Parameters
        ----------
        runs : Runs, or (n, 4) array of int
            z, y, x0, x1 in blocks, x1 not in it.

        Raises
        ------
        InvalidInput
            If they are no such runs; the region is then as it was.
        """
        table = (runs if isinstance(runs, Runs) else Runs.of(runs)).table
        if not len(table):
            raise InvalidInput("a region has at least one block; use erase() to empty it")
        if max(abs(int(table.min())), abs(int(table.max()))) > np.iinfo(np.int32).max:
            raise InvalidInput(f"{self.name}: the runs reach over {Runs(table).box}; DVID's coordinates have 32 bits")
        self._post("roi", json=(table - np.array([0, 0, 0, 1])).tolist(), idempotent=True)

    def erase(self) -> None:
        """Make the region empty."""
        self.node.delete(self.name, "roi")

    def mask(self, box: Box) -> NDArray[np.bool_]:
        """Which voxels of `box` (z, y, x) are in the region; computed from its runs."""
        shape = self.block_shape
        start = [low // size for low, size in zip(box.start, shape, strict=True)]
        stop = [-(-high // size) for high, size in zip(box.stop, shape, strict=True)]
        dense = self.runs().mask(Box(tuple(start), tuple(max(a, b) for a, b in zip(start, stop, strict=True))))
        places = [
            np.arange(low, high) // size - first
            for low, high, size, first in zip(box.start, box.stop, shape, start, strict=True)
        ]
        return dense[np.ix_(*places)]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether each point (rows of z, y, x in voxels) is in the region."""
        rows = as_points(points)[:, ::-1]

        def ask(part: NDArray[np.int64]) -> list[bool]:
            return self._posted("ptquery", json=part.tolist(), idempotent=True, read=flags)

        parts = self._each(ask, rows, BATCH)
        return np.array([inside for part in parts for inside in part], np.bool_)

    def partition(self, blocks: int) -> list[Subvolume]:
        """The region cut into cubes of so many blocks an edge; cubes without any of its blocks are left out."""
        if blocks < 1:
            raise InvalidInput(f"cubes of {blocks} blocks; at least 1 was expected")
        read = lambda said: list(map(Subvolume.of, said["Subvolumes"] or []))  # noqa: E731
        return self._json("partition", batchsize=blocks, read=read)


def _runs(said: Any) -> Runs:
    """Runs of DVID's spans z, y, first x, last x."""
    return Runs.of([[z, y, first, last + 1] for z, y, first, last in said or []])
