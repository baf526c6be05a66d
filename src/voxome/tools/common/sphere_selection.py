"""Selection of the spheres of a whole volume."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from voxome import kinds
from voxome.contracts.context import RegionParts
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.errors import CorruptData
from voxome.resources.rows import combine, concatenate
from voxome.resources.table import TableFile
from voxome.tools.common.sphere_completion import COMPLETED, LEFT
from voxome.tools.common.sphere_search import FOUND, Fraction
from voxome.tools.common.spherical.candidates import CERTAIN

SPHERES = kinds.Table({"id": "uint64", **FOUND.columns}, key=("z", "y", "x"))


@tool("common.sphere_selection", scope="whole", outputs=SPHERES)
def sphere_selection(
    found: Annotated[TableFile, FOUND],
    completed: Annotated[RegionParts, COMPLETED],
    left: Annotated[RegionParts, LEFT],
    *,
    min_score: Fraction = 0.0,
) -> Rows:
    """Assign ids to the spheres of a volume, and leave out those of a low score.

    Parameters
    ----------
    found : table
        From ``common.sphere_search``.
    completed, left : tables of regions
        From ``common.sphere_completion``.
    min_score : float
        Least mean probability of a sphere that is returned; the others only take their voxels from spheres after them,
        so that a vessel is not cut into small cells.

    Returns
    -------
    table
        The columns of `found` and ``id``, from 1 in the order of the voxels of the centres.
    """
    if cubes := len(left.rows("left", left.levels - 1, 0)["z"]):
        raise CorruptData(
            f"the search for spheres has left {cubes} cubes undecided in the whole volume; expected none: this is an "
            "error in voxome; report it"
        )
    rest = completed.rows("completed", completed.levels - 1, 0)
    rows = combine(concatenate([found.read(), rest], FOUND.columns), FOUND.key, FOUND.fold)
    kept = rows["total"] >= min_score * CERTAIN * rows["voxels"]
    ids = np.arange(1, np.count_nonzero(kept) + 1, dtype=np.uint64)
    return {"id": ids, **{name: values[kept] for name, values in rows.items()}}
