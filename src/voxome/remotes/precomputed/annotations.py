"""Annotations of a precomputed collection, by id, by related label and by position.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import CorruptData, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.remotes.precomputed.annotation_codec import AnnotationCodec
from voxome.remotes.precomputed.folders import ShapeFolder, inside, read_files
from voxome.remotes.precomputed.keyed import KeyedValues

_BATCH = 256
"""Cells of the spatial index that are read at once."""

_LISTED = 4096
"""Cells of one level beyond which the stored cells are listed, instead of reading every cell of a box."""


class PrecomputedAnnotations:
    """Annotations of one collection."""

    def __init__(self, folder: ShapeFolder) -> None:
        info = folder.info
        self.name, self._folder = folder.name, folder.path
        self._codec = AnnotationCodec(info, folder.name)
        self._by_id = None if info.get("by_id") is None else self._index(info["by_id"])
        self._by_relation = {str(one["id"]): self._index(one) for one in info.get("relationships") or ()}
        lower = info.get("lower_bound", (0, 0, 0))
        self._levels = [SpatialLevel.parse(self._index(one), lower, one) for one in info.get("spatial") or ()]

    @property
    def shape(self) -> AnnotationShape:
        return self._codec.shape

    @property
    def relations(self) -> Sequence[str]:
        return tuple(self._by_relation)

    def ids(self) -> NDArray[np.uint64]:
        return self._ids_index().ids()

    def get(self, ids: Iterable[int]) -> Annotations:
        requested = list(ids)
        values = self._ids_index().read_all(requested)
        absent = [id for id, data in zip(requested, values, strict=True) if data is None]
        if absent:
            raise NotFound(f"{self.name} has no annotation {absent[0]}")
        found = [
            self._decode(partial(self._codec.decode_one, id), data or b"", f"annotation {id}")
            for id, data in zip(requested, values, strict=True)
        ]
        return Annotations.join(found) if found else self._codec.none()

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        if not self._levels:
            raise UnsupportedFormat(f"{self.name} has no spatial index; get annotations by id, or by related label")
        start, stop = self._codec.to_stored(start_nm), self._codec.to_stored(stop_nm)
        found = [self._codec.none()]
        for level in self._levels:
            for data in level.read(start, stop):
                found.append(self._decode(self._codec.decode_many, data, "a cell of the spatial index"))
        return Annotations.join(found).within(start_nm, stop_nm)

    def related(self, relation: str, label: int) -> Annotations:
        index = self._by_relation.get(relation)
        if index is None:
            raise UnknownName.of("relation", relation, self._by_relation)
        data = index.read(label)
        if data is None:
            return self._codec.none()
        return Annotations.join([self._decode(self._codec.decode_many, data, f"the annotations of {label}")])

    def _index(self, entry: Mapping[str, Any]) -> KeyedValues:
        return KeyedValues(inside(self._folder, str(entry["key"])), entry.get("sharding"))

    def _ids_index(self) -> KeyedValues:
        if self._by_id is None:
            raise UnsupportedFormat(f"{self.name} has no index of ids; find annotations by position or related label")
        return self._by_id

    def _decode(self, decode: Callable[[bytes], Annotations], data: bytes, what: str) -> Annotations:
        try:
            return decode(data)
        except (ValueError, struct.error, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode {what}: {error}") from error


@dataclass(frozen=True)
class SpatialLevel:
    """One level of the spatial index. An annotation is in one level only, in every cell there that it meets.

    Attributes
    ----------
    index : KeyedValues
        Cells, by their compressed Morton code where they are in shards.
    lower, size : (3,) array of float64
        Corner of the first cell, and extent of a cell, in the order and units of the dimensions.
    grid : tuple of int
        Cells along each dimension.
    """

    index: KeyedValues
    lower: NDArray[np.float64]
    size: NDArray[np.float64]
    grid: tuple[int, ...]

    @classmethod
    def parse(cls, index: KeyedValues, lower: Sequence[float], entry: Mapping[str, Any]) -> SpatialLevel:
        """Return the level that an entry of ``spatial`` describes."""
        size, grid = np.asarray(entry["chunk_size"], np.float64), tuple(int(n) for n in entry["grid_shape"])
        if size.shape != (3,) or len(grid) != 3 or not (size > 0).all():
            raise ValueError(f"a spatial index has cells of {entry['chunk_size']} in a grid of {entry['grid_shape']}")
        return cls(index, np.asarray(lower, np.float64), size, grid)

    def read(self, start: NDArray[np.float64], stop: NDArray[np.float64]) -> Iterator[bytes]:
        """Yield the stored cells that meet the box from `start` to `stop`; outside the grid, the nearest ones.

        Cells at the border list annotations that extend beyond it.
        """
        first = np.clip(np.floor((start - self.lower) / self.size), 0, np.subtract(self.grid, 1))
        last = np.clip(np.ceil((stop - self.lower) / self.size), 1, self.grid)
        ranges = [range(int(a), int(b)) for a, b in zip(first, last, strict=True)]
        cells: Iterable[tuple[int, ...]] = itertools.product(*ranges)
        if np.prod([len(one) for one in ranges], dtype=float) > _LISTED:
            cells = self._listed(ranges)
        for batch in _batches(cells):
            yield from (data for data in self._read(batch) if data is not None)

    def _listed(self, ranges: Sequence[range]) -> Iterable[tuple[int, ...]]:
        """Return the cells in `ranges` that are stored; all of them if the store cannot list."""
        try:
            if self.index.sharding is None:
                names = (name.partition(".")[0].split("_") for name in self.index.folder.names())
                stored = [tuple(map(int, parts)) for parts in names if len(parts) == 3 and all(map(str.isdigit, parts))]
            else:
                stored = [morton_cell(code, self.grid) for code in self.index.ids().tolist()]
        except NotFound:
            return ()
        except UnsupportedFormat:
            return itertools.product(*ranges)
        return [cell for cell in stored if all(at in axis for at, axis in zip(cell, ranges, strict=True))]

    def _read(self, cells: Sequence[tuple[int, ...]]) -> list[bytes | None]:
        if self.index.sharding is None:
            return read_files(self.index.folder, ["_".join(map(str, cell)) for cell in cells])
        return self.index.read_all(morton_code(cell, self.grid) for cell in cells)


def morton_code(cell: Sequence[int], grid: Sequence[int]) -> int:
    """Return the compressed Morton code of a cell: bits of its coordinates in turn, as far as the grid needs them."""
    code = 0
    for bit, (axis, level) in enumerate(_morton_bits(grid)):
        code |= ((cell[axis] >> level) & 1) << bit
    return code


def morton_cell(code: int, grid: Sequence[int]) -> tuple[int, ...]:
    """Return the cell of a compressed Morton code."""
    cell = [0] * len(grid)
    for bit, (axis, level) in enumerate(_morton_bits(grid)):
        cell[axis] |= ((code >> bit) & 1) << level
    return tuple(cell)


def _morton_bits(grid: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the axis and the position there of each bit of a code, lowest first."""
    widths = [max(0, (n - 1).bit_length()) for n in grid]
    for level in range(max(widths, default=0)):
        yield from ((axis, level) for axis, width in enumerate(widths) if level < width)


def _batches(cells: Iterable[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    remaining = iter(cells)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield batch
