"""Blocks cut into cells, so that their size decides no result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Halo
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import BlockBoxes, Piece, trace_pieces

CELL = 128
"""Edge of a cell in voxels; cells start at multiples of it, whatever blocks and box are."""


def trace_cells(
    labels: NDArray[Any],
    boxes: BlockBoxes,
    halo: Halo,
    size_nm: Sequence[float],
    teasar: Teasar,
    extra: NDArray[np.int64] | None = None,
) -> Iterator[Piece]:
    """Yield the pieces of a block, cell by cell.

    Blocks consist of whole cells, of which the box leaves away what is outside it. So all blocks together have the same
    pieces, whatever their shape, and an object that is inside a box has the pieces that it has in the whole volume.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels of ``boxes.read``.
    boxes : BlockBoxes
        The block, whose faces are at multiples of `CELL` or those of ``boxes.box``.
    halo : pair of (z, y, x)
        What a cell sees beyond itself.
    size_nm, teasar, extra : optional
        See `trace_pieces`.
    """
    grid = BlockGrid(boxes.domain, (CELL,) * 3, box=boxes.write, halo=halo, anchor=(0, 0, 0))
    for cell in grid:
        read: Box = cell.read & boxes.read
        yield from trace_pieces(
            labels[read.within(boxes.read)], replace(boxes, write=cell.write, read=read), size_nm, teasar, extra
        )
