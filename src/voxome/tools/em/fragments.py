"""Watershed of the distance to membranes, blockwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.contrast.unusual import unusual_probability
from voxome.tools.common.gaps import NO_DATA, known_tissue
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.height import MAX_DEPTH, MAX_RADIUS, HeightParams, height_halo, height_map


def _height(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> HeightParams:
    finest = min(scale_nm)
    spacing = (scale_nm[0] / finest, scale_nm[1] / finest, scale_nm[2] / finest)
    radius = min(max(parameters["radius_nm"] / finest, 1.0), MAX_RADIUS)
    depth = min(parameters["depth_nm"] / finest, MAX_DEPTH)
    sigma = min(parameters["sigma_nm"] / finest, MAX_RADIUS)
    return HeightParams(parameters["threshold"], radius, depth, sigma, spacing)


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    return height_halo(_height(parameters, scale_nm))


@tool(
    "em.fragments",
    halo=_halo,
    outputs={"basins": kinds.Labels()},
    examine=unusual_probability,
    memory=memory_of(273_000_000, 99),
)
def fragments(
    membranes: Annotated[NDArray[np.uint8], kinds.Probability()],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    threshold: Annotated[int, Interval(ge=0, le=255)] = 128,
    radius_nm: Annotated[float, Gt(0)] = 120.0,
    depth_nm: Annotated[float, Ge(0)] = 80.0,
    sigma_nm: Annotated[float, Ge(0)] = 7.0,
    block: BlockContext,
) -> dict[str, NDArray[np.uint64]]:
    """Watershed into fragments (supervoxels): label voxels by where their path of steepest ascent ends.

    Parameters
    ----------
    membranes : (z, y, x) array of uint8
        Membrane map; 255 is membrane.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; where there are no data, there are no fragments.
    threshold : int
        Value from which a voxel is membrane.
    radius_nm : float
        Cap on the distance to membrane, in nm; used up to 16 voxels along the finest axis.
    depth_nm : float
        Additional height of certain cell interior over certain membrane, in nm; used up to 8 voxels along the finest
        axis.
    sigma_nm : float
        Standard deviation of the smoothing, in nm.

    Returns
    -------
    basins : (z, y, x) array of uint64
        Voxel ids of the ends of paths, to be resolved by ``em.fragments_join`` and ``em.fragments_apply``; 0 is
        background.
    """
    parameters = {"threshold": threshold, "radius_nm": radius_nm, "depth_nm": depth_nm, "sigma_nm": sigma_nm}
    missing = None if tissue is None else known_tissue(tissue, block) == NO_DATA
    height = height_map(membranes, _height(parameters, block.frame.scale_nm), missing)
    frame = block.frame
    return {"basins": basins(height, block.read, block.write, frame.domain, frame.box)}
