"""Columns of tables of annotations: geometry and positions, ids, properties and relations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from voxome.contracts.position_columns import POSITIONS, position_columns
from voxome.contracts.provenance import ATTRIBUTE
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput, UnsupportedFormat, describe_value
from voxome.remotes.annotation_checks import require_positions
from voxome.remotes.annotation_rows import ID, SHAPE_KEY, from_table, is_list

Triple = tuple[float, float, float]

MOST_COLUMNS = 1 << 15
"""Most columns of a table; each takes 0.2 ms, and 16 KB of memory, for however few rows."""
LIST_SUFFIX = "[]"
"""End of the name of a column of a CSV file that is a relation."""
_PREFIXES: Mapping[AnnotationShape, tuple[tuple[str, ...], ...]] = {
    "line": (POSITIONS["line"], ("pre_", "post_")),
    "box": (POSITIONS["box"],),
    "ellipsoid": (POSITIONS["ellipsoid"],),
    "point": (POSITIONS["point"],),
}
"""Geometry → beginnings of the names of its columns of positions, one of which a table has."""
_EXACT = 1 << 53
"""Largest id to which floats hold all."""
_RUN_VERSION = b"voxome_format_version"
"""Metadata of the tables that voxome writes; of a run, whose positions count from the centre of voxel 0."""


_PROVENANCE = ATTRIBUTE.encode()
"""Metadata of tables of services, as of `voxome.regions`, whose positions count from the corner of voxel 0."""


def require_few_columns(path: object, count: int) -> None:
    """Refuse a table of more than `MOST_COLUMNS` columns; raises UnsupportedFormat."""
    if count > MOST_COLUMNS:
        raise UnsupportedFormat(
            f"{path} has {count:,} columns; at most {MOST_COLUMNS:,} are read: write those you need to another file"
        )


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a table is read.

    Attributes
    ----------
    voxel_size_nm : (z, y, x) or None
        Size of the voxels in which columns ``z, y, x`` count: i is the centre of voxel i.
    offset_nm : (z, y, x)
        Position of the centre of voxel 0 in tables of a run.
    relations : tuple of str
        Columns of ids that are relations.
    """

    voxel_size_nm: Triple | None = None
    offset_nm: Triple = (0.0, 0.0, 0.0)
    relations: tuple[str, ...] = ()


class TableReader:
    """Turns the rows of a table into annotations.

    Parameters
    ----------
    schema : pyarrow.Schema
        Its columns.
    options : TableOptions
        How it is read.
    name : str
        Its URI, for messages.

    Raises
    ------
    InvalidInput
        If it lacks columns, or has two of one name.
    """

    def __init__(self, schema: pa.Schema, options: TableOptions, name: str) -> None:
        self._options, self._name = options, name
        self._columns = schema.names
        if repeated := [one for one, count in Counter(schema.names).items() if count > 1]:
            raise InvalidInput(
                f"{name} has several columns {', '.join(repeated)}; rename or remove all but one of each"
            )
        self.shape, prefixes, unit = _positions_of(schema.names, name)
        self._is_voxels = not unit
        self._from = [f"{prefix}{axis}{unit}" for prefix in prefixes for axis in "zyx"]
        metadata = schema.metadata or {}
        others = SHAPE_KEY in metadata or _PROVENANCE in metadata  # annotations, and results of services
        self._of_run = _RUN_VERSION in metadata and not others
        if (self._is_voxels or self._of_run) and options.voxel_size_nm is None:
            what = "in voxels" if self._is_voxels else "from the centre of voxel 0, as in all tables of a run"
            raise InvalidInput(f"{name}: its positions count {what}; add the voxel size in nm, as ?voxel_size=40,8,8")
        if missing := [one for one in options.relations if one not in schema.names]:
            raise InvalidInput(f"{name} has no column {', '.join(missing)}; it has {', '.join(schema.names)}")

    @property
    def relations(self) -> tuple[str, ...]:
        """Columns that `TableOptions` names as relations."""
        return self._options.relations

    def read(self, table: pa.Table, first: int) -> Annotations:
        """Return rows as annotations; `first` is the number of the first one, which ids count if there are none.

        Raises
        ------
        InvalidInput
            If positions, ids or labels are missing, or no numbers.
        """
        names = position_columns(self.shape)
        if not len(table):
            table = self._with_types(table)
        self._require_values(table, first)
        columns: dict[str, Any] = {
            ID: table.column(ID) if ID in self._columns else np.arange(first, first + len(table)) + 1
        }
        for stored, name in zip(self._from, names, strict=True):
            columns[name] = table.column(stored)
        for name in self._columns:
            if name not in columns and name not in self._from:
                column = table.column(name)
                columns[name] = _as_lists(name, column) if name in self._options.relations else column
        try:
            found = from_table(pa.table(columns), self.shape)
        except (pa.ArrowInvalid, ValueError) as error:
            raise InvalidInput(f"{self._name}: {error}") from error
        require_positions(found, self._name, first, self._from)
        with np.errstate(over="ignore"):
            moved = found.replace(positions_nm=self._corner_frame(found.positions_nm))
        require_positions(moved, self._name, first, self._from)
        return moved

    def _with_types(self, table: pa.Table) -> pa.Table:
        """Return a table without rows whose ids and positions are numbers; other programs give these no types."""
        types = {ID: pa.uint64(), **dict.fromkeys(self._from, pa.float64())}
        types |= {one: pa.large_list(pa.uint64()) for one in self._options.relations}
        others = {name: pa.float64() for name in self._columns if pa.types.is_null(table.schema.field(name).type)}
        fields = [pa.field(one.name, types.get(one.name, others.get(one.name, one.type))) for one in table.schema]
        return pa.schema(fields).empty_table()

    def _require_values(self, table: pa.Table, first: int) -> None:
        """Refuse rows without an id or a position."""
        for name in (ID, *self._from):
            if name in self._columns and table.column(name).null_count:
                row = pc.index(table.column(name).is_null(), pa.scalar(True)).as_py()
                raise InvalidInput(
                    f"{self._name}: row {first + row + 1} has no value of {name}; fill it in, or remove the row"
                )

    def _corner_frame(self, positions: Any) -> Any:
        """Return positions in nm from the corner of voxel 0; the radii of ellipsoids have no origin."""
        if not (self._is_voxels or self._of_run):
            return positions
        size = np.asarray(self._options.voxel_size_nm)
        moved = (
            (positions + 0.5) * size if self._is_voxels else positions - np.asarray(self._options.offset_nm) + size / 2
        )
        if self.shape == "ellipsoid":
            moved[:, 1] = positions[:, 1] * size if self._is_voxels else positions[:, 1]
        return moved


