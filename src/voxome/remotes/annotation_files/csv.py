"""Tables in CSV files: without types, which are found in a first pass; ids never become floats."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from voxome.errors import CorruptData
from voxome.remotes.annotation_files.columns import LIST_SUFFIX
from voxome.remotes.annotation_rows import ID, is_list
from voxome.storage.path import StoragePath

_LOG = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 22
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
_WHOLE = "^(0|-?[1-9][0-9]*)$"
_NUMBER = r"^([+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:nan|inf|infinity))$"
_EXACT = 1 << 53
"""Size of whole numbers from which a float does not hold them all."""
_COLOUR = "[colour]"
"""End of the name of a column of colours."""


@dataclass
class _Values:
    """What the values of a column can be."""

    is_bool: bool = True
    is_integer: bool = True
    is_number: bool = True
    numbers: int = 0
    rows: int = 0
    other: tuple[int, str] | None = None
    """Row and text of the first value that is no number."""
    some_lack: bool = False
    low: int = 0
    high: int = 0

    def look(self, texts: pa.Array) -> None:
        """Notice some more values."""
        self.is_bool = self.is_bool and bool(
            pc.all(pc.is_in(pc.utf8_lower(texts), pa.array(["true", "false"]))).as_py()
        )
        if self.is_integer:
            self._look_at_integers(texts)
        self._look_at_numbers(texts)

    def _look_at_integers(self, texts: pa.Array) -> None:
        present = _present(texts)
        self.some_lack = self.some_lack or present.null_count > 0
        self.is_integer = bool(pc.all(pc.match_substring_regex(present, _WHOLE)).as_py() in (True, None))
        if not self.is_integer:
            return
        for kind in (pa.int64(), pa.uint64()):
            values = _cast(present, kind)
            if values is not None:
                bounds = pc.min_max(values).as_py()
                break
        else:
            whole = [int(text) for text in present.drop_null().to_pylist()]
            bounds = {"min": min(whole), "max": max(whole)}
        self.low, self.high = min(self.low, bounds["min"] or 0), max(self.high, bounds["max"] or 0)

    def _look_at_numbers(self, texts: pa.Array) -> None:
        """Count the numbers, and notice the first value that is none; leading zeros are those of a text."""
        are_numbers = pc.and_(pc.match_substring_regex(texts, _NUMBER), pc.not_equal(texts, ""))
        row = pc.index(pc.or_(are_numbers, pc.equal(texts, "")), False).as_py()
        if row >= 0 and self.other is None:
            self.other = (self.rows + row + 1, texts[row].as_py())
        self.is_number = self.other is None
        self.numbers += pc.sum(are_numbers).as_py() or 0
        self.rows += len(texts)

    def warn_of_others(self, name: str, path: StoragePath) -> None:
        """Warn that the column is read as texts, if at least half of its values are numbers."""
        if self.other is not None and 2 * self.numbers >= self.rows:
            row, text = self.other
            what = "leading zeros" if _cast(pa.array([text]), pa.float64()) is not None else "no number"
            _LOG.warning("%s: the column %r is read as texts: row %d has %r (%s)", path, name, row, text, what)

    def type(self, name: str) -> pa.DataType:
        """Return the type of the column: of integers, the smallest that holds them.

        Where some lack, it is a float with NaN for these, unless it could not hold all others. Values are texts if one
        is no number, or has leading zeros; texts that all look like numbers are numbers.

        Raises
        ------
        CorruptData
            If they are whole numbers that no type of 64 bits holds.
        """
        if name == ID:
            return pa.uint64()
        if self.is_bool:
            return pa.bool_()
        if self.is_integer and self.some_lack and max(-self.low, self.high) <= _EXACT:
            return pa.float64()
        for kind in _INTEGERS if self.is_integer else ():
            limits = np.iinfo(kind)
            if limits.min <= self.low and self.high <= limits.max:
                return pa.from_numpy_dtype(kind)
        if self.is_integer:
            raise CorruptData(
                f"the column {name!r} has whole numbers from {self.low} to {self.high}, which no type of 64 bits "
                "holds; correct them, or write them with a decimal point, as 1.0"
            )
        return pa.float64() if self.is_number else pa.string()


def read_csv_schema(path: StoragePath) -> pa.Schema:
    """Return the columns of a CSV file with the types that hold all its values.

    Raises
    ------
    NotFound
        If it does not exist.
    CorruptData
        If it is no CSV, or a column has whole numbers that no type holds.
    """
    found: dict[str, _Values] = {}
    widths: dict[str, int] = {}
    names: list[str] = []
    for batch in _batches(path):
        names = batch.schema.names
        for name, column in zip(names, batch.columns, strict=True) if len(batch) else ():
            if name.endswith(_COLOUR):
                widths.setdefault(name, len(column[0].as_py().split()))
            elif not name.endswith(LIST_SUFFIX):
                found.setdefault(name, _Values()).look(column)
    try:
        fields = [_field(name, found.get(name), widths.get(name, 3)) for name in names]
    except CorruptData as error:
        raise CorruptData(f"{path}: {error}") from error
    for name, one in zip(names, fields, strict=True):
        if one.type == pa.string() and name in found:
            found[name].warn_of_others(name, path)
    return pa.schema(fields)


def read_csv_names(path: StoragePath) -> list[str]:
    """Return the names of the columns of a CSV file, from its first line alone.

    Raises
    ------
    NotFound, CorruptData
        As `read_csv_schema`.
    """
    with path.open_file() as file:
        return _header(file, path)[0]


def _field(name: str, values: _Values | None, width: int) -> pa.Field:
    if name.endswith(LIST_SUFFIX):
        return pa.field(name.removesuffix(LIST_SUFFIX), pa.large_list(pa.uint64()))
    if name.endswith(_COLOUR):
        return pa.field(name.removesuffix(_COLOUR), pa.list_(pa.uint8(), width))
    if values is None:  # of a table without rows
        return pa.field(name, pa.uint64() if name == ID else pa.float64())
    return pa.field(name, values.type(name))


def read_csv(path: StoragePath, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file, with the columns of `schema`.

    Raises
    ------
    CorruptData
        If the file is no CSV, or a value does not have the type of its column; the row is named, the first one is 1.
    """
    first = 0
    for batch in _batches(path):
        columns = [_convert(column, field, path, first) for column, field in zip(batch.columns, schema, strict=True)]
        yield pa.table(dict(zip(schema.names, columns, strict=True)))
        first += len(batch)


