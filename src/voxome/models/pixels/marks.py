"""Labelled voxels to train on, from volumes of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.metrics.segmentation import NOT_LABELLED
from voxome.resources.volume import Volume

BLOCK = (64, 128, 128)
"""Voxels that are read at once."""
_LISTED = 8


@dataclass(frozen=True)
class Marks:
    """Labelled voxels: their indices (n, 3) along z, y, x, and their classes (n,) as numbers."""

    voxels: NDArray[np.int64]
    classes: NDArray[np.int64]


class MarkSource(Protocol):
    """Labelled voxels of an image, in parts that are always the same."""

    @property
    def box(self) -> Box:
        """Box that contains all of them."""

    def read(self) -> Iterator[Marks]:
        """Yield them, those of a few blocks at a time."""


@dataclass(frozen=True)
class LabelMarks:
    """Labelled voxels of a volume.

    Attributes
    ----------
    labels : Volume
        Integers (z, y, x); -1 and 2^64 - 1 are not labelled.
    box : Box
        Voxels to read.
    values : mapping of int to int
        Label → class.
    dense : bool
        Whether 0 is a label; otherwise such voxels are not labelled.
    """

    labels: Volume
    box: Box
    values: Mapping[int, int]
    dense: bool = False

    def read(self) -> Iterator[Marks]:
        """Yield the labelled voxels block by block."""
        known = np.array(sorted(self.values), np.uint64)
        classes = np.array([self.values[value] for value in known.tolist()], np.int64)
        for block in BlockGrid(self.box, BLOCK):
            values = self.labels.cutout(block.write)
            labels = values.astype(np.uint64).ravel()
            found = np.flatnonzero((labels != NOT_LABELLED) & (self.dense | (labels != 0)))
            if not len(found):
                continue
            labels = labels[found]
            at = np.minimum(np.searchsorted(known, labels), len(known) - 1)
            self._require_none(values.ravel()[found][labels != known[at]])
            voxels = np.stack(np.unravel_index(found, values.shape), axis=1) + np.array(block.write.start)
            yield Marks(voxels, classes[at])

    def _require_none(self, others: NDArray[np.integer]) -> None:
        """Refuse labels of no class."""
        others = np.unique(others)
        if len(others):
            shown = ", ".join(map(str, others[:_LISTED].tolist())) + (", …" if len(others) > _LISTED else "")
            unlabelled = "-1" if self.dense else "0 or -1"
            raise InvalidInput(
                f"{self.labels.uri or 'The labels'} have the values {shown}, which are no class; expected "
                f"{', '.join(map(str, sorted(self.values)))}, and {unlabelled} where nothing is labelled"
            )


def sample_marks(sources: Sequence[MarkSource], classes: int, most: int, seed: int) -> list[list[Marks]]:
    """Return labelled voxels of each source, at most `most` of each class, which a seed chooses.

    Parameters
    ----------
    sources : sequence of MarkSource
        Labelled voxels.
    classes : int
        Number of classes.
    most : int
        Voxels of a class.
    seed : int
        Random seed.

    Returns
    -------
    list of lists of Marks
        For every source its parts, without those that are left out.
    """
    totals = np.zeros(classes, np.int64)
    for source in sources:
        for marks in source.read():
            totals += np.bincount(marks.classes, minlength=classes)
    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.choice(total, min(most, total), replace=False)) for total in totals.tolist()]
    passed = np.zeros(classes, np.int64)
    return [[_choose(marks, chosen, passed) for marks in source.read()] for source in sources]


def _choose(marks: Marks, chosen: Sequence[NDArray[np.int64]], passed: NDArray[np.int64]) -> Marks:
    """Return the chosen ones of some marks, and count them all as passed."""
    kept = np.zeros(len(marks.classes), bool)
    for number, indices in enumerate(chosen):
        own = np.flatnonzero(marks.classes == number)
        first, last = np.searchsorted(indices, [passed[number], passed[number] + len(own)])
        kept[own[indices[first:last] - passed[number]]] = True
        passed[number] += len(own)
    return Marks(marks.voxels[kept], marks.classes[kept])