def has_positions(columns: Sequence[str]) -> bool:
    """Return whether a table with these columns has positions."""
    return any(
        all(f"{prefix}{axis}{unit}" in columns for prefix in prefixes for axis in "zyx")
        for _, prefixes, unit in _candidates()
    )


def _positions_of(columns: Sequence[str], name: str) -> tuple[AnnotationShape, tuple[str, ...], str]:
    """Return the geometry, the beginnings of the names of its columns, and their end: ``_nm``; nothing for voxels."""
    for shape, prefixes, unit in _candidates():
        if all(f"{prefix}{axis}{unit}" in columns for prefix in prefixes for axis in "zyx"):
            return shape, prefixes, unit
    raise InvalidInput(
        f"{name} has the columns {', '.join(columns)}; positions are expected in z_nm, y_nm, x_nm (points), "
        "start_z_nm, …, stop_x_nm (lines), low_z_nm, …, high_x_nm (boxes) or centre_z_nm, …, radius_x_nm (ellipsoids), "
        "or in the same without _nm, in voxels"
    )


def _candidates() -> Iterator[tuple[AnnotationShape, tuple[str, ...], str]]:
    for unit in ("_nm", ""):
        for shape, alternatives in _PREFIXES.items():
            for prefixes in alternatives:
                yield shape, prefixes, unit


def _as_lists(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of single ids, each as a list; a missing one is an empty list."""
    if is_list(column.type):
        return column
    if pa.types.is_floating(column.type):
        column = _as_integers(name, column)
    if not pa.types.is_integer(column.type):
        raise InvalidInput(f"the column {name!r} is of type {column.type}; ids are expected in a relation")
    chunks = []
    for chunk in column.chunks:
        offsets = np.concatenate([[0], np.cumsum(~chunk.is_null().to_numpy(zero_copy_only=False))])
        chunks.append(pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), chunk.drop_null()))
    return pa.chunked_array(chunks, pa.large_list(column.type))


def _as_integers(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids that are floats because some are missing; those that floats do not hold exactly are refused."""
    present = pc.if_else(pc.is_nan(column), None, column)
    largest = pc.max(present).as_py()
    if largest is not None and largest > _EXACT:
        raise InvalidInput(
            f"the column {name!r} is of type {column.type}, with ids above 2^53, which are not exact; "
            "write it as integers"
        )
    try:
        return present.cast(pa.uint64())
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"the column {name!r} has values that are no ids: {error}") from error


def parse_lengths(option: str, text: str | None, name: str) -> Triple | None:
    """Return the three lengths of an option, such as ``voxel_size=40,8,8``.

    Raises
    ------
    InvalidInput
        If they are not three positive numbers.
    """
    found = _parse_triple(text)
    if text is not None and (found is None or min(found) <= 0):
        raise InvalidInput(
            f"{name}: {option} is {describe_value(text)}; expected three positive lengths in nm, as {option}=40,8,8"
        )
    return found


def parse_position(option: str, text: str | None, name: str) -> Triple | None:
    """Return the position that an option is, such as ``offset=-20,0,0``.

    Raises
    ------
    InvalidInput
        If it is not three finite numbers.
    """
    found = _parse_triple(text)
    if text is not None and found is None:
        raise InvalidInput(
            f"{name}: {option} is {describe_value(text)}; expected a position in nm (z, y, x), as {option}=40,8,8"
        )
    return found


def _parse_triple(text: str | None) -> Triple | None:
    """Return three finite numbers; None if `text` is anything else."""
    try:
        z, y, x = (float(part) for part in (text or "").split(","))
    except ValueError:
        return None
    return (z, y, x) if all(map(math.isfinite, (z, y, x))) else None
