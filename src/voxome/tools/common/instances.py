"""Cells from the objects of a watershed: those of the right size."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.tools.common.equal_radius import equal_radius_nm
from voxome.tools.common.instance_sums import SUMS
from voxome.tools.common.size_window import require_window, window_problems
from voxome.tools.common.spheres import CELLS

_NM3_PER_UM3 = 1e9
_ROUNDING = 1e-6
"""Voxels by which a limit in cubic micrometres may be off by rounding."""


@tool(
    "common.instances",
    scope="whole",
    outputs={"cells": CELLS, "lookup": kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))},
    check=window_problems,
)
def instances(
    labels: Annotated[Volume, kinds.Labels()],
    sums: Annotated[TableFile, SUMS],
    *,
    min_volume_um3: Annotated[float, Ge(0)] = 0.0,
    max_volume_um3: Annotated[float, Ge(0)] | None = None,
    frame: Frame,
) -> dict[str, Rows]:
    """Keep the cells of the right size, and number them from 1 in the order of the voxel that labels them.

    Parameters
    ----------
    labels : volume of uint64
        The measured cells; only the size of its voxels is used.
    sums : table
        From ``common.instance_sums``: whole cells, whatever the blocks are.
    min_volume_um3, max_volume_um3 : float
        Least and largest volume of a cell in cubic micrometres, both of which are kept.

    Returns
    -------
    cells : table
        ``id``, centroid, radius of a sphere of the same volume (in a single section of a disc of the same area), mean
        probability as ``score``, and whether the cell touches a face of the box.
    lookup : table
        ``id`` and the new ``label``, 0 for cells that are not kept, for ``common.relabel``.
    """
    require_window(min_volume_um3, max_volume_um3)
    rows = sums.read()
    scale = np.array(frame.scale_nm)
    voxels = rows["voxels"].astype(np.float64)
    voxel_um3 = float(scale.prod()) / _NM3_PER_UM3
    kept = voxels >= min_volume_um3 / voxel_um3 - _ROUNDING
    if max_volume_um3 is not None:
        kept &= voxels <= max_volume_um3 / voxel_um3 + _ROUNDING
    label = np.where(kept, np.cumsum(kept), 0).astype(np.uint64)
    centroids = np.stack([rows[name][kept] / voxels[kept] for name in "zyx"], axis=-1) + np.array(frame.domain.start)
    nm = centroids * scale + np.array(frame.offset_nm)
    cells = {
        "id": label[kept],
        **dict(zip(("z_nm", "y_nm", "x_nm"), nm.T, strict=True)),
        "radius_nm": equal_radius_nm(voxels[kept], frame),
        "score": rows["score"][kept] / voxels[kept] / 255,
        "touches_face": rows["face"][kept] > 0,
    }
    return {"cells": cells, "lookup": {"id": rows["id"], "label": label}}
