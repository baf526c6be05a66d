"""Columns of tables of pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def bytes_column(values: Sequence[bytes]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Return a column of byte strings, also where all have one length."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
