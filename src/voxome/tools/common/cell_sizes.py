"""Distribution of the sizes of cells."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.errors import InvalidInput
from voxome.resources.table import ROW_GROUP, TableFile
from voxome.tools.common.density.grid import NM_PER_UM

TABLE = kinds.Table(
    {"bin": "int64", "radius_from_um": "float64", "radius_to_um": "float64", "cells": "int64", "share": "float64"},
    key=("bin",),
)


@tool("common.cell_sizes", scope="whole", outputs=TABLE)
def cell_sizes(
    cells: Annotated[TableFile, kinds.Table({"radius_nm": "float64"}, key=())],
    *,
    bin_um: Annotated[float, Gt(0)] = 0.5,
) -> Rows:
    """Count cells by their radius; those of ``common.spheres`` have one of the radii that were searched.

    Parameters
    ----------
    cells : table
        Cells, with the column radius_nm.
    bin_um : float
        Width of a bin in micrometres.

    Returns
    -------
    table
        From the bin of the smallest to that of the largest radius: its limits, the lower one inclusive, the number of
        cells and their share of all.
    """
    counts: dict[int, int] = {}
    for rows in cells.batches(ROW_GROUP):
        radius = rows["radius_nm"] / NM_PER_UM
        if not (np.isfinite(radius) & (radius > 0)).all():
            raise InvalidInput(f"{cells.path} has cells whose radius_nm is not a number greater than 0")
        bins, number = np.unique(np.floor(radius / bin_um).astype(np.int64), return_counts=True)
        for one, count in zip(bins.tolist(), number.tolist(), strict=True):
            counts[one] = counts.get(one, 0) + count
    bins = np.arange(min(counts), max(counts) + 1) if counts else np.empty(0, np.int64)
    number = np.array([counts.get(one, 0) for one in bins.tolist()], np.int64)
    return {
        "bin": bins,
        "radius_from_um": bins * bin_um,
        "radius_to_um": (bins + 1) * bin_um,
        "cells": number,
        "share": number / max(int(number.sum()), 1),
    }
