"""Annotations as tables: one row each, in Parquet, CSV and tables of edits.

Columns are ``id``, the positions in nm (see `voxome.contracts.position_columns`), one for each property, and one for
each relation: a list of uint64. A colour is a list of 3 or 4 uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voxome.contracts.position_columns import position_columns
from voxome.contracts.ragged import Ragged, as_labels
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput

ID = "id"
SHAPE_KEY = b"voxome_annotations"
"""Key of the metadata of a table whose value is the geometry."""


def to_table(annotations: Annotations) -> pa.Table:
    """Return annotations as a table.

    Raises
    ------
    InvalidInput
        If two columns have one name, or a property is neither of numbers, texts, truth values nor colours.
    """
    positions = annotations.positions_nm.reshape(len(annotations), len(position_columns(annotations.shape)))
    columns: dict[str, Any] = {ID: pa.array(annotations.ids)}
    columns |= {name: pa.array(positions[:, row]) for row, name in enumerate(position_columns(annotations.shape))}
    for name, values in annotations.properties.items():
        _require_free(name, columns)
        columns[name] = property_column(name, values)
    for name, labels in annotations.relations.items():
        _require_free(name, columns)
        columns[name] = _list_column(Ragged.of(name, labels))
    return pa.table(columns).replace_schema_metadata({SHAPE_KEY: annotations.shape.encode()})


def from_table(table: pa.Table, shape: AnnotationShape) -> Annotations:
    """Return the annotations that `to_table` made a table of.

    Raises
    ------
    InvalidInput
        If columns are missing, or positions or ids are.
    """
    names = position_columns(shape)
    if missing := [name for name in (ID, *names) if name not in table.column_names]:
        raise InvalidInput(f"the table lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names)}")
    if empty := [name for name in (ID, *names) if table.column(name).null_count]:
        raise InvalidInput(
            f"the table has no value of {', '.join(empty)} in some rows; fill them in, or leave these out"
        )
    for name in names:
        if not (pa.types.is_integer(kind := table.schema.field(name).type) or pa.types.is_floating(kind)):
            raise InvalidInput(f"the column {name!r} is of type {kind}; expected numbers")
    if not pa.types.is_integer(table.schema.field(ID).type):
        raise InvalidInput(f"the ids are of type {table.schema.field(ID).type}; expected integers")
    positions = np.stack([table.column(name).to_numpy().astype(np.float64) for name in names], axis=-1)
    others = [name for name in table.column_names if name not in (ID, *names)]
    lists = {name for name in others if is_list(table.schema.field(name).type)}
    return Annotations(
        shape,
        table.column(ID).to_numpy(),
        positions.reshape(len(table), len(names) // 3, 3),
        {name: numpy_column(name, table.column(name)) for name in others if name not in lists},
        {name: _labels(name, table.column(name)) for name in others if name in lists},
    )


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column holds the labels of a relation."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def property_column(name: str, values: Any) -> pa.Array:
    """Return the values of a property as a column.

    Raises
    ------
    InvalidInput
        If they are neither numbers, texts, truth values nor colours.
    """
    column = np.asarray(values)
    try:
        if column.ndim == 2:
            return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])
        return pa.array(column, pa.string()) if column.dtype.kind in "UO" else pa.array(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"the property {name!r} has values that are neither numbers, texts, truth values nor colours: {error}"
        ) from error


def type_name(values: NDArray[Any]) -> str:
    """Return the name of the type of a property, for people to read."""
    if values.dtype.kind in "UO":
        return "text"
    return values.dtype.name if values.ndim == 1 else f"{values.shape[1]} × {values.dtype.name}"


def numpy_column(name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column as an array; texts as such, unless some are missing (None).

    Raises
    ------
    InvalidInput
        If whole numbers or truth values are missing.
    """
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        flat = pa.concat_arrays([chunk.flatten() for chunk in column.chunks] or [pa.array([], kind.value_type)])
        return flat.to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
    if column.null_count and not (pa.types.is_string(kind) or pa.types.is_floating(kind)):
        raise InvalidInput(
            f"the column {name!r} of {kind} lacks {column.null_count} values; fill them in, leave it out, or read it "
            f"as a relation (?relations={name})"
        )
    values: NDArray[Any] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(np.str_) if pa.types.is_string(kind) and not column.null_count else values


def _list_column(labels: Ragged) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(labels.counts)])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(labels.values))


def _labels(name: str, column: pa.ChunkedArray) -> Ragged:
    kind = column.type.value_type
    if not pa.types.is_integer(kind):
        raise InvalidInput(f"the relation {name!r} has lists of {kind}; expected lists of integers")
    parts = []
    for chunk in column.chunks:
        counts = np.diff(chunk.offsets.to_numpy()).astype(np.int64)
        counts[chunk.is_null().to_numpy(zero_copy_only=False)] = 0
        parts.append(Ragged(as_labels(name, chunk.flatten().to_numpy(zero_copy_only=False)), counts))
    return Ragged.join(parts) if parts else Ragged(np.empty(0, np.uint64), np.empty(0, np.int64))


def _require_free(name: str, columns: Mapping[str, Any]) -> None:
    if name in columns:
        raise InvalidInput(f"two columns would be called {name!r}; rename the property or the relation")
