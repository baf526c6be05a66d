"""Cells as named arrays, those of several channels or times together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.downsampling import Method
from voxome.geometry import Box
from voxome.tools.common.cells.methods import METHODS, Cells

Parts = Sequence[tuple[Box, Mapping[str, NDArray[Any]]]]
"""Boxes of cells along z, y, x, each with what `arrays_of` returns of its cells."""


def arrays_of(rows: Sequence[Cells]) -> dict[str, NDArray[Any]]:
    """Return what `joined` needs to restore the cells of each channel."""
    return {f"{row}/{name}": values for row, one in enumerate(rows) for name, values in one.arrays.items()}


def joined(box: Box, parts: Parts, row: int | Sequence[int], method: Method, dtype: Any, no_data: Any) -> Cells:
    """Return the cells of one channel in `box`, which `parts` cover together.

    Parameters
    ----------
    box : Box
        Box of cells along z, y, x.
    parts : sequence of (Box, mapping)
        Stored cells.
    row : int, or one for each part
        Number of the channel in the parts.
    method, dtype, no_data
        How the cells were computed, of which voxels.
    """
    rows = [row] * len(parts) if isinstance(row, int) else row
    kind, voxels = METHODS[method], np.dtype(dtype)
    value = None if no_data is None else voxels.type(no_data)
    found = [
        kind.of_arrays(part, dict(_own(arrays, number)), voxels, value)
        for (part, arrays), number in zip(parts, rows, strict=True)
    ]
    cells: Cells = kind.join(box, found)
    return cells


def _own(arrays: Mapping[str, NDArray[Any]], row: int) -> Iterator[tuple[str, NDArray[Any]]]:
    prefix = f"{row}/"
    return ((name.removeprefix(prefix), values) for name, values in arrays.items() if name.startswith(prefix))
