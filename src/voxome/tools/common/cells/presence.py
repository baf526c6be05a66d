"""Ids that occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.tools.common.cells.compiled import jit


def unique(values: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct values of an array, sorted; sorts only the first of each run of equal ones."""
    flat = values.reshape(-1)
    if not flat.size:
        return flat
    return np.unique(flat[np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])])


def present(values: NDArray[Any], ids: NDArray[Any]) -> NDArray[Any]:
    """Return those of `ids` (sorted) that occur among `values`."""
    found = np.zeros(len(ids), np.bool_)
    _mark(values.reshape(-1), ids, found)
    return ids[found]


@jit
def _mark(values, ids, found):  # type: ignore[no-untyped-def]
    """Mark the ids that occur; equal neighbours are looked up once."""
    for i in range(len(values)):
        if i and values[i] == values[i - 1]:
            continue
        at = np.searchsorted(ids, values[i])
        if at < len(ids) and ids[at] == values[i]:
            found[at] = True
