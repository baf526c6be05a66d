"""Sums of grey values in small tiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.kinds.merge import Fold
from voxome.resources.rows import concatenate
from voxome.tools.common.balls import Scale
from voxome.tools.common.contrast.distance import near
from voxome.tools.common.contrast.limits import size_problems
from voxome.tools.common.contrast.moments import place_box, split_floats, tile_factors
from voxome.tools.common.contrast.settings import EDGE_COLUMNS, EDGE_FOLD, EDGES, repeat_settings
from voxome.tools.common.contrast.unusual import unusual_image
from voxome.tools.common.density.grid import DensityGrid, cell_indices
from voxome.tools.common.gaps import TISSUE

_SUMS = ("voxels", "total", "squares")
_FOLD: dict[str, Fold] = {**dict.fromkeys(_SUMS, "sum"), **EDGE_FOLD}
_KEY = ("z", "y", "x", "exponent")
MOMENTS = kinds.Table({**dict.fromkeys((*_KEY, *_SUMS), "int64"), **EDGE_COLUMNS}, key=_KEY, fold=_FOLD)


def _halo(parameters: Mapping[str, Any], scale_nm: Scale) -> tuple[int, int, int]:
    z, y, x = (math.ceil(1000 * parameters["exclude_um"] / size) for size in scale_nm)
    return z, y, x


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    yield from size_problems({"image": specs["image"]}, parameters)
    dtype = specs["image"].dtype
    if dtype.kind not in "iuf" or (dtype.kind in "iu" and dtype.itemsize > 2):
        yield f"image is {dtype}; expected 8- or 16-bit integers, or floats: add ?window=0.5%:99.5% to its URI"


@tool(
    "common.tile_moments",
    halo=_halo,
    outputs={"moments": MOMENTS},
    check=_problems,
    examine=unusual_image,
    memory=memory_of(160_000_000, 45),
)
def tile_moments(
    image: Annotated[NDArray[Any], kinds.Image()],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    exclude: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    tile_um: Annotated[float, Gt(0)] = 10.0,
    tile_z_um: Annotated[float, Gt(0)] | None = None,
    exclude_um: Annotated[float, Ge(0)] = 0.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """Sum grey values and their squares in small tiles, for ``common.local_contrast``.

    Parameters
    ----------
    image : (z, y, x) array
        8- or 16-bit integers, or floats, which are rounded to 12 significant bits or finer.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; only tissue is summed. NaN never is.
    exclude : (z, y, x) array of uint8, optional
        What is not summed: voxels greater than 0, such as those of cells, so that the mean is that of what is between
        them, and does not depend on how many there are.
    tile_um : float
        Edge of a tile in micrometres, rounded to whole voxels; tiles start at position 0 nm.
    tile_z_um : float, optional
        Length of a tile along z, if not `tile_um`: about a section where the brightness changes from section to
        section. The table has as many more rows as tiles are thinner.
    exclude_um : float
        How far around `exclude` voxels are not summed either, in micrometres.

    Returns
    -------
    moments : table
        For every tile ``z, y, x``: its voxels with data, the sum of their values and that of the squares, in units of
        2 to the power of ``exponent`` and of its square. The exponent is 0 for integers; floats of a tile have a row
        for each factor of 16 between them. ``edge_z``, ``edge_y`` and ``edge_x`` are the lengths of a tile in voxels.
    """
    box, seen = place_box(block.write, block.frame), block.write.within(block.read)
    values = image[seen]
    known = np.ones(values.shape, bool) if tissue is None else tissue[seen] == TISSUE
    if exclude is not None:
        known &= ~near(exclude > 0, exclude_um, block.frame.scale_nm)[seen]
    if values.dtype.kind == "f":
        known &= ~np.isnan(values)
        numbers, exponents = split_floats(np.where(known, values, 0))
    else:
        numbers, exponents = np.where(known, values, 0).astype(np.int64), np.zeros(values.shape, np.int64)
    grid = DensityGrid(tile_factors(tile_um, tile_z_um, block.frame.scale_nm), block.frame)
    tiles = cell_indices(box.coarsen(grid.factors))
    parts = []
    for exponent in np.unique(exponents[known]).tolist():
        here = known & (exponents == exponent)
        number = np.where(here, numbers, 0)
        sums = [grid.sums(one, box).ravel() for one in (here, number, number**2)]
        filled = sums[0] > 0
        z, y, x = tiles[filled].T
        columns = (z, y, x, np.full(len(z), exponent), *(one[filled] for one in sums))
        edges = repeat_settings(dict(zip(EDGES, grid.factors, strict=True)), len(z))
        parts.append({**dict(zip((*_KEY, *_SUMS), columns, strict=True)), **edges})
    return {"moments": concatenate(parts, MOMENTS.columns)}
