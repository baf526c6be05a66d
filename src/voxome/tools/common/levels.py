"""Levels of a pyramid, one after the other: each has exact sums or histograms from which the next is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.downsampling import Method
from voxome.contracts.python_tool import tool
from voxome.tools.common.cells.methods import Cells, cells_of
from voxome.tools.common.cells.stored import Parts, arrays_of, joined
from voxome.tools.common.downsample import parse_factors

_DTYPE, _ROWS = "dtype", "rows"
"""Names of the arrays that have the data type of the voxels, and the lengths of the axes before z, y and x."""
_OUTPUTS = {
    "result": kinds.Image(
        scale=lambda p: parse_factors(p["factors"]), at_first=lambda p: bool(p["method"] == "stride")
    ),
    "cells": kinds.BlockArrays(scale=lambda p: parse_factors(p["factors"])),
}


@tool("common.level", outputs=_OUTPUTS)
def level(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    method: Method = "mean",
    factors: str = "2,2,2",
    block: BlockContext,
) -> dict[str, object]:
    """Compute the first level of a pyramid, and what coarser levels are computed from.

    Parameters
    ----------
    image : (z, y, x) or (c, z, y, x) array
        Level 0, of any dtype.
    method : {"mean", "mode", "max", "min", "stride"}
        See common.downsample.
    factors : str
        Factors Z,Y,X: 2 to halve an axis, 1 to keep it.

    Returns
    -------
    result : array of the same dtype
        The level.
    cells : dict of arrays
        Exact sums, or histograms, of the voxels of level 0 in each voxel of it.
    """
    rows = image.reshape(-1, *image.shape[-3:])
    cells = [cells_of(row, block.read, parse_factors(factors), method) for row in rows]
    return _outputs(cells, image.shape[:-3], image.dtype)


@tool("common.next_level", outputs=_OUTPUTS)
def next_level(
    cells: Annotated[Parts, kinds.BlockArrays()],
    *,
    method: Method = "mean",
    factors: str = "2,2,2",
    block: BlockContext,
) -> dict[str, object]:
    """Compute the next level of a pyramid, as if from the voxels of level 0.

    Parameters
    ----------
    cells : list of (box, dict of arrays)
        What common.level or common.next_level has returned for the level before.
    method : {"mean", "mode", "max", "min", "stride"}
        That of the levels before.
    factors : str
        Factors Z,Y,X from the level before.

    Returns
    -------
    result : array of the dtype of level 0
        The level.
    cells : dict of arrays
        Exact sums, or histograms, of the voxels of level 0 in each voxel of it.
    """
    _, arrays = cells[0]
    dtype, lengths = arrays[_DTYPE].dtype, tuple(int(n) for n in arrays[_ROWS])
    finer = (joined(block.read, cells, row, method, dtype, None) for row in range(int(np.prod(lengths))))
    return _outputs([one.coarsen(parse_factors(factors)) for one in finer], lengths, dtype)


def _outputs(rows: Sequence[Cells], lengths: Sequence[int], dtype: Any) -> dict[str, object]:
    values = np.stack([one.values for one in rows])
    about = {_DTYPE: np.empty(0, dtype), _ROWS: np.array(lengths, np.int64)}
    return {"result": values.reshape(*lengths, *values.shape[1:]), "cells": {**arrays_of(rows), **about}}
