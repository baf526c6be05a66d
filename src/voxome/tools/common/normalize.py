"""Normalization of contrast and brightness."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.errors import InvalidInput
from voxome.resources.table import TableFile
from voxome.tools.common.contrast.limits import grey_range, known_voxels
from voxome.tools.common.contrast.mapping import background, equalize
from voxome.tools.common.contrast.settings import require_settings
from voxome.tools.common.contrast.tiles import TileGrid
from voxome.tools.common.statistics import HISTOGRAM
from voxome.tools.common.tile_histograms import TILES, settings_of

COUNTS = kinds.Table(
    {"z": "int64", "voxels": "int64", "no_data": "int64"}, key=("z",), fold={"voxels": "sum", "no_data": "sum"}
)
_DARKEST = np.float32(0.02)
"""Smallest background that is divided by."""
_MIDDLE = np.float32(128 / 255)


@tool("common.normalize", outputs={"image": kinds.Image("uint8"), "counts": COUNTS}, memory=memory_of(156_000_000, 80))
def normalize(
    image: Annotated[NDArray[Any], kinds.Image()],
    histogram: Annotated[TableFile | None, HISTOGRAM] = None,
    tiles: Annotated[TableFile | None, TILES] = None,
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    method: Literal["contrast", "clahe", "subtract", "divide"] = "contrast",
    tile_um: Annotated[float, Gt(0)] = 60.0,
    clip_limit: Annotated[float, Ge(1)] = 2.0,
    low: float | None = None,
    high: float | None = None,
    block: BlockContext,
) -> dict[str, Any]:
    """Normalize contrast and brightness with a range of grey values that is fixed for the volume.

    Parameters
    ----------
    image : (z, y, x) array
        Image of any dtype. The result does not depend on the dtype, only on the values and their range.
    histogram : table, optional
        Histogram of the whole volume, from ``common.statistics``, which sets the range.
    tiles : table, optional
        From ``common.tile_histograms`` with the same range and `tile_um`; for all methods but contrast.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; where there are no data, the result is 0, also in gaps of one or two
        sections, which later steps interpolate.
    method : {"contrast", "clahe", "subtract", "divide"}
        Stretch the range; equalize with limited contrast (CLAHE), where a constant volume stays constant; or correct
        shading: subtract the smooth background, or divide by it, so that it becomes mid-grey (128). The background is
        the median of tiles, linear between their centres, so cells have to fill less than half of them.
    tile_um : float
        Size of a tile, in micrometres; tiles start where the volume does.
    clip_limit : float
        Limit of the contrast of clahe, in multiples of the range: 1 leaves the contrast as it is.
    low, high : float
        Range of grey values, instead of percentiles 0.5 and 99.5 of the histogram.

    Returns
    -------
    image : (z, y, x) array of uint8
    counts : table
        For every section ``z``: its voxels, and how many have no data.
    """
    limits = grey_range(histogram, low, high)
    known = known_voxels(image, tissue)
    counts = _count(known, block.write.start[0])
    if not known.any():
        return {"image": np.zeros(image.shape, np.uint8), "counts": counts}
    filled = np.where(known, image.astype(np.float32), np.float32(limits[0]))
    if method == "contrast":
        values: NDArray[Any] = _stretch(filled, limits)
    elif tiles is None:
        raise InvalidInput(f"The method {method!r} needs the input tiles, from common.tile_histograms")
    else:
        grid = TileGrid.of(block.frame.domain, tile_um, block.frame.scale_nm)
        advice = "give the tiles of common.tile_histograms with the same tile_um and range"
        require_settings(tiles, settings_of(grid, limits), advice)
        if method == "clahe":
            values = equalize(filled, tiles, grid, block.write, limits, clip_limit)
        else:
            values = _correct(_stretch(filled, limits), background(tiles, grid, block.write), method)
    scaled = np.clip(np.rint(values * np.float32(255)), 0, 255).astype(np.uint8)
    return {"image": np.where(known, scaled, np.uint8(0)), "counts": counts}


def _stretch(image: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[Any]:
    return (image - np.float32(limits[0])) * np.float32(1.0 / (limits[1] - limits[0]))


def _correct(values: NDArray[Any], dark: NDArray[Any], method: str) -> NDArray[Any]:
    """Return values from which a background is subtracted, or which are divided by it; it becomes mid-grey."""
    if method == "subtract":
        return values - dark + _MIDDLE
    return values / np.maximum(dark, _DARKEST) * _MIDDLE


def _count(known: NDArray[np.bool_], first: int) -> Rows:
    depth, voxels = len(known), known[0].size
    missing = (~known).sum(axis=(1, 2))
    return {"z": np.arange(first, first + depth), "voxels": np.full(depth, voxels), "no_data": missing}