def _convert(texts: pa.Array, field: pa.Field, path: StoragePath, first: int) -> pa.Array:
    """Return a column as the type of `field`; `first` is the number of rows before it."""
    try:
        return _typed(texts, field)
    except pa.ArrowInvalid:
        for row, text in enumerate(texts):
            try:
                _typed(texts.slice(row, 1), field)
            except pa.ArrowInvalid as error:
                raise CorruptData(
                    f"{path}: row {first + row + 1} has {text.as_py()!r} in the column {field.name!r}, which is no "
                    f"{field.type}; correct the row, or remove it"
                ) from error
        raise


def _typed(texts: pa.Array, field: pa.Field) -> pa.Array:
    if is_list(field.type) or pa.types.is_fixed_size_list(field.type):
        return _parse_lists(texts, field.type)
    if pa.types.is_boolean(field.type):
        return pc.equal(pc.utf8_lower(texts), "true")
    if pa.types.is_floating(field.type):
        texts = pc.if_else(pc.equal(texts, ""), "nan", texts)
    elif pa.types.is_integer(field.type) and field.name != ID:
        texts = _present(texts)
    return texts.cast(field.type)


def _parse_lists(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return lists of integers that are written as ``5 7``; colours have equal lengths."""
    parts = pc.split_pattern(pc.utf8_trim_whitespace(texts), " ")
    counts = pc.if_else(pc.equal(texts, ""), 0, pc.list_value_length(parts)).to_numpy().astype(np.int64)
    flat = pc.list_flatten(parts)
    values = flat.filter(pc.not_equal(flat, "")).cast(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        if (counts != kind.list_size).any():
            raise pa.ArrowInvalid(f"expected {kind.list_size} numbers from 0 to 255 in each")
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, values)


def _present(texts: pa.Array) -> pa.Array:
    """Return texts with nulls in place of empty ones."""
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _cast(texts: pa.Array, kind: pa.DataType) -> Any:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _batches(path: StoragePath) -> Iterator[pa.RecordBatch]:
    """Yield the rows as texts."""
    with path.open_file() as file:
        names, has_rows = _header(file, path)
        if not has_rows:
            yield pa.RecordBatch.from_pylist([], pa.schema([(name, pa.string()) for name in names]))
            return
        options = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False
        )
        read = pa.csv.ReadOptions(
            block_size=_BLOCK_BYTES, use_threads=False, column_names=names, skip_rows_after_names=1
        )
        parse = pa.csv.ParseOptions(newlines_in_values=True)
        try:
            with pa.csv.open_csv(pa.PythonFile(file, mode="r"), read, parse, options) as reader:
                yield pa.RecordBatch.from_pylist([], reader.schema)
                yield from reader
        except pa.ArrowInvalid as error:
            raise CorruptData(f"{path} is no CSV table: {error}") from error


def _header(file: BinaryIO, path: StoragePath) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether anything follows; go back to the beginning of the file.

    Lines end with a line feed, a carriage return or both.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        rows = csv.reader(text)
        names = next(rows, [])
        has_rows = next(rows, None) is not None
    except csv.Error as error:
        raise CorruptData(f"{path} is no CSV table: {error}") from error
    finally:
        text.detach()
    file.seek(0)
    if not "".join(names).strip():
        raise CorruptData(f"{path} is empty; a CSV table begins with the names of its columns")
    return names, has_rows


def csv_columns(table: pa.Table) -> pa.Table:
    """Return a table as CSV holds it: lists as texts, and marked in the names of their columns."""
    columns: dict[str, Any] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if is_list(field.type) or pa.types.is_fixed_size_list(field.type):
            suffix = LIST_SUFFIX if is_list(field.type) else _COLOUR
            rows = [" ".join(map(str, row)) for row in column.to_pylist()]
            columns[field.name + suffix] = pa.array(rows, pa.string())
        else:
            columns[field.name] = column
    return pa.table(columns)
