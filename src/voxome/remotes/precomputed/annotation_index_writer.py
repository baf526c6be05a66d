"""Indices of a collection of annotations, written shard by shard from a spool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.remotes.precomputed.annotation_cells import CellGrid
from voxome.remotes.precomputed.annotation_codec import AnnotationCodec
from voxome.remotes.precomputed.annotation_levels import Level, assign_levels
from voxome.remotes.precomputed.annotation_metadata import BESIDE
from voxome.remotes.precomputed.annotation_spool import MINISHARD_BITS, AnnotationSpool
from voxome.remotes.precomputed.beside_table import write_beside
from voxome.remotes.precomputed.info import OWN, Json
from voxome.remotes.precomputed.shard_writer import write_packed_shard
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.spilled_rows import PARTITIONS
from voxome.storage.path import StoragePath

LEVEL_FOLDER = "spatial"
"""Beginning of the name of the folder of a level."""
_IDS_PER_SHARD = 1 << 18
_SHARD_BYTES = 1 << 25
_CELL_BYTES = 1 << 13
"""Size of a cell by which the limit is chosen: a view of Neuroglancer fetches one or two cells of every level."""
_LARGEST_SHARD_BITS = 8
_CELL_MINISHARD_BITS = 10


class AnnotationIndexWriter:
    """Writes the indices of a collection.

    Parameters
    ----------
    folder : StoragePath
        Of the collection.
    name : str
        URI, for messages.
    codec : AnnotationCodec
        Of the collection.
    spool : AnnotationSpool
        All annotations.
    info : mapping
        Metadata, which get the parameters of the shards.
    """

    def __init__(
        self, folder: StoragePath, name: str, codec: AnnotationCodec, spool: AnnotationSpool, info: Json
    ) -> None:
        self._folder, self._name, self._codec, self._spool, self._info = folder, name, codec, spool, info

    def write_ids(self) -> None:
        """Write the index of ids, and the table of what is beside it.

        Raises
        ------
        InvalidInput
            If an id occurs twice.
        """
        sharding = Sharding(shard_bits=_bits(len(self._spool) / _IDS_PER_SHARD), minishard_bits=MINISHARD_BITS)
        folder = self._folder / str(self._info["by_id"]["key"])
        self._info["by_id"]["sharding"] = sharding.to_json()

        def parts() -> Iterator[tuple[int, Any]]:
            for partitions in _partitions(sharding):
                rows, relations, table = self._spool.read_ids(partitions)
                self._require_unique(rows["id"])
                shards = sharding.locate(rows["id"].astype(np.uint64))[0]
                for shard in np.unique(shards):
                    chosen = np.flatnonzero(shards == shard)
                    sizes, data = self._codec.encode_single(rows[chosen], [one.take(chosen) for one in relations])
                    ids = rows["id"][chosen].astype(np.uint64)
                    write_packed_shard(folder, sharding, int(shard), [(ids, sizes, data)])
                    yield int(shard), None if table is None else table.take(chosen)

        beside = self._info[OWN].get(BESIDE)
        if beside is None:
            for _ in parts():
                pass
        else:
            write_beside(self._folder / str(beside["key"]), self._spool.table_schema, parts())

    def _require_unique(self, ids: NDArray[np.uint64]) -> None:
        if (repeated := np.flatnonzero(ids[1:] == ids[:-1])).size:
            raise InvalidInput(
                f"{self._name}: the id {ids[repeated[0]]} occurs twice; ids of annotations must be unique"
            )

    def write_relations(self) -> None:
        """Write the indices of labels, one for each relation."""
        size = self._codec.dtype.itemsize
        for number, entry in enumerate(self._info["relationships"]):
            shard_bits = _bits(self._spool.related_count(number) * size / _SHARD_BYTES)
            sharding = Sharding(shard_bits=shard_bits, minishard_bits=MINISHARD_BITS)
            entry["sharding"] = sharding.to_json()
            folder = self._folder / str(entry["key"])
            for partitions in _partitions(sharding):
                rows, labels = self._spool.read_related(number, partitions)
                shards = sharding.locate(labels)[0]
                for shard in np.unique(shards):
                    chosen = np.flatnonzero(shards == shard)
                    packed = self._codec.encode_lists(rows[chosen], labels[chosen])
                    write_packed_shard(folder, sharding, int(shard), [packed])

    def write_levels(self, limit: int | None) -> list[Json]:
        """Write the spatial index, and return its metadata."""
        chosen = limit or max(1, _CELL_BYTES // self._codec.dtype.itemsize)
        lower, upper = (np.array(self._info[f"{end}_bound"]) for end in ("lower", "upper"))
        prefix = str(self._info["by_id"]["key"]).removesuffix("by_id")
        entries: list[Json] = []

        def finish(level: Level) -> None:
            sharding = _cell_sharding(level.grid.bits, level.entries * self._codec.dtype.itemsize)
            entry = {
                "key": f"{prefix}{LEVEL_FOLDER}{len(entries)}",
                "grid_shape": list(level.grid.shape),
                "chunk_size": level.grid.size.tolist(),
                "limit": max(chosen, level.largest),
                "sharding": sharding.to_json(),
            }
            entries.append(entry)
            write_cells(self._folder / str(entry["key"]), sharding, level.sorted_parts(), self._codec.encode_lists)

        grid = CellGrid.of_bounds(lower, upper)
        batches = self._spool.random_batches()
        assign_levels(batches, self._codec, grid, chosen, self._spool.folder / "cells", finish)
        return entries


def write_cells(
    folder: StoragePath,
    sharding: Sharding,
    parts: Iterator[NDArray[Any]],
    encode: Callable[[NDArray[Any], NDArray[np.uint64]], tuple[NDArray[np.uint64], NDArray[np.int64], bytes]],
) -> None:
    """Write the shards of a level from its entries, which come by ascending code of their cells."""
    waiting: list[tuple[NDArray[np.uint64], NDArray[np.int64], bytes]] = []
    current = -1
    for entries in parts:
        shards = sharding.locate(entries["code"].astype(np.uint64))[0]
        for shard in np.unique(shards):
            if int(shard) != current and waiting:
                write_packed_shard(folder, sharding, current, waiting)
                waiting = []
            current = int(shard)
            chosen = entries[shards == shard]
            waiting.append(encode(chosen["row"], chosen["code"].astype(np.uint64)))
    if waiting:
        write_packed_shard(folder, sharding, current, waiting)


def _cell_sharding(code_bits: int, size: int) -> Sharding:
    """Return parameters with which neighbouring cells are in one minishard, one after the other."""
    shard_bits = min(_bits(size / _SHARD_BYTES), code_bits, _LARGEST_SHARD_BITS)
    minishard_bits = min(_CELL_MINISHARD_BITS, (code_bits - shard_bits) // 2)
    return Sharding(
        shard_bits=shard_bits,
        minishard_bits=minishard_bits,
        preshift_bits=code_bits - shard_bits - minishard_bits,
        hash="identity",
    )


def _bits(number: float) -> int:
    """Return the bits that number so many things."""
    return max(0, math.ceil(math.log2(number))) if number > 1 else 0


def _partitions(sharding: Sharding) -> Iterator[list[int]]:
    """Yield the partitions of a spool that together have all ids of one or several shards."""
    groups = min(PARTITIONS, 1 << sharding.shard_bits)
    for group in range(groups):
        yield list(range(group, PARTITIONS, groups))
