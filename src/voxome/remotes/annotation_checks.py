"""What all stores require of annotations: each id occurs once, and positions are finite."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.id_groups import hash_ids
from voxome.contracts.position_columns import position_columns
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput
from voxome.remotes.spilled_rows import PARTITIONS, SpilledRows

_ROW = np.dtype([("id", "<u8"), ("row", "<i8")])
_KEPT = 1 << 20
"""Ids that are kept in memory; more go into a temporary file."""


def require_positions(
    annotations: Annotations, name: str, first: int | None = None, columns: Sequence[str] | None = None
) -> None:
    """Refuse positions that are not finite, and negative radii.

    Parameters
    ----------
    annotations : Annotations
        What is read or written.
    name : str
        URI, for messages.
    first : int, optional
        Rows of the table before these, so that messages name the row; the first one is 1.
    columns : sequence of str, optional
        Names of the positions in messages; by default those of `position_columns`.

    Raises
    ------
    InvalidInput
        If there are any; the annotation is named.
    """
    names = position_columns(annotations.shape) if columns is None else columns
    values = annotations.positions_nm.reshape(len(annotations), len(names))
    finite = np.isfinite(values)
    radii = np.zeros_like(finite)
    if annotations.shape == "ellipsoid":
        radii[:, 3:] = values[:, 3:] < 0
    if finite.all() and not radii.any():
        return
    row, column = np.argwhere(~finite | radii)[0].tolist()
    where = f"the annotation {annotations.ids[row]}"
    if first is not None:
        where = f"row {first + row + 1} (id {annotations.ids[row]})"
    expected = "finite numbers of nm" if not finite[row, column] else "at least 0"
    what = "positions" if not finite[row, column] else "radii of ellipsoids"
    raise InvalidInput(
        f"{name}: {where} has {values[row, column]:g} in {names[column]}; {what} must be "
        f"{expected}: correct it, or leave it out"
    )


class Repeated(NamedTuple):
    """An id that occurs twice, and the rows in which it does; the first row is 1."""

    id: int
    first: int
    second: int


class UniqueIds:
    """Finds ids that occur twice among any number of them, in bounded memory.

    It is a context manager, which removes its temporary file.
    """

    def __init__(self) -> None:
        self._waiting: list[NDArray[Any]] = []
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._spilled: SpilledRows | None = None

    def __enter__(self) -> UniqueIds:
        return self

    def __exit__(self, *error: object) -> None:
        if self._spilled is not None:
            self._spilled.close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, ids: NDArray[np.uint64]) -> None:
        """Add the ids of the next rows."""
        rows = np.empty(len(ids), _ROW)
        rows["id"], rows["row"] = ids, np.arange(self._count, self._count + len(ids)) + 1
        self._count += len(ids)
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) > _KEPT:
            self._spill()

    def find_repeated(self) -> Repeated | None:
        """Return the first row whose id occurred before; None if there is none."""
        found = [one for rows in self._partitions() if (one := _repeated(rows)) is not None]
        return min(found, key=lambda one: one.second, default=None)

    def _partitions(self) -> Iterator[NDArray[Any]]:
        """Yield all rows, those of one id together."""
        if self._spilled is None:
            yield np.concatenate([np.empty(0, _ROW), *self._waiting])
            return
        self._spill()
        for one in range(PARTITIONS):
            yield self._spilled.read([one])

    def _spill(self) -> None:
        if self._spilled is None:
            self._folder = tempfile.TemporaryDirectory(prefix="voxome-ids-")
            self._spilled = SpilledRows(Path(self._folder.name) / "ids", _ROW)
        rows = np.concatenate([np.empty(0, _ROW), *self._waiting])
        self._spilled.append(rows, (hash_ids(rows["id"]) & np.uint64(PARTITIONS - 1)).astype(np.uint8))
        self._waiting = []


def _repeated(rows: NDArray[Any]) -> Repeated | None:
    ids = rows["id"]
    if (ids[1:] > ids[:-1]).all():
        return None
    order = np.argsort(ids, kind="stable")
    again = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if not len(again):
        return None
    one = again[rows["row"][order[again + 1]].argmin()]
    first, second = rows[order[one]], rows[order[one + 1]]
    return Repeated(int(first["id"]), int(first["row"]), int(second["row"]))
