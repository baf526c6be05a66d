"""Tables that are written as Parquet or CSV, by the suffix of their name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.csv

from voxome.contracts.kinds import Rows
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput
from voxome.resources.table import ROW_GROUP, write_batches
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath
from voxome.storage.probe import require_write_access

_LOG = logging.getLogger(__name__)
SUFFIXES = (".parquet", ".csv")


def table_path(name: str) -> StoragePath:
    """Return the path of a table to write; a relative one becomes absolute.

    Raises
    ------
    InvalidInput
        If its suffix is neither ``.parquet`` nor ``.csv``.
    ReadOnly
        If its store or folder cannot be written to.
    """
    uri = Uri.parse(name)
    if not uri.path.lower().endswith(SUFFIXES):
        raise InvalidInput(f"{uri} is neither .parquet nor .csv; end its name in one of these")
    path = storage_at(name if "://" in name else str(uri.local_path), writing=True)
    require_write_access(path, str(path))
    return path


def is_csv(path: StoragePath) -> bool:
    """Return whether a table is, or becomes, a CSV file."""
    return path.name.lower().endswith(".csv")


def require_new_table(path: StoragePath) -> None:
    """Refuse a path at which there is a file or a folder.

    Raises
    ------
    AlreadyExists
    """
    if path.exists() or path.taken():
        raise AlreadyExists(f"{path} already exists; choose another name, or replace it (overwrite=True, --overwrite)")


def write_table_file(
    path: StoragePath,
    batches: Iterable[Rows],
    columns: Mapping[str, str],
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write rows that come in batches, atomically; a file that exists is replaced.

    Parameters
    ----------
    path : StoragePath
        See `table_path`.
    batches : iterable of mappings of str to array
        The rows.
    columns : mapping of str to str
        Names and dtypes, in order.
    metadata : mapping of str to str
        Texts that a Parquet file keeps; CSV files have no place for them, which is logged.

    Raises
    ------
    StoreError
        If the disk is full, or the store cannot be written to.
    """
    if not is_csv(path):
        write_batches(path, batches, columns, row_group=ROW_GROUP, metadata=metadata)
        return
    if metadata:
        _LOG.info("%s has no place for provenance; Parquet files have", path)
    schema = pa.schema([(name, pa.from_numpy_dtype(dtype)) for name, dtype in columns.items()])
    with path.create_file() as file, pyarrow.csv.CSVWriter(file, schema) as writer:
        for rows in batches:
            arrays: list[Any] = [
                pa.array(rows[name].astype(dtype, copy=False), schema.field(name).type)
                for name, dtype in columns.items()
            ]
            writer.write_table(pa.table(arrays, schema=schema))
