"""Vessels as a volume."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.resources.table import TableFile
from voxome.tools.common.vessels.runs import RUNS, paint_runs


@tool("common.vessel_mask", outputs=kinds.Image("uint8"), memory=memory_of(225_000_000, 12))
def vessel_mask(
    image: Annotated[NDArray[Any], kinds.Image()],
    runs: Annotated[TableFile, RUNS],
    *,
    block: BlockContext,
) -> NDArray[np.uint8]:
    """Write runs of vessels as a mask.

    Parameters
    ----------
    image : (z, y, x) array
        Volume whose voxels the mask has; only its shape and position are used.
    runs : table
        Runs of ``common.vessel_clean``; only those of the sections of a block are read.

    Returns
    -------
    (z, y, x) array of uint8
        255 in vessels, 0 elsewhere.
    """
    rows = runs.lookup("z", np.arange(block.write.start[0], block.write.stop[0], dtype=np.int32))
    return np.where(paint_runs(rows, block.write), 255, 0).astype(np.uint8)
