"""Centre lines of vessels."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.resources.table import TableFile
from voxome.tools.common.vessel_exits import EXITS
from voxome.tools.common.vessel_faces import BYTES_PER_VOXEL, Reach, mask_problems, reach_halo
from voxome.tools.common.vessels.block_lines import block_distances, read_tiles, thin_to_lines
from voxome.tools.common.vessels.seams import SEAMS, seam_rows

CENTRE_LINES = kinds.Table(
    {"z": "int32", "y": "int32", "x": "int32", "distance_nm": "float32", "leaves": "bool"}, key=("z", "y", "x")
)


@tool(
    "common.centre_lines",
    halo=reach_halo,
    outputs={"lines": CENTRE_LINES, "seams": SEAMS},
    check=mask_problems,
    memory=memory_of(240_000_000, BYTES_PER_VOXEL),
)
def centre_lines(
    mask: Annotated[NDArray[Any], kinds.Image()],
    exits: Annotated[TableFile, EXITS],
    *,
    reach_um: Reach = 20.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """Thin vessels to lines of voxels, of the same objects, loops and voids.

    Voxels are deleted in the order of their distance to the background, so the lines are in the middle; where a vessel
    leaves the volume, its line does. Nothing is pruned. Lines are those of the whole volume if the blocks agree where
    they meet, which ``common.vessel_graph`` requires.

    Parameters
    ----------
    mask : (z, y, x) array
        Vessels without voids; not 0 inside.
    exits : table
        From ``common.vessel_exits``.
    reach_um : float
        How far around a block vessels are read, in micrometres: more than the radius of the widest, better twice it.

    Returns
    -------
    lines : table
        Voxels of the lines, their distance to the nearest voxel outside of the vessel, where the faces of the volume
        are no outside, and whether a vessel leaves the volume there.
    seams : table
        For every face between two blocks, digests of when voxels beside it were deleted in either; equal if they agree.
    """
    tiles = read_tiles(mask, block)
    distance, found, rows = block_distances(tiles, block), tiles.found(), exits.read()
    ends = np.stack([rows[name].astype(np.int64) for name in "zyx"], axis=1)
    near = tiles.contains(ends)
    slots = tiles.slots(ends[near])
    times = thin_to_lines(tiles, distance, slots, block.frame)
    lines = tiles.found()
    points = tiles.points(lines)
    own = ((points >= block.write.start) & (points < block.write.stop)).all(axis=1)
    z, y, x = points[own].T.astype(np.int32)
    leaves = np.isin(lines[own], slots[rows["compact"][near]])
    return {
        "lines": {"z": z, "y": y, "x": x, "distance_nm": distance[lines[own]], "leaves": leaves},
        "seams": seam_rows(tiles, found, times, block),
    }
