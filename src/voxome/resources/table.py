"""Tables in Parquet files, sorted by their key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import DTypeLike, NDArray

from voxome.contracts.formats import TABLE
from voxome.contracts.kinds import Rows
from voxome.contracts.uri import Uri
from voxome.errors import NotFound, VoxomeError
from voxome.resources.rows import BYTES, array_dtype, concatenate
from voxome.storage.damaged_tables import DAMAGE, reading_table, table_error
from voxome.storage.find import storage_at
from voxome.storage.parquet_files import open_parquet
from voxome.storage.path import StoragePath

_VERSION = "voxome_format_version"
ROW_GROUP = 65_536


class TableFile:
    """A Parquet file of columns of numbers.

    Parameters
    ----------
    path : path or address
        Of the file: on this machine, or as ``s3://bucket/key?endpoint=…``.

    Raises
    ------
    NotFound
        If the file does not exist.
    CorruptData
        If it is no Parquet file, or is cut short.
    UnsupportedFormat
        If another version of voxome wrote it; tables of other programs have no version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        try:
            self._file = _open(self.path)
            version = self.metadata.get(_VERSION)
        except FileNotFoundError as error:
            raise NotFound(f"the table {path} does not exist") from error
        except VoxomeError:
            raise
        except (*DAMAGE, MemoryError) as error:
            raise table_error(f"{path} is not a readable Parquet table", error) from error
        if version is not None:
            TABLE.check_version(int(version) if version.isdecimal() else version, path)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._file.schema_arrow.names)

    @property
    def metadata(self) -> dict[str, str]:
        """Texts that are kept with the columns."""
        stored = self._file.schema_arrow.metadata or {}
        return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in stored.items()}

    @property
    def columns_with_nulls(self) -> set[str]:
        """Names of the columns of whole numbers, or of true and false, in which values are missing."""
        fields = self._file.schema_arrow
        names = [field.name for field in fields if pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)]
        return {name for name in names if self._table([name]).column(name).null_count}

    def read(self, columns: Sequence[str] | None = None, *, drop_nulls: bool = False) -> Rows:
        """Return all rows, or with `drop_nulls` those with a value in every column.

        Missing numbers are NaN in columns of floats, and 0 in those of whole numbers, whose other values stay exact.
        """
        table = self._table(columns)
        with self._reading():
            return rows_of(table.drop_null() if drop_nulls else table)

    def stacked(self, columns: Sequence[str], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return columns side by side, (rows, columns), in the memory of the result and a batch.

        Without `dtype`, they have that of the first.
        """
        own = self._file.schema_arrow.field(columns[0]).type.to_pandas_dtype()
        out = np.empty((len(self), len(columns)), own if dtype is None else dtype)
        start = 0
        for batch in self._record_batches(ROW_GROUP, columns):
            part = out[start : start + len(batch)]
            with self._reading():
                for index, name in enumerate(columns):
                    part[:, index] = _values(batch.column(name))
            start += len(batch)
        return out

    def batches(self, rows: int, groups: Sequence[int] | None = None) -> Iterator[Rows]:
        """Yield all rows, or those of row groups, in order, at most so many at a time."""
        for batch in self._record_batches(rows, groups=groups):
            with self._reading():
                found = rows_of(pa.Table.from_batches([batch]))
            if len(batch):
                yield found

    def group_ranges(self, column: str) -> NDArray[np.float64]:
        """Return the lowest and the highest value of a column in each row group, (groups, 2).

        They are infinite where the file has no statistics. NaN does not count.
        """
        index = self.columns.index(column)
        groups = self._file.metadata.num_row_groups
        known = (self._file.metadata.row_group(group).column(index).statistics for group in range(groups))
        with self._reading():
            ends = [(one.min, one.max) if one is not None and one.has_min_max else (-np.inf, np.inf) for one in known]
            return np.array(ends, np.float64).reshape(-1, 2)

    def _table(self, columns: Sequence[str] | None) -> pa.Table:
        """Return columns of all rows; pyarrow 18 cannot read files without row groups."""
        if self._file.metadata.num_row_groups:
            with self._reading():
                return self._file.read(columns=None if columns is None else list(columns))
        empty = self._file.schema_arrow.empty_table()
        return empty if columns is None else empty.select(list(columns))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn the errors of a damaged file into CorruptData."""
        with reading_table(f"{self.path} is damaged, or cannot be read"):
            yield

    def _record_batches(
        self, rows: int, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of all rows in batches; pyarrow 18 cannot read files without row groups."""
        chosen = list(range(self._file.metadata.num_row_groups) if groups is None else groups)
        if not chosen:
            return
        names = None if columns is None else list(columns)
        batches = self._file.iter_batches(rows, row_groups=chosen, columns=names, use_threads=False)
        while True:
            with self._reading():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def lookup(self, column: str, keys: NDArray[Any]) -> Rows:
        """Return the rows whose `column`, by which the table is sorted, is among `keys`.

        Only their row groups are read, in the memory of the result and one group.
        """
        keys = np.unique(keys)
        parts = [rows_of(self._file.schema_arrow.empty_table())]
        for group in self._groups(column, keys):
            with self._reading():
                rows = rows_of(self._file.read_row_group(group, use_threads=False))
            keep = np.isin(rows[column], keys)
            parts.append({name: values[keep] for name, values in rows.items()})
        return concatenate(parts)

    def _groups(self, column: str, keys: NDArray[Any]) -> Iterator[int]:
        """Row groups that may contain one of the sorted keys."""
        metadata = self._file.metadata
        index = self.columns.index(column)
        for group in range(metadata.num_row_groups):
            if metadata.row_group(group).num_rows == 0:
                continue
            statistics = metadata.row_group(group).column(index).statistics
            first = np.searchsorted(keys, keys.dtype.type(statistics.min))
            if first < len(keys) and keys[first] <= statistics.max:
                yield group


def rows_of(table: pa.Table) -> Rows:
    """Return the columns of a table of Arrow as arrays."""
    return {name: _values(table.column(name).combine_chunks()) for name in table.column_names}


def _values(column: pa.Array) -> NDArray[Any]:
    """Return a column as an array; whole numbers with missing ones never become floats."""
    if column.null_count and (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        column = column.fill_null(pa.scalar(0, pa.int8()).cast(column.type))
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _open(path: str) -> pq.ParquetFile:
    """Return the table of a local file, which pyarrow opens itself, or of a file object over a store."""
    if "://" not in path:
        return pq.ParquetFile(path if Path(path).exists() else str(Uri.parse(path).local_path))
    try:
        return open_parquet(storage_at(path).open_file())
    except NotFound as error:
        raise FileNotFoundError(path) from error


def write_table(
    path: str | Path | StoragePath,
    rows: Rows,
    columns: Mapping[str, str],
    *,
    row_group: int = ROW_GROUP,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write rows as a Parquet file, atomically.

    Parameters
    ----------
    path : path, address or StoragePath
        Of the file, which is replaced if it exists.
    rows : mapping of str to array
        One array a column.
    columns : mapping of str to str
        Names and dtypes, in order.
    row_group : int
        Rows that are read together.
    metadata : mapping of str to str
        Texts to keep with the columns.

    Raises
    ------
    StoreError
        If the disk is full, or the store cannot be written to.
    """
    write_batches(path, [rows], columns, row_group=row_group, metadata=metadata)


def write_batches(
    path: str | Path | StoragePath,
    batches: Iterable[Rows],
    columns: Mapping[str, str],
    *,
    row_group: int = ROW_GROUP,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write rows that come in batches as `write_table` does; memory holds a row group and a batch."""
    write_row_groups(path, _regrouped(batches, columns, row_group), columns, metadata=metadata, most=row_group)


def write_row_groups(
    path: str | Path | StoragePath,
    batches: Iterable[Rows],
    columns: Mapping[str, str],
    *,
    metadata: Mapping[str, str] = MappingProxyType({}),
    most: int = ROW_GROUP,
) -> None:
    """Write rows as `write_table` does, each batch as row groups of its own, of at most `most` rows.

    Columns may also be of ``bytes``: byte strings of any length.
    """
    schema = arrow_schema(columns).with_metadata({_VERSION: str(TABLE.version), **metadata})
    target = path if isinstance(path, StoragePath) else storage_at(str(path), writing=True)
    with (
        target.create_file() as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for rows in batches:
            arrays = [
                pa.array(rows[name].astype(array_dtype(dtype), copy=False), _arrow_type(dtype))
                for name, dtype in columns.items()
            ]
            writer.write_table(pa.table(arrays, schema=schema), row_group_size=most)


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Return the schema of columns, names and dtypes."""
    return pa.schema([(name, _arrow_type(dtype)) for name, dtype in columns.items()])


def _arrow_type(dtype: str) -> pa.DataType:
    return pa.large_binary() if dtype == BYTES else pa.from_numpy_dtype(dtype)


def _regrouped(batches: Iterable[Rows], columns: Mapping[str, str], row_group: int) -> Iterator[Rows]:
    """Return the same rows in batches of full row groups, except the last."""
    waiting: list[Rows] = []
    for batch in batches:
        waiting.append(batch)
        count = sum(len(next(iter(rows.values()))) for rows in waiting)
        if count >= row_group:
            rows = concatenate(waiting, columns)
            full = count // row_group * row_group
            yield {name: values[:full] for name, values in rows.items()}
            waiting = [{name: values[full:] for name, values in rows.items()}]
    if waiting:
        yield concatenate(waiting, columns)
