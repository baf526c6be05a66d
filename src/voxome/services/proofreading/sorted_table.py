"""Tables of ids, sorted, and their segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SortedTable = tuple[NDArray[np.uint64], NDArray[np.uint64]]
"""Ids, sorted, and the segment of each."""


def set_segments(table: SortedTable, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Set the segments of the ids that a table has, in place, and return the rows with other ids.

    Parameters
    ----------
    table : SortedTable
        The table.
    rows : (n, 2) array of uint64
        Ids, each once, and their segments.
    """
    ids, segments = table
    if not len(ids):
        return rows
    at = np.minimum(np.searchsorted(ids, rows[:, 0]), len(ids) - 1)
    has = ids[at] == rows[:, 0]
    segments[at[has]] = rows[has, 1]
    return rows[~has]


def insert_rows(table: SortedTable, rows: NDArray[np.uint64]) -> SortedTable:
    """Return a table with more ids, in (n, 2) rows of ids that it has not, and their segments."""
    if not len(rows):
        return table
    ids, segments = table
    rows = rows[np.argsort(rows[:, 0])]
    at = np.searchsorted(ids, rows[:, 0])
    return np.insert(ids, at, rows[:, 0]), np.insert(segments, at, rows[:, 1])
