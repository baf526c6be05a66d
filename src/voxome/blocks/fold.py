"""Combine rows of many blocks: sort by key, fold the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows, Table
from voxome.resources.table import empty_rows

_FOLDS = {"sum": np.add, "min": np.minimum, "max": np.maximum}


def fold_rows(rows: Rows, kind: Table) -> Rows:
    """Rows sorted by key; those of one key combined as `kind` says.

    A table without folds keeps every row, sorted by its key and then by all other columns, so that the order in which
    blocks came does not show.
    """
    count = len(rows[kind.key[0]])
    if not count:
        return empty_rows(kind.columns)
    order = np.lexsort([np.asarray(rows[name]) for name in reversed(order_of(kind))])
    keys = [np.asarray(rows[name])[order] for name in kind.key]
    if not kind.fold:
        return {name: np.asarray(rows[name])[order] for name in kind.columns}
    first: NDArray[np.bool_] = np.zeros(count, bool)
    first[0] = True
    for values in keys:
        first[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(first)
    folded = {name: values[starts] for name, values in zip(kind.key, keys, strict=True)}
    for name, how in kind.fold.items():
        folded[name] = _FOLDS[how].reduceat(np.asarray(rows[name])[order], starts)
    return {name: folded[name].astype(dtype, copy=False) for name, dtype in kind.columns.items()}


def order_of(kind: Table) -> list[str]:
    """The columns by which folded rows are sorted."""
    return [*kind.key, *(() if kind.fold else (name for name in kind.columns if name not in kind.key))]
