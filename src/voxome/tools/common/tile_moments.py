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
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.balls import Scale
from voxome.tools.common.contrast.distance import near
from voxome.tools.common.contrast.limits import size_problems
from voxome.tools.common.contrast.tile_sums import sum_tiles, tile_factors
from voxome.tools.common.contrast.unusual import unusual_image
from voxome.tools.common.density.grid import DensityGrid
from voxome.tools.common.gaps import TISSUE

MOMENTS = kinds.BlockArrays(random_access=True)


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
) -> dict[str, dict[str, NDArray[Any]]]:
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
        section. There are as many more of them as they are thinner.
    exclude_um : float
        How far around `exclude` voxels are not summed either, in micrometres.

    Returns
    -------
    moments : arrays of blocks
        For the tiles of a block: their voxels with data, the sum of their values and that of the squares, in units of
        2 to the power of an exponent and of its square. The exponent is 0 for integers; floats have one for each
        factor of 16 between them. Tiles at faces of a block are those of several blocks, which add up.
    """
    seen = block.write.within(block.read)
    values = image[seen]
    known = np.ones(values.shape, bool) if tissue is None else tissue[seen] == TISSUE
    if exclude is not None:
        known &= ~near(exclude > 0, exclude_um, block.frame.scale_nm)[seen]
    if values.dtype.kind == "f":
        known &= ~np.isnan(values)
    grid = DensityGrid(tile_factors(tile_um, tile_z_um, block.frame.scale_nm), block.frame)
    return {"moments": sum_tiles(values, known, block.write, grid)}
