"""Densities of cells and vessels in regions."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import DensityGrid
from voxome.tools.common.density.intervals import poisson_interval
from voxome.tools.common.density_sums import REGION_TABLE

TABLE = kinds.Table(
    {
        "region": "uint64",
        "cells": "int64",
        "cells_without_tissue": "int64",
        **dict.fromkeys(("tissue_mm3", "density_per_mm3", "density_low", "density_high", "vessel_fraction"), "float64"),
    },
    key=("region",),
)


@tool("common.region_densities", scope="whole", outputs=TABLE)
def region_densities(regions: Annotated[TableFile, REGION_TABLE], *, frame: Frame) -> Rows:
    """Compute the density of cells in each region, with its 95 % interval, and the share of vessels.

    Parameters
    ----------
    regions : table
        Sums of common.density_sums.

    Returns
    -------
    table
        One row for each region; region 0 is what is outside of all. Densities are per cubic millimetre of tissue, and
        NaN without any, or where vessels were not looked for.
    """
    rows = regions.read()
    volume = rows["tissue"] * DensityGrid((1, 1, 1), frame).voxel_mm3
    known, examined = volume > 0, rows["examined"]
    safe = np.where(known, volume, 1.0)
    low, high = poisson_interval(rows["cells"], safe)
    return {
        "region": rows["region"],
        "cells": rows["cells"],
        "cells_without_tissue": rows["cells_without_tissue"],
        "tissue_mm3": volume,
        "density_per_mm3": np.where(known, rows["cells"] / safe, np.nan),
        "density_low": np.where(known, low, np.nan),
        "density_high": np.where(known, high, np.nan),
        "vessel_fraction": np.where(examined > 0, rows["vessels"] / np.maximum(examined, 1), np.nan),
    }
