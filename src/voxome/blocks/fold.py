"""Combine rows of many blocks as the kind of the table says."""

from __future__ import annotations

import numpy as np

from voxome.contracts.kinds import Rows, Table
from voxome.resources.rows import combine


def fold_rows(rows: Rows, kind: Table) -> Rows:
    """Rows sorted by key; those of one key combined as `kind` says.

    A table without folds keeps every row, sorted by its key and then by all other columns, so that the order in which
    blocks came does not show.
    """
    if kind.fold:
        folded = combine({name: rows[name] for name in kind.columns}, kind.key, kind.fold)
        return {name: folded[name].astype(dtype, copy=False) for name, dtype in kind.columns.items()}
    order = np.lexsort([np.asarray(rows[name]) for name in reversed(order_of(kind))])
    return {name: np.asarray(rows[name])[order].astype(dtype, copy=False) for name, dtype in kind.columns.items()}


def order_of(kind: Table) -> list[str]:
    """The columns by which folded rows are sorted."""
    return [*kind.key, *(() if kind.fold else (name for name in kind.columns if name not in kind.key))]
