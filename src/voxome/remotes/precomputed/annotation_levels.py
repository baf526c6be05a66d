"""Levels of the spatial index of annotations, in bounded memory.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst

Annotations come in a random order that depends on their ids only. A level takes them in this order until the next one
would exceed the limit of a cell; from that one on, they belong to the next level, whose cells are smaller. So each is
on exactly one level, a level has the same share of the remaining ones in every cell, and nothing depends on how the
annotations were cut into batches. No cell exceeds the limit of its level. Where annotations are so large that smaller
cells would only repeat them, the next level has the same cells and twice the limit, so that there are few levels; a
level whose cells cannot be halved is the last one, and takes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import AnnotationShape
from voxome.remotes.precomputed.annotation_cells import CellGrid
from voxome.remotes.precomputed.annotation_codec import AnnotationCodec
from voxome.remotes.spilled_rows import PARTITIONS, SpilledRows

_CELLS_PER_ANNOTATION = 4.0
"""Cells are halved while an annotation meets at most so many on average."""
_BUFFER = 1 << 17
"""Entries of a level that are kept in memory before they are written to a temporary file."""


@dataclass(eq=False)
class Level:
    """Entries of one level: an annotation and the code of a cell, in random order.

    Attributes
    ----------
    grid : CellGrid
        Its cells.
    path : Path
        Temporary file for entries.
    dtype : numpy.dtype
        Of an entry: ``row`` (an encoded annotation) and ``code``.
    limit : int
        Largest number of annotations in a cell.
    is_last : bool
        Whether it takes all annotations that are left, whatever the limit is.
    """

    grid: CellGrid
    path: Path
    dtype: np.dtype[Any]
    limit: int
    is_last: bool = False
    entries: int = 0
    _codes: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    _counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _waiting: list[NDArray[Any]] = field(default_factory=list)
    _bounds: NDArray[np.uint64] | None = None
    _spilled: SpilledRows | None = None

    def take(self, rows: NDArray[Any], shape: AnnotationShape) -> int:
        """Take encoded annotations until the next one would exceed the limit of a cell; return how many."""
        which, codes = self.grid.find(shape, rows["record"]["vectors"])
        excess = (self._rank(codes) >= self.limit) & (not self.is_last)
        accepted = int(which[excess].min()) if excess.any() else len(rows)
        inside = which < accepted
        self._count(codes[inside])
        entries = np.empty(int(inside.sum()), self.dtype)
        entries["row"], entries["code"] = rows[which[inside]], codes[inside]
        self._append(entries)
        return accepted

    def _rank(self, codes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return how many entries with the same code come before each, here and in the level."""
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        first = (
            np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(codes) else np.empty(0, int)
        )
        ranks = np.arange(len(codes)) - np.repeat(first, np.diff(np.append(first, len(codes))))
        out = np.empty(len(codes), np.int64)
        out[order] = ranks
        at = np.searchsorted(self._codes, codes)
        known = at < len(self._codes)
        known[known] = self._codes[at[known]] == codes[known]
        out[known] += self._counts[at[known]]
        return out

    def _count(self, codes: NDArray[np.uint64]) -> None:
        found, counts = np.unique(codes, return_counts=True)
        merged, inverse = np.unique(np.concatenate([self._codes, found]), return_inverse=True)
        totals = np.zeros(len(merged), np.int64)
        np.add.at(totals, inverse, np.concatenate([self._counts, counts]))
        self._codes, self._counts = merged, totals

    def _append(self, entries: NDArray[Any]) -> None:
        self._waiting.append(entries)
        self.entries += len(entries)
        if sum(map(len, self._waiting)) >= _BUFFER:
            self._spill()

    def _spill(self) -> None:
        entries = np.concatenate(self._waiting)
        self._waiting = []
        if self._bounds is None or self._spilled is None:
            self._bounds = self._codes[np.unique(np.arange(1, PARTITIONS) * len(self._codes) // PARTITIONS)]
            self._spilled = SpilledRows(self.path, self.dtype)
        partitions = np.searchsorted(self._bounds, entries["code"], side="right")
        self._spilled.append(entries, partitions.astype(np.uint8))

    @property
    def largest(self) -> int:
        """Largest number of annotations in a cell."""
        return int(self._counts.max(initial=0))

    def sorted_parts(self) -> Iterator[NDArray[Any]]:
        """Yield all entries by ascending code, those of one code in one part and in their order; for once."""
        if self._spilled is None:
            parts = iter([np.concatenate(self._waiting)] if self._waiting else [])
        else:
            if self._waiting:
                self._spill()
            spilled = self._spilled
            parts = (spilled.read([one]) for one in range(PARTITIONS))
        for entries in parts:
            if len(entries):
                yield entries[np.argsort(entries["code"], kind="stable")]
        if self._spilled is not None:
            self._spilled.close()


def assign_levels(
    batches: Iterator[NDArray[Any]],
    codec: AnnotationCodec,
    grid: CellGrid,
    limit: int,
    path: Path,
    finish: Callable[[Level], None],
) -> None:
    """Assign annotations to levels.

    Parameters
    ----------
    batches : iterator of arrays of ``codec.dtype``
        All annotations in their random order.
    codec : AnnotationCodec
        Of the collection.
    grid : CellGrid
        The coarsest level.
    limit : int
        Largest number of annotations in a cell, but on levels after which cells are not halved.
    path : Path
        Name of a temporary file.
    finish : function of a Level
        Called with each level when it is complete, the coarsest first.
    """
    dtype = np.dtype([("row", codec.dtype), ("code", "<u8")])
    level = Level(grid, path, dtype, limit)
    for batch in batches:
        rows = batch
        while len(rows):
            accepted = level.take(rows, codec.shape)
            rows = rows[accepted:]
            if len(rows):
                finish(level)
                level = _next_level(level, batch, codec, limit)
    finish(level)


def _next_level(level: Level, sample: NDArray[Any], codec: AnnotationCodec, limit: int) -> Level:
    """Return the next level, of halved cells, unless annotations are so large that this would only repeat them.

    Then it has the same cells, and twice as many annotations in each.

    If its cells cannot be halved again, it is the last one.
    """
    halved = level.grid.halved(codec.nm)
    mean = halved.mean_cells(codec.shape, sample["record"]["vectors"])
    if mean > _CELLS_PER_ANNOTATION:
        return Level(level.grid, level.path, level.dtype, 2 * level.limit)
    return Level(halved, level.path, level.dtype, limit, is_last=halved.halved(codec.nm).shape == halved.shape)
