"""Tables that a foreign program writes for a block: positions are shifted to the volume, and belong to one block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.command.formats import read_array
from voxome.blocks.command.labels import EXACT_FLOAT, GivenLabels, whole_labels
from voxome.blocks.command.spec import table_columns
from voxome.contracts.command_tool import Positions, TableOutput
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput


def read_rows(name: str, table: TableOutput, path: Path, block: BlockContext, given: dict[str, GivenLabels]) -> Rows:
    """Return the rows of a table that belong to a block.

    Parameters
    ----------
    name : str
        Name of the output.
    table : TableOutput
        What the hint says of it.
    path : path
        Its file.
    block : BlockContext
        The block; positions in the file count from the start of its read box.
    given : dict of str to GivenLabels
        Labels of the inputs.

    Raises
    ------
    InvalidInput
        If the file has other columns, values of another type, or positions outside the read box.
    """
    columns = table_columns(table)
    raw = _csv(name, columns, path) if table.format == "csv" else _npy(name, columns, path)
    rows = {column: _as_dtype(name, column, raw[column], dtype) for column, dtype in columns.items()}
    if table.positions is not None:
        rows = _own_rows(name, rows, raw, table.positions, columns, block)
    for column, source in table.ids.items():
        labels = whole_labels(rows[column], f"column {column!r} of {name!r}")
        restored = given[source].restore(labels, f"column {column!r} of {name!r}", source)
        rows[column] = _as_dtype(name, column, restored, columns[column])
    return rows


def _csv(name: str, columns: dict[str, str], path: Path) -> Rows:
    """Return the columns of a CSV file with a header."""
    import pyarrow
    from pyarrow import csv

    unsigned = [column for column, dtype in columns.items() if np.dtype(dtype).kind == "u"]
    types = {column: pyarrow.uint64() for column in unsigned}  # else numbers from 2^63 on are read as floats
    try:
        try:
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(null_values=[""], column_types=types))
        except pyarrow.ArrowInvalid:  # such as 3.0, or negative
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(null_values=[""]))
    except (pyarrow.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"output {name!r} cannot be read as CSV: {error}; expected a header ({','.join(columns)}) and rows"
        ) from error
    _require_columns(name, table.column_names, columns)
    rows = {}
    for column in columns:
        if table[column].null_count and len(table):
            raise InvalidInput(f"column {column!r} of output {name!r} has rows without a value; fill or remove them")
        rows[column] = np.asarray(table[column].to_numpy()) if len(table) else np.empty(0)
    return rows


def _npy(name: str, columns: dict[str, str], path: Path) -> Rows:
    """Return the columns of an array (rows, columns)."""
    array = read_array("npy", path)
    if array.size == 0:
        return {column: np.empty(0) for column in columns}
    if array.ndim != 2 or array.shape[1] != len(columns):
        raise InvalidInput(
            f"output {name!r} has shape {array.shape}; expected rows of {len(columns)} columns ({', '.join(columns)})"
        )
    return {column: array[:, i] for i, column in enumerate(columns)}


def _require_columns(name: str, found: list[str], columns: dict[str, str]) -> None:
    missing, extra = [one for one in columns if one not in found], [one for one in found if one not in columns]
    if missing or extra or len(set(found)) < len(found):
        raise InvalidInput(
            f"output {name!r} has the columns {', '.join(found)}; the hint says {', '.join(columns)}; mend columns in "
            "the hint, with a dtype for each, or the program"
        )


def _as_dtype(name: str, column: str, values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return a column with its dtype, if that changes no value."""
    if not len(values):
        return np.empty(0, dtype)
    if values.dtype.kind not in "biuf":
        raise InvalidInput(f"column {column!r} of output {name!r} has {values[0]!r}; expected numbers ({dtype})")
    with np.errstate(invalid="ignore"):
        converted = values.astype(dtype)
    if values.dtype.kind == "f" and np.dtype(dtype).kind != "f":
        most = EXACT_FLOAT[min(values.dtype.itemsize, 8)]
        if (np.abs(values) >= most).any():
            raise InvalidInput(
                f"column {column!r} of output {name!r} has {values[np.abs(values) >= most][0]:.0f}, as {values.dtype}, "
                f"which cannot tell whole numbers from {most} on apart; have the program write integers"
            )
    is_rounded = np.dtype(dtype).kind == "f" and values.dtype.kind == "f"
    is_wrong = (converted.astype(values.dtype) != values) | ((converted < 0) != (values < 0))
    if is_wrong.any() and not is_rounded:
        raise InvalidInput(
            f"column {column!r} of output {name!r} has {values[is_wrong][0]}, which {dtype} cannot hold; mend the hint"
        )
    return converted


def _own_rows(
    name: str, rows: Rows, raw: Rows, positions: Positions, columns: dict[str, str], block: BlockContext
) -> Rows:
    """Return the rows whose voxel is in the write box, at their positions in the volume."""
    frame, own = block.frame, np.ones(len(next(iter(rows.values()))), bool)
    rows = dict(rows)
    for axis in range(3):
        column = positions.column("zyx"[axis])
        in_nm = positions.unit == "nm"
        size = frame.scale_nm[axis] if in_nm else 1.0
        offset = frame.offset_nm[axis] if in_nm else 0.0
        values = raw[column].astype(np.float64)
        low, high = block.read.start[axis], block.read.stop[axis]
        voxel = np.floor(values / size + 0.5) + low
        outside = ~((voxel >= low) & (voxel < high))
        if outside.any():
            raise InvalidInput(
                f"output {name!r} has {column} = {values[outside][0]:g} {positions.unit}, outside the {high - low} "
                f"voxels of the block along {'zyx'[axis]}; mend unit, axes or columns of positions in the hint"
            )
        own &= (voxel >= block.write.start[axis]) & (voxel < block.write.stop[axis])
        rows[column] = _shifted(rows[column], values, low * size + offset, columns[column], name, column)
    return {column: values[own] for column, values in rows.items()}


def _shifted(
    exact: NDArray[Any], values: NDArray[np.float64], shift: float, dtype: str, name: str, column: str
) -> NDArray[Any]:
    if np.dtype(dtype).kind == "f":
        return (values + shift).astype(dtype)
    if shift != int(shift):
        raise InvalidInput(
            f"column {column!r} of output {name!r} is {dtype}, but positions in the volume are fractions"
        )
    return _as_dtype(name, column, exact.astype(np.int64) + int(shift), dtype)
