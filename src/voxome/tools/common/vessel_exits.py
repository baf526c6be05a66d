"""Where vessels leave a volume."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.vessel_faces import FACES
from voxome.tools.common.vessels.faces import find_exits
from voxome.tools.common.vessels.tiles import Tiles

EXITS = kinds.Table({"z": "int32", "y": "int32", "x": "int32", "compact": "bool"}, key=("z", "y", "x"))


@tool("common.vessel_exits", scope="whole", outputs={"exits": EXITS})
def vessel_exits(faces: Annotated[TableFile, FACES], *, frame: Frame) -> dict[str, Rows]:
    """Find the middle of every vessel in the faces of the volume, to which centre lines lead.

    Memory is that of the voxels of vessels in the faces.

    Parameters
    ----------
    faces : table
        From ``common.vessel_faces``.

    Returns
    -------
    exits : table
        Voxels, and whether a vessel leaves the volume there; others run along the face.
    """
    rows = faces.read()
    points = np.stack([rows[name].astype(np.int64) for name in "zyx"], axis=1)
    tiles = Tiles.of_points(points, frame.box)
    distance = np.zeros(len(tiles.present), np.float32)
    distance[tiles.slots(points)] = rows["distance_nm"]
    exits = find_exits(tiles, distance, frame.scale_nm)
    found = tiles.points(exits.slots)
    order = np.lexsort(found.T[::-1])
    z, y, x = found[order].T.astype(np.int32)
    return {"exits": {"z": z, "y": y, "x": x, "compact": exits.compact[order]}}
