"""Properties that the records of annotations cannot hold: a Parquet table beside the indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.annotation_rows import ID, numpy_column, property_column
from voxome.remotes.spilled_rows import PARTITIONS
from voxome.storage.atomic import storing
from voxome.storage.damaged_tables import reading_table
from voxome.storage.parquet_files import open_parquet
from voxome.storage.path import StoragePath

_ROW_GROUP = 1 << 16
_SHARD = "shard"


class SpilledTable:
    """Columns in temporary files, which can be read partition by partition.

    Parameters
    ----------
    folder : Path
        For the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[tuple[Path, NDArray[np.int64]]] = []
        self._schema: pa.Schema | None = None

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table that is written."""
        assert self._schema is not None, "the columns are known from the first rows on"
        return self._schema.append(pa.field(_SHARD, pa.uint32()))

    def append(self, ids: NDArray[np.uint64], columns: Mapping[str, Any], partitions: NDArray[np.uint8]) -> None:
        """Write rows, each into its partition.

        Raises
        ------
        InvalidInput
            If a column is of another type than before, or its values are not texts or numbers.
        """
        arrays = {name: property_column(name, values) for name, values in columns.items()}
        table = pa.table({ID: pa.array(ids), **arrays})
        if self._schema is not None and table.schema != self._schema:
            raise InvalidInput(f"these annotations have properties of {table.schema}; those before, of {self._schema}")
        self._schema = table.schema
        path = self._folder / f"beside{len(self._runs)}.arrow"
        order = np.argsort(partitions, kind="stable")
        with storing(path), pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table.take(order))
        ends = np.cumsum(np.bincount(partitions, minlength=PARTITIONS))
        self._runs.append((path, np.concatenate([[0], ends])))

    def read(self, partitions: Sequence[int]) -> pa.Table:
        """Return the rows of some partitions, one partition after the other, in the order in which they came."""
        assert self._schema is not None, "nothing is read before something is written"
        tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path, _ in self._runs]
        parts = [
            table.slice(ends[one], ends[one + 1] - ends[one])
            for one in partitions
            for table, (_, ends) in zip(tables, self._runs, strict=True)
        ]
        return pa.concat_tables([self._schema.empty_table(), *parts])


def write_beside(path: StoragePath, schema: pa.Schema, parts: Iterator[tuple[int, pa.Table]]) -> None:
    """Write the table: rows by shard, and by id within one.

    Parameters
    ----------
    path : StoragePath
        The file.
    schema : pyarrow.Schema
        Its columns.
    parts : iterator of (shard, table)
        Rows, by ascending shard.
    """
    with path.create_file() as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for shard, table in parts:
            marked = table.append_column(_SHARD, pa.array(np.full(len(table), shard, np.uint32)))
            writer.write_table(marked, row_group_size=_ROW_GROUP)


class BesideTable:
    """The table of a collection.

    Parameters
    ----------
    path : StoragePath
        The file.
    columns : sequence of str
        The properties in it.
    """

    def __init__(self, path: StoragePath, columns: Sequence[str]) -> None:
        self._path, self._columns = path, tuple(columns)

    def _read(self, groups: Sequence[int]) -> pa.Table:
        """Return some row groups."""
        with self._opened() as file:
            columns = [ID, *self._columns]
            if groups:
                return file.read_row_groups(groups, columns, use_threads=False)
            return file.schema_arrow.empty_table().select(columns)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        problem = f"{self._path}, which has properties of the annotations, cannot be read"
        try:
            with reading_table(problem), self._path.open_file() as file:
                yield open_parquet(file)
        except NotFound as error:
            raise CorruptData(f"{problem}: {error}") from error

    @cached_property
    def _ranges(self) -> NDArray[np.uint64]:
        """Shard, first and last id of each row group."""
        found = []
        with self._opened() as file:
            metadata, names = file.metadata, file.schema_arrow.names
            for group in range(metadata.num_row_groups):
                columns = metadata.row_group(group)
                ids, shards = (columns.column(names.index(name)).statistics for name in (ID, _SHARD))
                if ids is None or shards is None:
                    raise ValueError(f"row group {group} has no smallest and largest id and shard")
                found.append((shards.min, ids.min, ids.max))
            return np.array(found, np.uint64).reshape(-1, 3)

    def lookup(self, ids: NDArray[np.uint64], shards: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Return the properties of annotations.

        Parameters
        ----------
        ids, shards : (n,) array of uint64
            Of the annotations; the shards are those of the index of ids.

        Raises
        ------
        CorruptData
            If one is missing.
        """
        ranges = self._ranges
        wanted = [
            group
            for group, (shard, first, last) in enumerate(ranges)
            if ((shards == shard) & (ids >= first) & (ids <= last)).any()
        ]
        table = self._read(wanted)
        known = table.column(ID).to_numpy()
        order = np.argsort(known)
        at = np.searchsorted(known, ids, sorter=order)
        if len(ids) and (at.max() >= len(known) or (known[order[at]] != ids).any()):
            raise CorruptData(f"{self._path} lacks properties of some annotations; write the collection again")
        rows = table.take(order[at]) if len(ids) else table.slice(0, 0)
        return {name: numpy_column(name, rows.column(name)) for name in self._columns}
