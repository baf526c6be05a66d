"""Objects of a volume: components that touch, selected by size."""

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
from voxome.errors import InvalidInput
from voxome.resources.rows import combine
from voxome.resources.table import TableFile
from voxome.tools.common.equal_radius import equal_radius_nm
from voxome.tools.common.mask_components import SUMS
from voxome.tools.common.size_window import require_window, window_problems

LOOKUP = kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))
OBJECTS = kinds.Table(
    {
        "id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", "radius_nm": "float64",
        "score": "float64", "voxels": "int64", "volume_um3": "float64", "touches_face": "bool",
    },
    key=("id",),
)  # fmt: skip
COUNTS = kinds.Table({"size": "int64", "objects": "int64"}, key=("size",))
"""Number of objects below (-1), in (0) and above (1) the window of sizes."""
_ROUNDING = 1e-6
"""Share of a voxel by which a volume may miss a whole number of voxels."""


@tool(
    "common.objects",
    scope="whole",
    outputs={"objects": OBJECTS, "lookup": LOOKUP, "counts": COUNTS},
    check=window_problems,
)
def objects(
    sums: Annotated[TableFile, SUMS],
    lookup: Annotated[TableFile, LOOKUP],
    *,
    min_volume_um3: Annotated[float, Ge(0)] = 0.0,
    max_volume_um3: Annotated[float, Ge(0)] | None = None,
    frame: Frame | None,
) -> dict[str, Rows]:
    """Join components to objects, select those in a window of sizes, and measure them.

    Sizes are those of whole objects, of all blocks. Objects of exactly the minimum and the maximum are kept.

    Parameters
    ----------
    sums : table
        From ``common.components``.
    lookup : table
        From ``common.union``.
    min_volume_um3, max_volume_um3 : float
        Smallest and largest volume, in cubic micrometres.

    Returns
    -------
    objects : table
        Objects numbered from 1 in the order of their first voxels: centroid, radius of the sphere of the same volume
        (in a single section of the disc of the same area), mean score from 0 to 1, size, and whether a face of the
        volume may cut them.
    lookup : table
        ``id`` of every component → ``label``, the id of its object; 0 if it is not kept. For ``common.relabel``.
    counts : table
        Number of objects that are too small (-1), kept (0) and too large (1).
    """
    if frame is None:
        raise InvalidInput("The volume of the components is unknown; give the handles of common.components, not paths")
    require_window(min_volume_um3, max_volume_um3)
    if frame.voxel_size_nm is None and (min_volume_um3 or max_volume_um3 is not None):
        raise InvalidInput("The voxel size is unknown, but sizes are in cubic micrometres; set it for the mask")
    rows, joined = sums.read(), lookup.read()
    roots = rows["id"].copy()
    at = np.searchsorted(joined["id"], roots)
    known = at < len(joined["id"])
    known[known] = joined["id"][at[known]] == roots[known]
    roots[known] = joined["label"][at[known]]
    whole = combine({**rows, "id": roots}, ("id",), {"peak": "max", "on_face": "max"})
    size = _compare_sizes(whole["voxels"], frame.scale_nm, min_volume_um3, max_volume_um3)
    labels = np.where(size == 0, np.cumsum(size == 0), 0).astype(np.uint64)
    kept = {name: values[size == 0] for name, values in whole.items()}
    return {
        "objects": _measure(kept, frame),
        "lookup": {"id": rows["id"], "label": labels[np.searchsorted(whole["id"], roots)]},
        "counts": {"size": np.array([-1, 0, 1]), "objects": np.array([(size == one).sum() for one in (-1, 0, 1)])},
    }


def _compare_sizes(
    voxels: NDArray[np.int64], scale_nm: tuple[float, ...], smallest_um3: float, largest_um3: float | None
) -> NDArray[np.int64]:
    """Return -1, 0 or 1 for objects below, in and above the window of sizes."""
    voxel_um3 = math.prod(scale_nm) * 1e-9
    smallest = math.ceil(smallest_um3 / voxel_um3 - _ROUNDING)
    result = np.where(voxels < smallest, -1, 0)
    if largest_um3 is not None:
        result[voxels > math.floor(largest_um3 / voxel_um3 + _ROUNDING)] = 1
    return result


def _measure(rows: Rows, frame: Frame) -> Rows:
    voxels = rows["voxels"]
    sizes = frame.voxel_size_nm or (math.nan,) * 3
    volume = voxels * (math.prod(sizes) * 1e-9)
    ends = zip("zyx", frame.domain.start, sizes, frame.offset_nm, strict=True)
    return {
        "id": np.arange(1, len(voxels) + 1, dtype=np.uint64),
        **{f"{axis}_nm": offset + (rows[axis] / voxels + start) * size for axis, start, size, offset in ends},
        "radius_nm": equal_radius_nm(voxels, frame),
        "score": rows["score"] / voxels / 255.0,
        "voxels": voxels,
        "volume_um3": volume,
        "touches_face": rows["on_face"] > 0,
    }
