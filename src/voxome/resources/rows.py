"""Tables in memory: concatenate them, combine the rows of one key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows

_HOW = {"sum": np.add, "min": np.minimum, "max": np.maximum}


BYTES = "bytes"
"""Type of a column of byte strings of any length, which are objects in memory."""


def array_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype of the array of a column."""
    return np.dtype(object if name == BYTES else name)


def empty_rows(columns: Mapping[str, str]) -> Rows:
    """Return a table of no rows."""
    return {name: np.empty(0, array_dtype(dtype)) for name, dtype in columns.items()}


def concatenate(parts: Sequence[Rows], columns: Mapping[str, str] | None = None) -> Rows:
    """Concatenate tables; without `columns` (names and dtypes), there must be a table, and its columns are used."""
    if columns is None:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not parts:
        return empty_rows(columns)
    return {
        name: np.concatenate([np.asarray(part[name]).astype(array_dtype(dtype), copy=False) for part in parts])
        for name, dtype in columns.items()
    }


def combine(rows: Rows, key: Sequence[str], how: Mapping[str, str] | None = None) -> Rows:
    """Combine the rows of one key.

    Parameters
    ----------
    rows : mapping of str to array
        One array a column, the rows in any order.
    key : sequence of str
        Columns that tell one row of the result from another; it is sorted by them, first column first.
    how : mapping, optional
        ``sum``, ``min`` or ``max`` for other columns; those not named are summed.

    Returns
    -------
    mapping of str to array
        One row a key, the columns in their order.
    """
    order = np.lexsort([np.asarray(rows[name]) for name in reversed(key)])
    starts = first_of_runs([np.asarray(rows[name])[order] for name in key])
    combined: Rows = {}
    for name, values in rows.items():
        column = np.asarray(values)[order]
        if name in key or not len(starts):
            combined[name] = column[starts]
        else:
            combined[name] = _HOW[(how or {}).get(name, "sum")].reduceat(column, starts)
    return combined


def first_of_runs(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.intp]:
    """Return where, in sorted columns of equal length, a row differs from the one before; NaN does not from NaN."""
    new = np.zeros(len(columns[0]), np.bool_)
    new[:1] = True
    for column in columns:
        nan = column != column
        new[1:] |= (column[1:] != column[:-1]) & ~(nan[1:] & nan[:-1])
    return np.flatnonzero(new)
