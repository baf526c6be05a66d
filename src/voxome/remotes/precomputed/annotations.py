"""Annotations of a precomputed collection, by id, by related label and by position.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.ragged import Ragged
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import CorruptData, InvalidInput, NotFound, TooManyFound, UnknownName, UnsupportedFormat
from voxome.remotes.precomputed.annotation_cells import CellGrid, morton_cells, morton_codes
from voxome.remotes.precomputed.annotation_codec import AnnotationCodec
from voxome.remotes.precomputed.annotation_fields import Fields
from voxome.remotes.precomputed.annotation_metadata import BESIDE
from voxome.remotes.precomputed.beside_table import BesideTable
from voxome.remotes.precomputed.folders import ShapeFolder, read_files
from voxome.remotes.precomputed.info import OWN
from voxome.remotes.precomputed.keyed import KeyedValues, check_id
from voxome.remotes.precomputed.shard_reader import ShardReader
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.precomputed.shards import locate_value
from voxome.storage.inside import inside

BATCH = 1 << 16
"""Cells of the spatial index, or annotations, that are read at once."""

_LISTED = 1 << 16
"""Cells of one level beyond which the stored cells are listed, instead of reading every cell of a box."""
_MARGIN = 1e-9
"""Part of a cell by which a box is grown before its cells are found, so that rounding does not hide any."""


class AnnotationIndices:
    """The indices of a collection, without edits."""

    def __init__(self, folder: ShapeFolder) -> None:
        info = folder.info
        self.name, self._folder, self._info = folder.name, folder.path, info
        self.codec = AnnotationCodec(info, folder.name)
        self._bounds_nm = self._parse_bounds()
        self._by_id = None if info.get("by_id") is None else self._index(info["by_id"])
        self._by_relation = {str(one["id"]): self._index(one) for one in info.get("relationships") or ()}
        lower = info.get("lower_bound", (0, 0, 0))
        self._levels = [SpatialLevel.parse(self._index(one), lower, one) for one in info.get("spatial") or ()]
        beside = info.get(OWN, {}).get(BESIDE)
        self._beside = beside and BesideTable(inside(self._folder, str(beside["key"])), beside["properties"])

    @property
    def shape(self) -> AnnotationShape:
        return self.codec.shape

    @property
    def relations(self) -> Sequence[str]:
        return tuple(self._by_relation)

    @property
    def bounds_nm(self) -> NDArray[np.float64] | None:
        """Lowest and highest corner that the metadata name, (2, 3): z, y, x in nm; None if they name none."""
        return self._bounds_nm

    def _parse_bounds(self) -> NDArray[np.float64] | None:
        corners = [self._info[name] for name in ("lower_bound", "upper_bound") if name in self._info]
        if len(corners) < 2:
            return None
        try:
            stored = np.array(corners, np.float64)
        except (TypeError, ValueError):
            stored = np.empty(0)
        if stored.shape != (2, 3) or not np.isfinite(stored).all():
            raise CorruptData(
                f"{self.name}: lower_bound and upper_bound are {corners!r:.200}; expected three numbers each"
            )
        return np.stack([self.codec.to_nm(corner) for corner in stored])

    def ids(self) -> NDArray[np.uint64]:
        return self._ids_index().ids()

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations with their relations, sorted by id."""
        ids = self.ids()
        for start in range(0, len(ids), BATCH):
            yield self.get(ids[start : start + BATCH])

    def get(self, ids: Iterable[int]) -> Annotations:
        """Return annotations with their relations, in the order of `ids`.

        Raises
        ------
        NotFound
            If one does not exist.
        """
        keys = self.check_ids(ids)
        found = self.get_existing(keys)
        if len(found) < len(keys):
            raise NotFound(f"{self.name} has no annotation {keys[~np.isin(keys, found.ids)][0]}")
        return found

    def get_existing(self, ids: NDArray[np.uint64]) -> Annotations:
        """Return those of some annotations that exist, as `get` does."""
        values = self._ids_index().read_all(ids)
        kept = [row for row, data in enumerate(values) if data is not None]
        return self._complete(self._decode_each(ids[kept], [data for data in values if data is not None]))

    def check_ids(self, ids: Iterable[int]) -> NDArray[np.uint64]:
        """Return ids as an array.

        Raises
        ------
        InvalidInput
            If one is not an integer from 0 to 2^64 - 1.
        """
        if isinstance(ids, np.ndarray) and ids.dtype == np.uint64:
            return ids
        return np.array([check_id(id) for id in ids], np.uint64)

    def none(self) -> Annotations:
        """Return no annotations, with all properties and relations."""
        relations = {name: Ragged.of(name, ()) for name in self.codec.relations}
        return self._complete(self.codec.none()).replace(relations=relations)

    @property
    def limit(self) -> int | None:
        """Largest number of annotations in a cell of the spatial index; the last level may have more."""
        return min((level.limit for level in self._levels if level.limit), default=None)

    def conform(self, annotations: Annotations) -> Annotations:
        """Return annotations as they would be read after they were written.

        Raises
        ------
        InvalidInput
            If they have another geometry, or other properties or relations.
        UnsupportedFormat
            If the format cannot hold their positions.
        """
        none = self.none()
        Fields.of(none.properties, self.name).check(annotations.properties)
        if annotations.shape != self.shape or set(annotations.relations) != set(self.relations):
            raise InvalidInput(
                f"these annotations are of shape {annotations.shape} with the relations "
                f"{', '.join(annotations.relations) or 'none'}; those of {self.name} are of shape {self.shape} with "
                f"the relations {', '.join(self.relations) or 'none'}"
            )
        stored = self.codec.decode(self.codec.encode(annotations))
        beside = {name: annotations.properties[name] for name in none.properties if name not in stored.properties}
        relations = {name: annotations.relations[name] for name in self.relations}
        return stored.replace(properties={**stored.properties, **beside}, relations=relations)

    def _decode_each(self, keys: NDArray[np.uint64], values: Sequence[bytes]) -> Annotations:
        try:
            return self.codec.decode_single(keys, values)
        except (ValueError, InvalidInput) as error:
            for key, value in zip(keys.tolist(), values, strict=True):
                self._require_sound(key, value)
            raise CorruptData(f"{self.name}: cannot decode annotations: {error}") from error

    def _require_sound(self, key: int, value: bytes) -> None:
        try:
            self.codec.decode_single(np.array([key], np.uint64), [value])
        except (ValueError, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode annotation {key}: {error}") from error

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        start, stop = self._stored_box(start_nm, stop_nm)
        return self._decode_within(
            (data for level in self._levels for data in level.read(start, stop)), start_nm, stop_nm
        )

    def _stored_box(
        self, start_nm: Sequence[float], stop_nm: Sequence[float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self._levels:
            raise UnsupportedFormat(f"{self.name} has no spatial index; get annotations by id, or by related label")
        return self.codec.to_stored(start_nm), self.codec.to_stored(stop_nm)

    def _decode_within(
        self, cells: Iterable[bytes], start_nm: Sequence[float], stop_nm: Sequence[float]
    ) -> Annotations:
        try:
            found = self.codec.decode_within(cells, start_nm, stop_nm)
        except (ValueError, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode a cell of the spatial index: {error}") from error
        return self._complete(found)

    def within_limit(self, start_nm: Sequence[float], stop_nm: Sequence[float], most: int) -> Annotations:
        """Return what `within` does, from few cells at a time.

        Raises
        ------
        TooManyFound
            If there are more than `most`.
        """
        start, stop = self._stored_box(start_nm, stop_nm)
        found, cells, count = self._decode_within((), start_nm, stop_nm), list[bytes](), 0
        for level in self._levels:
            for data in level.read(start, stop, 1 + most // max(level.limit, 1)):
                cells.append(data)
                count += self.codec.count(data)  # of which some may be outside the box, or in several cells
                if count > most:
                    found = Annotations.join([found, self._decode_within(cells, start_nm, stop_nm)])
                    cells, count = [], len(found)
                if count > most:
                    raise TooManyFound(f"more than {most} annotations are in this box; give a smaller one")
        return Annotations.join([found, self._decode_within(cells, start_nm, stop_nm)])

    def related_limit(self, relation: str, label: int, most: int) -> Annotations:
        """Return what `related` does.

        Raises
        ------
        TooManyFound
            If there are more than `most`.
        """
        index = self._by_relation.get(relation)
        if index is not None and index.size(label) > self.codec.list_bytes(most):
            raise TooManyFound(f"more than {most} annotations are joined to {label} by {relation}")
        return self.related(relation, label)

    def related(self, relation: str, label: int) -> Annotations:
        index = self._by_relation.get(relation)
        if index is None:
            raise UnknownName.of("relation", relation, self._by_relation)
        data = index.read(label)
        if data is None:
            return self._complete(self.codec.none())
        try:
            rows = self.codec.decode_lists([data])
        except (ValueError, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode the annotations of {label}: {error}") from error
        return self._complete(self.codec.decode(rows[np.unique(rows["id"], return_index=True)[1]]))

    def _complete(self, found: Annotations) -> Annotations:
        """Return annotations with the properties that are beside the indices."""
        if self._beside is None:
            return found
        sharding = self._ids_index().parameters
        beside = self._beside.lookup(found.ids, sharding.locate(found.ids)[0])
        return found.replace(properties={**found.properties, **beside})

    def _index(self, entry: Mapping[str, Any]) -> IndexFolder:
        return IndexFolder(KeyedValues(inside(self._folder, str(entry["key"])), entry.get("sharding")))

    def _ids_index(self) -> IndexFolder:
        if self._by_id is None:
            raise UnsupportedFormat(f"{self.name} has no index of ids; find annotations by position or related label")
        return self._by_id


class IndexFolder:
    """The values of one index, by id.

    Parameters
    ----------
    values : KeyedValues
        Its folder, and how values are stored there.
    """

    def __init__(self, values: KeyedValues) -> None:
        self.values = values
        sharded = values.sharding is not None
        self._reader = (
            ShardReader(values.folder, Sharding.from_json(values.sharding or {}, values.folder)) if sharded else None
        )

    @property
    def parameters(self) -> Sharding:
        """Parameters of its shards."""
        return Sharding.from_json(self.values.sharding or {}, self.values.folder)

    def ids(self) -> NDArray[np.uint64]:
        """Return all ids, as `KeyedValues.ids`."""
        return self.values.ids()

    def read(self, id: int) -> bytes | None:
        """Return the value of an id; None if it does not exist."""
        return self.read_all(np.array([check_id(id)], np.uint64))[0]

    def size(self, id: int) -> int:
        """Return the bytes that the value of an id has at least; 0 if it does not exist."""
        key = check_id(id)
        if self.values.sharding is None:
            return (self.values.folder / str(key)).size() or 0
        found = locate_value(self.values.folder, self.values.sharding, key)
        return 0 if found is None else found.stop - found.start

    def read_all(self, ids: NDArray[np.uint64]) -> list[bytes | None]:
        """Return the values of ids; None for each that does not exist."""
        return self.values.read_all(ids.tolist()) if self._reader is None else self._reader.read_all(ids)


@dataclass(frozen=True)
class SpatialLevel:
    """One level of the spatial index. An annotation is in one level only, in every cell there that it meets.

    Attributes
    ----------
    index : IndexFolder
        Cells, by their compressed Morton code where they are in shards.
    cells : CellGrid
        Where they are.
    limit : int
        Largest number of annotations in a cell; 0 if it is not known.
    """

    index: IndexFolder
    cells: CellGrid
    limit: int = 0

    @classmethod
    def parse(cls, index: IndexFolder, lower: Sequence[float], entry: Mapping[str, Any]) -> SpatialLevel:
        """Return the level that an entry of ``spatial`` describes."""
        size, grid = np.asarray(entry["chunk_size"], np.float64), tuple(int(n) for n in entry["grid_shape"])
        if size.shape != (3,) or len(grid) != 3 or not (size > 0).all():
            raise ValueError(f"a spatial index has cells of {entry['chunk_size']} in a grid of {entry['grid_shape']}")
        return cls(index, CellGrid(np.asarray(lower, np.float64), size, grid), int(entry.get("limit", 0)))

    def read(self, start: NDArray[np.float64], stop: NDArray[np.float64], at_once: int = BATCH) -> Iterator[bytes]:
        """Yield the stored cells that meet the box from `start` to `stop`; outside the grid, the nearest ones.

        Cells at the border list annotations that extend beyond it. So many are read `at_once`.
        """
        grid = self.cells.shape
        low, high = ((end - self.cells.lower) / self.cells.size for end in (start, stop))
        first = np.clip(np.floor(low - _MARGIN), 0, np.subtract(grid, 1)).astype(np.int64)
        last = np.clip(np.ceil(high + _MARGIN), 1, grid).astype(np.int64)
        for cells in self._cells(first, last):
            for begin in range(0, len(cells), at_once):
                yield from (data for data in self._read(cells[begin : begin + at_once]) if data is not None)

    def _cells(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield the cells from `first` to `last` in batches; of many, those that are stored, if the store can list."""
        counts = (last - first).clip(0)
        total = math.prod(counts.tolist())
        if total > _LISTED:
            with suppress(UnsupportedFormat):
                yield self._listed(first, last)
                return
        for begin in range(0, total, BATCH):
            numbers = np.arange(begin, min(begin + BATCH, total))
            yield np.stack(np.unravel_index(numbers, tuple(counts.tolist())), axis=-1) + first

    def _listed(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
        try:
            stored = self._stored()
        except NotFound:
            return np.empty((0, 3), np.int64)
        return stored[((stored >= first) & (stored < last)).all(axis=1)]

    def _stored(self) -> NDArray[np.int64]:
        values = self.index.values
        if values.sharding is not None:
            return morton_cells(values.ids(), self.cells.shape)
        names = (name.partition(".")[0] for name in values.folder.names())
        found = [tuple(map(int, name.split("_"))) for name in names if re.fullmatch("[0-9]+_[0-9]+_[0-9]+", name)]
        return np.array(found, np.int64).reshape(-1, 3)

    def _read(self, cells: NDArray[np.int64]) -> list[bytes | None]:
        if self.index.values.sharding is None:
            return read_files(self.index.values.folder, ["_".join(map(str, cell)) for cell in cells.tolist()])
        return self.index.read_all(np.sort(morton_codes(cells, self.cells.shape)))
