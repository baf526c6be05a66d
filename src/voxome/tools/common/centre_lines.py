"""Centre lines of vessels."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.contrast.moments import place_box
from voxome.tools.common.vessels.distance import distances
from voxome.tools.common.vessels.faces import find_exits
from voxome.tools.common.vessels.runs import RUNS
from voxome.tools.common.vessels.thinning import thin
from voxome.tools.common.vessels.tiles import Tiles

CENTRE_LINES = kinds.Table(
    {"z": "int32", "y": "int32", "x": "int32", "distance_nm": "float32", "leaves": "bool"}, key=("z", "y", "x")
)
_LEVELS = 8
"""Levels of distance for each voxel along the axis with the smallest voxels."""


@tool("common.centre_lines", scope="whole", outputs={"lines": CENTRE_LINES})
def centre_lines(runs: Annotated[TableFile, RUNS], *, frame: Frame) -> dict[str, Rows]:
    """Thin vessels to lines of voxels, of the same objects, loops and voids.

    Voxels are deleted in the order of their distance to the background, so the lines are in the middle; where a vessel
    leaves the volume, its line does. Nothing is pruned. Memory is that of the vessel voxels.

    Parameters
    ----------
    runs : table
        Runs of ``common.vessel_clean``.

    Returns
    -------
    lines : table
        Voxels of the lines, their distance to the nearest voxel outside of the vessel, where the faces of the volume
        are no outside, and whether a vessel leaves the volume there.
    """
    return {"lines": thin_runs(runs.read(), frame)}


def thin_runs(runs: Rows, frame: Frame) -> Rows:
    """Return the rows of `centre_lines`."""
    tiles = Tiles.of_runs(runs, frame.box)
    distance = distances(tiles, frame.scale_nm)
    scaled = distance * (_LEVELS / min(frame.scale_nm))
    scaled += np.float32(1e-3)
    level = scaled.astype(np.int32)
    del scaled
    exits = find_exits(tiles, distance, frame.scale_nm)
    origin = place_box(frame.box, frame).start
    thin(tiles, level, exits.slots, origin)
    level[:] = 0  # around voxels that were kept at a face and end no line
    thin(tiles, level, np.zeros(0, np.int64), origin)
    slots = tiles.found()
    points = tiles.points(slots)
    order = np.lexsort(points.T[::-1])
    slots, points = slots[order], points[order]
    leaves = np.isin(slots, exits.slots[exits.compact])
    z, y, x = points.T.astype(np.int32)
    return {"z": z, "y": y, "x": x, "distance_nm": distance[slots], "leaves": leaves}
