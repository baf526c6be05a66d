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
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.instance import Instance, as_points, parse_block_shape
from voxome.remotes.dvid.parsing import parse_bools

BATCH = 10_000
"""Number of points per request."""


@dataclass(frozen=True)
class Subvolume:
    """Part of the partition of a region.

    Attributes
    ----------
    box : Box
        z, y, x in voxels.
    total_blocks, active_blocks : int
        Number of blocks in it, and of those in the region.
    """

    box: Box
    total_blocks: int
    active_blocks: int

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Subvolume:
        """Parse DVID's JSON."""
        (x0, y0, z0), (x1, y1, z1) = reply["MinPoint"], reply["MaxPoint"]
        box = Box((z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1))
        return cls(box, int(reply["TotalBlocks"]), int(reply["ActiveBlocks"]))


class Roi(Instance):
    """Region of interest: a set of blocks."""

    @cached_property
    def block_shape(self) -> tuple[int, int, int]:
        """Block shape (z, y, x) in voxels."""
        return parse_block_shape(self.info)

    def runs(self) -> Runs:
        """Return the region in blocks, as rows of z, y, x0, x1 with x1 exclusive."""
        return self._get_json("roi", parse=_runs)

    def write(self, runs: Runs | ArrayLike) -> None:
        """Replace the region.

        DVID erases the old region before it checks the new one, so everything is checked before it is sent.

        Parameters
        ----------
        runs : Runs, or (n, 4) array of int
            z, y, x0, x1 in blocks, x1 exclusive.

        Raises
        ------
        InvalidInput
            If the runs are invalid; the region is then unchanged.
        """
        table = (runs if isinstance(runs, Runs) else Runs.from_table(runs)).table
        if not len(table):
            raise InvalidInput("a region needs at least one block; use erase() to empty it")
        if max(abs(int(table.min())), abs(int(table.max()))) > np.iinfo(np.int32).max:
            raise InvalidInput(f"{self.name}: the runs extend over {Runs(table).box}, beyond DVID's 32-bit coordinates")
        self._post("roi", json=(table - np.array([0, 0, 0, 1])).tolist(), idempotent=True)

    def erase(self) -> None:
        """Empty the region."""
        self.node.delete(self.name, "roi")

    def mask(self, box: Box) -> NDArray[np.bool_]:
        """Return the mask of the region in `box` (z, y, x, in voxels), computed from its runs."""
        blocks = box.coarsen(self.block_shape)
        dense = self.runs().mask(blocks)
        indices = [
            np.arange(low, high) // size - first
            for low, high, size, first in zip(box.start, box.stop, self.block_shape, blocks.start, strict=True)
        ]
        return dense[np.ix_(*indices)]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each point (rows of z, y, x in voxels) is in the region."""
        rows = as_points(points)[:, ::-1]

        def request(batch: NDArray[np.int64]) -> list[bool]:
            return self._post_json("ptquery", json=batch.tolist(), idempotent=True, parse=parse_bools)

        parts = self._in_batches(request, rows, BATCH)
        return np.array([inside for part in parts for inside in part], np.bool_)

    def partition(self, blocks: int) -> list[Subvolume]:
        """Partition the region into cubes of `blocks` blocks along an edge; empty cubes are omitted."""
        if blocks < 1:
            raise InvalidInput(f"cannot partition into cubes of {blocks} blocks; expected at least 1")
        parse = lambda reply: list(map(Subvolume.from_json, reply["Subvolumes"] or []))  # noqa: E731
        return self._get_json("partition", batchsize=blocks, parse=parse)


def _runs(reply: Any) -> Runs:
    """Parse DVID's spans: z, y, first x, last x."""
    return Runs.from_table([[z, y, first, last + 1] for z, y, first, last in reply or []])
