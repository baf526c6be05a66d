"""Histograms of tiles."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.resources.table import TableFile
from voxome.tools.common.contrast.limits import grey_range, known_voxels, size_problems
from voxome.tools.common.contrast.settings import EDGE_COLUMNS, EDGE_FOLD, EDGES, repeat_settings
from voxome.tools.common.contrast.tiles import TileGrid, count_bins, quantize
from voxome.tools.common.statistics import HISTOGRAM

TILES = kinds.Table(
    {"tile": "uint64", "bin": "int64", "voxels": "int64", **EDGE_COLUMNS, "low": "float64", "high": "float64"},
    key=("tile", "bin"),
    fold={"voxels": "sum", **EDGE_FOLD, "low": "max", "high": "max"},
)


@tool("common.tile_histograms", outputs={"tiles": TILES}, check=size_problems, memory=memory_of(156_000_000, 60))
def tile_histograms(
    image: Annotated[NDArray[Any], kinds.Image()],
    histogram: Annotated[TableFile | None, HISTOGRAM] = None,
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    tile_um: Annotated[float, Gt(0)] = 60.0,
    low: float | None = None,
    high: float | None = None,
    block: BlockContext,
) -> dict[str, Rows]:
    """Count grey values in tiles of a physical size, for ``common.normalize``.

    Parameters
    ----------
    image : (z, y, x) array
        Image of any dtype.
    histogram : table, optional
        Histogram of the whole volume, from ``common.statistics``, which sets the range of grey values.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; only tissue is counted.
    tile_um : float
        Size of a tile, in micrometres; tiles start where the volume does.
    low, high : float
        Range of grey values, instead of percentiles 0.5 and 99.5 of the histogram.

    Returns
    -------
    tiles : table
        ``tile``, ``bin`` (256 over the range) and ``voxels``; in every row the lengths ``edge_z``, ``edge_y`` and
        ``edge_x`` of a tile in voxels, and ``low`` and ``high``, the range.
    """
    grid = TileGrid.of(block.frame.domain, tile_um, block.frame.scale_nm)
    limits = grey_range(histogram, low, high)
    known = known_voxels(image, tissue)
    rows = count_bins(grid.numbers(block.write)[known], quantize(image[known], *limits))
    return {"tiles": {**rows, **repeat_settings(settings_of(grid, limits), len(rows["tile"]))}}


def settings_of(grid: TileGrid, limits: tuple[float, float]) -> dict[str, float]:
    """Return what the columns beside ``tile``, ``bin`` and ``voxels`` have."""
    return dict(zip((*EDGES, "low", "high"), (*grid.edges, *limits), strict=True))
