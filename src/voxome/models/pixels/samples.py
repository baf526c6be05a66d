"""Features of labelled voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VOXEL_SIZE_ADVICE
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.models.pixels.extension import extend
from voxome.models.pixels.features import Feature, Scale, compute_features, reach_of
from voxome.models.pixels.forest import scale_grey
from voxome.models.pixels.marks import Marks
from voxome.resources.volume import Volume

TILE = (32, 64, 64)
"""Voxels whose features are in memory at the same time."""


@dataclass(frozen=True)
class Samples:
    """Features (n, values) of labelled voxels, and their classes (n,)."""

    features: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class FeatureReader:
    """Reads an image, and computes features of its voxels.

    Attributes
    ----------
    image, tissue : Volume
        Grey values, and the map that is 0 where there are none.
    features : sequence of Feature
        Features.
    dimensions : {2, 3}
        2 if sections are independent of each other.
    limits : (low, high)
        Grey values that are 0 and 1.
    """

    image: Volume
    tissue: Volume | None
    features: Sequence[Feature]
    dimensions: int
    limits: tuple[float, float]

    @property
    def scale_nm(self) -> Scale:
        """Voxel size."""
        size = self.image.voxel_size_nm
        if size is None:
            raise InvalidInput(f"{self.image.uri} has no voxel size, but features are lengths: {VOXEL_SIZE_ADVICE}")
        return size

    def read(self, marks: Marks) -> Samples:
        """Return the features of labelled voxels; those without data are left out."""
        parts = list(self._tiles(marks))
        count = sum(one.count(self.dimensions) for one in self.features)
        features = [np.empty((0, count), np.float32), *(one.features for one in parts)]
        return Samples(np.concatenate(features), np.concatenate([np.empty(0, np.int64), *(p.classes for p in parts)]))

    def _tiles(self, marks: Marks) -> Iterator[Samples]:
        if not len(marks.classes):
            return
        low, high = marks.voxels.min(axis=0), marks.voxels.max(axis=0) + 1
        for tile in BlockGrid(Box(tuple(low.tolist()), tuple(high.tolist())), TILE):
            start, stop = np.array(tile.write.start), np.array(tile.write.stop)
            own = ((marks.voxels >= start) & (marks.voxels < stop)).all(axis=1)
            if own.any():
                yield self._compute(Marks(marks.voxels[own], marks.classes[own]))

    def _compute(self, marks: Marks) -> Samples:
        reach = reach_of(self.features, self.scale_nm, self.dimensions)
        low, high = marks.voxels.min(axis=0), marks.voxels.max(axis=0) + 1
        box = Box(tuple(low.tolist()), tuple(high.tolist()))
        read = box.grow([3 * size for size in reach]) & self.image.domain
        grey = self.image.cutout(read)
        known = np.ones(grey.shape, bool) if self.tissue is None else self.tissue.cutout(read) != 0
        if grey.dtype.kind == "f":
            known &= ~np.isnan(grey)
        outer = box.grow(reach)
        extended = scale_grey(extend(grey, known, read, outer, reach), self.limits)
        values = compute_features(extended, reach, self.features, self.scale_nm, self.dimensions)
        at = tuple((marks.voxels - low).T)
        kept = known[tuple((marks.voxels - np.array(read.start)).T)]
        return Samples(np.ascontiguousarray(values[(slice(None), *at)].T[kept]), marks.classes[kept])
