"""Sums of grey values in small tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.errors import InvalidInput
from voxome.kinds.merge import Fold
from voxome.tools.common.contrast.limits import size_problems
from voxome.tools.common.contrast.moments import FRACTIONS, LARGEST
from voxome.tools.common.contrast.unusual import unusual_image
from voxome.tools.common.density.grid import DensityGrid, cell_indices, grid_factors
from voxome.tools.common.gaps import TISSUE

_SUMS = ("voxels", "total", "squares")
_FOLD: dict[str, Fold] = dict.fromkeys(_SUMS, "sum")
MOMENTS = kinds.Table(
    {**dict.fromkeys(("z", "y", "x"), "int64"), **dict.fromkeys(_SUMS, "int64")}, key=("z", "y", "x"), fold=_FOLD
)


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    yield from size_problems({"image": specs["image"]}, parameters)
    dtype = specs["image"].dtype
    if dtype.kind not in "iuf" or (dtype.kind in "iu" and dtype.itemsize > 2):
        yield f"image is {dtype}; expected 8- or 16-bit integers, or floats: add ?window=0.5%:99.5% to its URI"


@tool(
    "common.tile_moments",
    outputs={"moments": MOMENTS},
    check=_problems,
    examine=unusual_image,
    memory=memory_of(160_000_000, 60),
)
def tile_moments(
    image: Annotated[NDArray[Any], kinds.Image()],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    tile_um: Annotated[float, Gt(0)] = 10.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """Sum grey values and their squares in small tiles, for ``common.local_contrast``.

    Parameters
    ----------
    image : (z, y, x) array
        8- or 16-bit integers, or floats up to 65,536, which are rounded to multiples of 1/1024.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; only tissue is summed. NaN never is.
    tile_um : float
        Edge of a tile in micrometres, rounded to whole voxels; tiles start at voxel index 0.

    Returns
    -------
    moments : table
        For every tile ``z, y, x``: its voxels with data, the sum of their values and that of the squares; of floats,
        1024 times as much.
    """
    box, seen = block.write, block.write.within(block.read)
    values = image[seen]
    known = np.ones(values.shape, bool) if tissue is None else tissue[seen] == TISSUE
    if values.dtype.kind == "f":
        known &= ~np.isnan(values)
        exact = np.where(known, values, 0).astype(np.float64)
        if np.abs(exact).max(initial=0) > LARGEST:
            raise InvalidInput(
                f"The image has values up to {np.abs(exact).max():g}; floats are expected to be at most {LARGEST}: add "
                "?window=0.5%:99.5% to its URI"
            )
        total, squares = (np.rint(one * FRACTIONS).astype(np.int64) for one in (exact, exact**2))
    else:
        total = np.where(known, values, 0).astype(np.int64)
        squares = total**2
    grid = DensityGrid(grid_factors(tile_um, block.frame.scale_nm), block.frame)
    sums = {name: grid.sums(one, box).ravel() for name, one in zip(_SUMS, (known, total, squares), strict=True)}
    z, y, x = cell_indices(box.coarsen(grid.factors)).T
    return {"moments": {"z": z, "y": y, "x": x, **sums}}
