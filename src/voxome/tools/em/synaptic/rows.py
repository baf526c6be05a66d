"""Tables in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.contracts.kinds import Rows


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Stack tables of the same columns, at least one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def sum_rows(rows: Rows, key: Sequence[str], largest: Sequence[str] = ()) -> Rows:
    """Combine the rows of one key.

    Parameters
    ----------
    rows : Rows
        Integer columns, in any order of rows.
    key : sequence of str
        Columns that tell one row of the result from another; it is sorted by them, the first foremost.
    largest : sequence of str
        Columns of which the largest value is kept; all others are summed.

    Returns
    -------
    Rows
        One row a key.
    """
    order = np.lexsort([rows[name] for name in reversed(key)])
    new = np.zeros(len(order), np.bool_)
    new[:1] = True
    for name in key:
        column = rows[name][order]
        new[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(new)
    folded: Rows = {}
    for name, values in rows.items():
        column = values[order]
        if name in key or not len(starts):
            folded[name] = column[starts]
        else:
            folded[name] = (np.maximum if name in largest else np.add).reduceat(column, starts)
    return folded
