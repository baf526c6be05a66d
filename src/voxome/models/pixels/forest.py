"""Random forests on features of the surroundings of a voxel."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.validation import describe_problems
from voxome.errors import CorruptData, UnknownName, VoxomeError
from voxome.geometry import BlockGrid
from voxome.models.cards import read_described
from voxome.models.pixels.card import ForestCard
from voxome.models.pixels.features import Feature, Scale, Shape, compute_features, reach_of, sigmas_of
from voxome.models.pixels.place import Place
from voxome.models.pixels.suitability import differences
from voxome.models.pixels.trees import NODE, Trees
from voxome.storage.array_file import unpack_arrays

TILE = (48, 96, 96)
"""Voxels whose features are in memory at the same time."""
_PROCESS_BYTES = 300_000_000


@dataclass(frozen=True)
class Forest:
    """A random forest and its card."""

    card: ForestCard
    trees: Trees

    @classmethod
    def read(cls, fields: dict[str, Any], file: Path) -> Forest:
        """Return the forest of a card, with the trees from the archive beside it."""
        try:
            card = ForestCard.model_validate(fields)
        except ValidationError as error:
            raise CorruptData(f"{file} is not a valid card of a forest: {describe_problems(error)}") from error
        archive = read_described(file, card.file, card.sha256)
        return cls(card, _read_trees(archive, file.parent / card.file, card))

    @property
    def features(self) -> list[Feature]:
        """Features in the order of the trees."""
        return [Feature(one.sigma_um, one.name) for one in self.card.features]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.card.classes

    @property
    def digest(self) -> str:
        """Digest of the card, which has that of the trees."""
        return hashlib.sha256(self.card.model_dump_json().encode()).hexdigest()

    @property
    def memory_bytes(self) -> int:
        """Memory of a process that predicts: twice the features of a tile, and its derivatives, at the card's scale."""
        reach = self.reach(self.card.voxel_size_nm)
        values = sum(one.count(self.card.dimensions) for one in self.features)
        wide = math.prod(size + 2 * more for size, more in zip(TILE, reach, strict=True))
        return _PROCESS_BYTES + 4 * (2 * values * math.prod(TILE) + 10 * wide)

    @property
    def grey_range(self) -> tuple[float, float]:
        """Percentiles 0.5 and 99.5 of the grey values of the training data."""
        return self.card.intensity_range

    def find_class(self, name: str) -> int:
        """Return the index of a class."""
        if name not in self.classes:
            raise UnknownName.of("class", name, self.classes, f"the forest {self.card.name!r}")
        return self.classes.index(name)

    def problems(self, spec: VolumeSpec) -> Iterator[str]:
        """Yield why a volume is unlike the training data."""
        yield from differences(spec, self.card, self.card.dimensions)
        if spec.voxel_size_nm is None:
            return
        try:
            sigmas_of(min(one.sigma_um for one in self.card.features), spec.voxel_size_nm)
        except VoxomeError as error:
            yield f"does not suit the forest {self.card.name!r}: {error}"

    def reach(self, scale_nm: Scale) -> Shape:
        """Return the voxels (z, y, x) that it needs on every side."""
        return reach_of(self.features, scale_nm, self.card.dimensions)

    def predict(self, image: NDArray[np.float32], where: Place, index: int) -> NDArray[np.uint8]:
        """Return the probability of a class in `box`, computed tile by tile."""
        box, scale_nm = where.box, where.scale_nm
        reach = self.reach(scale_nm)
        result = np.empty(box.shape, np.uint8)
        outer = box.grow(reach)
        for tile in BlockGrid(outer, TILE, box=box, halo=(reach, reach), anchor=box.start):
            grey = scale_grey(image[tile.read.within(outer)], self.card.intensity_range)
            values = compute_features(grey, reach, self.features, scale_nm, self.card.dimensions)
            result[tile.write.within(box)] = self.trees.predict(values, index)
        return result


def scale_grey(image: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Return grey values as float32, with 0 and 1 at the ends of a range."""
    low, high = limits
    return (image.astype(np.float32) - np.float32(low)) * np.float32(1 / (high - low))


def write_trees(trees: Trees) -> bytes:
    """Return trees as an archive of arrays."""
    stream = io.BytesIO()
    columns = {name: trees.nodes[name] for name in NODE.names or ()}
    np.savez_compressed(stream, roots=trees.roots, values=trees.values, **columns)  # type: ignore[arg-type]
    return stream.getvalue()


def _read_trees(archive: bytes, path: Path, card: ForestCard) -> Trees:
    try:
        arrays = unpack_arrays(archive)
        nodes = np.empty(len(arrays["left"]), NODE)
        for name in NODE.names or ():
            nodes[name] = arrays[name]
        trees = Trees(nodes, arrays["roots"].astype(np.uint32), arrays["values"].astype(np.float64))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptData(f"{path} is not an archive of trees: {error}; train it again") from error
    values = sum(one.count(card.dimensions) for one in (Feature(c.sigma_um, c.name) for c in card.features))
    _check(trees, values, len(card.classes), path)
    return trees


def _check(trees: Trees, values: int, classes: int, path: Path) -> None:
    """Check that no node leads out of the arrays."""
    left, size = trees.nodes["left"].astype(np.int64), len(trees.nodes)
    numbers = np.arange(size)
    is_leaf = left == numbers
    sound = is_leaf & np.isposinf(trees.nodes["threshold"]) | (left > numbers) & (left + 1 < size)
    sound &= trees.nodes["feature"] < values
    rooted = len(trees.roots) > 0 and (trees.roots < size).all()
    if not (rooted and sound.all() and trees.values.shape == (size, classes)):
        raise CorruptData(f"The trees of {path} do not fit the features and classes of its card; train it again")
