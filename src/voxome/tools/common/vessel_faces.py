"""Vessels at the faces of a volume."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Parameters, Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.faces import long_axes
from voxome.tools.common.vessels.block_lines import block_distances, read_tiles
from voxome.tools.common.vessels.seams import DEPTH

FACES = kinds.Table({"z": "int32", "y": "int32", "x": "int32", "distance_nm": "float32"}, key=("z", "y", "x"))
Reach = Annotated[float, Gt(0)]
"""How far around a block vessels are read, in micrometres: more than the radius of the widest."""
BYTES_PER_VOXEL = 12
"""Memory of a voxel that is read, of which one in ten is in a vessel."""


def reach_halo(parameters: Parameters, scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the voxels of ``reach_um``."""
    z, y, x = (max(math.ceil(parameters["reach_um"] * 1000 / size), DEPTH) for size in scale_nm)
    return z, y, x


def mask_problems(specs: Mapping[str, VolumeSpec], _: Parameters) -> Iterable[str]:
    """Yield why a mask has no lengths."""
    if specs["mask"].voxel_size_nm is None:
        yield UNKNOWN_VOXEL_SIZE


@tool(
    "common.vessel_faces",
    halo=reach_halo,
    outputs={"faces": FACES},
    check=mask_problems,
    memory=memory_of(240_000_000, BYTES_PER_VOXEL),
)
def vessel_faces(
    mask: Annotated[NDArray[Any], kinds.Image()], *, reach_um: Reach = 20.0, block: BlockContext
) -> dict[str, Rows]:
    """List the voxels of vessels in the faces of the volume, for ``common.vessel_exits``.

    Parameters
    ----------
    mask : (z, y, x) array
        Vessels; not 0 inside.
    reach_um : float
        How far around a block vessels are read, in micrometres: more than the radius of the widest.

    Returns
    -------
    faces : table
        Voxels, and their distance to the nearest voxel outside of the vessel, where the faces are no outside.
    """
    if not _at_face(block):
        none = np.zeros((0, 3), np.int64)
        return {"faces": _rows(none, np.zeros(0, np.float32))}
    tiles = read_tiles(mask, block)
    slots = tiles.found()
    points = tiles.points(slots)
    start, stop, axes = block.frame.box.start, block.frame.box.stop, long_axes(block.frame.box.shape)
    inside = ((points == start) | (points == np.array(stop) - 1))[:, axes].any(axis=1)
    inside &= ((points >= block.write.start) & (points < block.write.stop)).all(axis=1)
    return {"faces": _rows(points[inside], block_distances(tiles, block)[slots[inside]])}


def _at_face(block: BlockContext) -> bool:
    box, write = block.frame.box, block.write
    return any(write.start[i] == box.start[i] or write.stop[i] == box.stop[i] for i in long_axes(box.shape))


def _rows(points: NDArray[np.int64], distance: NDArray[np.float32]) -> Rows:
    z, y, x = points.T.astype(np.int32)
    return {"z": z, "y": y, "x": x, "distance_nm": distance}
