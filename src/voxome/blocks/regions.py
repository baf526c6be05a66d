"""The rows that a tree of regions has put out, read region by region."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.step import Step
from voxome.contracts.kinds import RegionTable, Rows
from voxome.errors import InvalidInput
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile

REGION = "region"
"""The column that says which region a row of a part belongs to."""
_CACHED_REGIONS = 64


def part_path(folder: Path, output: str, phase: int, job: int) -> Path:
    """Where the rows of one job are."""
    return folder / output / f"{phase}-{job:07d}.parquet"


class RegionReader:
    """Reads the parts of a regions step; it is also the value that a tool gets for such an input.

    Parameters
    ----------
    folder : path
        Of the step: ``step.json`` and its parts.
    step : Step, optional
        Read from ``step.json`` if None.
    """

    def __init__(self, folder: Path, step: Step | None = None) -> None:
        self.folder = folder
        if step is None:
            step = Step.from_json(json.loads((folder / "step.json").read_text(encoding="utf-8")))
        self.step = step
        self._cached = lru_cache(_CACHED_REGIONS)(self._rows)

    @property
    def levels(self) -> int:
        """How many levels the tree has; the last has one region."""
        return len(self.step.phases)

    def index_at(self, level: int, point: Sequence[int]) -> int:
        """The region of `level` that holds the voxel `point` (z, y, x)."""
        grid = self.step.phases[level]
        if grid is None:
            raise InvalidInput(f"step {self.step.name} has no regions")
        return grid.index_of(point)

    def rows(self, output: str, level: int, index: int) -> Rows:
        """The rows of region `index` of `level`."""
        return self._cached(output, level, index)

    def _rows(self, output: str, level: int, index: int) -> Rows:
        kind = self.step.spec.outputs[output]
        columns = kind.columns if isinstance(kind, RegionTable) else {}
        job = index // self.step.span(level)
        table = TableFile(part_path(self.folder, output, level, job))
        found = table.lookup(REGION, _one(index)) if len(table) else {}
        return {name: found[name] for name in columns} if found else concatenate([], columns)


def _one(index: int) -> NDArray[np.int64]:
    return np.array([index], np.int64)
