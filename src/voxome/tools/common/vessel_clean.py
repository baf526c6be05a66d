"""Vessels without small objects and voids."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.geometry import Box
from voxome.geometry.units import min_voxels
from voxome.resources.table import TableFile
from voxome.tools.common.faces import long_axes
from voxome.tools.common.size_window import require_window, window_problems
from voxome.tools.common.vessels.elongation import measure_extents
from voxome.tools.common.vessels.runs import RUNS, Index, count_voxels, fill_voids, join_runs, label_objects

COUNTS = kinds.Table(
    {
        "objects": "int64",
        "voxels": "int64",
        "small_objects": "int64",
        "small_voxels": "int64",
        "large_objects": "int64",
        "large_voxels": "int64",
        "voids": "int64",
        "void_voxels": "int64",
    },
    key=("objects",),
)

_ELONGATED = 2
"""Length of a piece of a vessel, in widths; two cells that touch are less long."""


@tool("common.vessel_clean", scope="whole", outputs={"runs": RUNS, "counts": COUNTS}, check=window_problems)
def vessel_clean(
    runs: Annotated[TableFile, RUNS],
    *,
    min_volume_um3: Annotated[float, Ge(0)] = 0.0,
    max_volume_um3: Annotated[float, Ge(0)] | None = None,
    frame: Frame,
) -> dict[str, Rows]:
    """Fill the voids of vessels, and leave out objects that are too small or too large, over the whole volume.

    Voids are 6-connected and do not reach a face of the volume; objects are 26-connected, measured with their voids
    filled. A smaller object that touches a face of the volume is kept if it is a piece of a vessel by its shape: twice
    as long as wide, and at least as long as the edge of a cube of the minimum volume. Memory is that of the runs.

    Parameters
    ----------
    runs : table
        Runs of ``common.vessel_runs``.
    min_volume_um3, max_volume_um3 : float
        Volume, in cubic micrometres, of the smallest and of the largest object that is kept, except pieces at faces.

    Returns
    -------
    runs : table
        Runs of what is kept, whole along x.
    counts : table
        One row: objects and voxels that are kept, that were too small and too large, and voids that were filled.
    """
    require_window(min_volume_um3, max_volume_um3)
    filled = fill_voids(join_runs(runs.read()), frame.box)
    objects = label_objects(filled.runs)
    sizes = np.bincount(objects, count_voxels(filled.runs)).astype(np.int64)
    small = sizes < min_voxels(min_volume_um3, frame.scale_nm)
    small &= ~_pieces(filled.runs, objects, small, min_volume_um3, frame)
    large = ~small & (sizes > _max_voxels(max_volume_um3, frame.scale_nm))
    kept = ~small & ~large
    counts = {"voids": filled.voids, "void_voxels": filled.voxels}
    for prefix, which in (("", kept), ("small_", small), ("large_", large)):
        counts |= {f"{prefix}objects": which.sum(), f"{prefix}voxels": sizes[which].sum()}
    return {
        "runs": {name: values[kept[objects]] for name, values in filled.runs.items()},
        "counts": {name: np.array([count], np.int64) for name, count in counts.items()},
    }


def _pieces(
    runs: Rows, objects: Index, among: NDArray[np.bool_], min_volume_um3: float, frame: Frame
) -> NDArray[np.bool_]:
    """Return which of some objects touch a face of the volume and are as long for their width as vessels."""
    touching = np.zeros(len(among), bool)
    touching[objects[_touch_faces(runs, frame.box)]] = True
    touching &= among
    of_them = np.flatnonzero(touching[objects])
    numbers = np.searchsorted(np.flatnonzero(touching), objects[of_them])
    length, width = measure_extents({name: values[of_them] for name, values in runs.items()}, numbers, frame.scale_nm)
    touching[touching] = (length >= _ELONGATED * width) & (length >= 1000 * np.cbrt(min_volume_um3))
    return touching


def _touch_faces(runs: Rows, box: Box) -> NDArray[np.bool_]:
    """Return which runs touch a face of a box; in a section, that is its rim."""
    ends = (("z", "z"), ("y", "y"), ("start", "stop"))
    result = np.zeros(len(runs["z"]), bool)
    for axis in long_axes(box.shape):
        low, high = ends[axis]
        beyond = runs[high] + (high != "stop")
        result |= (runs[low] <= box.start[axis]) | (beyond >= box.stop[axis])
    return result


def _max_voxels(volume_um3: float | None, voxel_size_nm: tuple[float, float, float]) -> float:
    """Return the largest number of voxels that have at most this volume."""
    if volume_um3 is None:
        return math.inf
    return math.floor(volume_um3 * 1e9 / math.prod(voxel_size_nm) * (1 + 1e-9))
