"""Watershed of cells in a probability map, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.contrast.unusual import unusual_probability
from voxome.tools.common.sphere_search import Fraction
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.height import MAX_RADIUS, HeightParams, height_halo, height_map

UM = 1000.0
_CERTAIN = 255


def _height(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> HeightParams:
    finest = min(scale_nm)
    z, y, x = (size / finest for size in scale_nm)
    radius = max(UM * parameters["max_radius_um"] / finest, 1.0)
    above = _CERTAIN + 1 - math.ceil(_CERTAIN * parameters["threshold"] * (1 - 1e-9))
    return HeightParams(above, radius, 0.0, UM * parameters["sigma_um"] / finest, (z, y, x))


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    return height_halo(_height(parameters, scale_nm))


def _check(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    size = specs["probability"].voxel_size_nm if "probability" in specs else None
    if size is None:
        yield UNKNOWN_VOXEL_SIZE
        return
    for name in ("max_radius_um", "sigma_um"):
        if UM * parameters[name] > MAX_RADIUS * min(size):
            yield (
                f"{name} is {parameters[name]:g} µm, more than {MAX_RADIUS} voxels of {min(size):g} nm: correct the "
                "voxel size, or use a coarser level"
            )


@tool(
    "common.instance_basins",
    halo=_halo,
    outputs={"basins": kinds.Labels()},
    check=_check,
    examine=unusual_probability,
    memory=memory_of(260_000_000, 30),
)
def instance_basins(
    probability: Annotated[NDArray[np.uint8], kinds.Probability()],
    *,
    max_radius_um: Annotated[float, Gt(0)] = 8.0,
    sigma_um: Annotated[float, Ge(0)] = 1.5,
    threshold: Fraction = 0.5,
    block: BlockContext,
) -> dict[str, NDArray[np.uint64]]:
    """Part touching cells: label voxels by where their path away from the background ends.

    Parameters
    ----------
    probability : (z, y, x) array of uint8
        Probability of cells; 255 is certain.
    max_radius_um : float
        Cap on the distance to the background, in micrometres, at least the radius of the largest cell: a cell that is
        larger is cut. At most 16 voxels along the finest axis.
    sigma_um : float
        Standard deviation of the smoothing of the distance, in micrometres; a larger one parts fewer cells.
    threshold : float
        Probability from which a voxel belongs to a cell.

    Returns
    -------
    basins : (z, y, x) array of uint64
        Voxel ids, to be resolved by ``em.fragments_join`` and ``em.fragments_apply``; 0 is background.
    """
    parameters = {"max_radius_um": max_radius_um, "sigma_um": sigma_um, "threshold": threshold}
    frame = block.frame
    params = _height(parameters, frame.scale_nm)
    inverse = _CERTAIN - probability
    outside = np.zeros(probability.shape, bool)
    if block.read not in frame.box:
        outside[...] = True
        outside[(block.read & frame.box).within(block.read)] = False
    height = height_map(inverse, params, outside)
    height[inverse >= params.threshold] = -1
    return {"basins": basins(height, block.read, block.write, frame.domain, frame.box)}
