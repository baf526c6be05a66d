"""Fragments of neurons: the basins of the distance to membrane, a block at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.height import MAX_DEPTH, MAX_RADIUS, HeightParams, height_halo, height_map


def _height(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> HeightParams:
    finest = min(scale_nm)
    spacing = (scale_nm[0] / finest, scale_nm[1] / finest, scale_nm[2] / finest)
    threshold, radius, depth, sigma = (parameters[name] for name in ("threshold", "radius", "depth", "sigma"))
    return HeightParams(threshold, radius, depth, sigma, spacing)


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    return height_halo(_height(parameters, scale_nm))


@tool("em.fragments", halo=_halo, outputs={"basins": kinds.Labels()})
def fragments(
    membranes: Annotated[NDArray[np.uint8], kinds.Probability()],
    *,
    threshold: Annotated[int, Interval(ge=0, le=255)] = 128,
    radius: Annotated[float, Interval(ge=1, le=MAX_RADIUS)] = 12.0,
    depth: Annotated[float, Interval(ge=0, le=MAX_DEPTH)] = 8.0,
    sigma: Annotated[float, Interval(ge=0, le=MAX_RADIUS)] = 0.7,
    block: BlockContext,
) -> dict[str, NDArray[np.uint64]]:
    """Label every voxel by where its path of steepest ascent ends, or leaves the block.

    Parameters
    ----------
    membranes : (z, y, x) array of uint8
        255 = membrane.
    threshold : int
        From this value on a voxel is membrane.
    radius : float
        Distances to membrane are capped here, in voxels of the finest axis.
    depth : float
        How much lower sure membrane lies than sure inside, beside the distance, in voxels of the finest axis.
    sigma : float
        Standard deviation of the smoothing, in voxels of the finest axis.

    Returns
    -------
    basins : (z, y, x) array of uint64
        Place ids (`tools.common.places`), to be resolved by ``em.fragments_join`` and ``em.fragments_apply``.
    """
    given = {"threshold": threshold, "radius": radius, "depth": depth, "sigma": sigma}
    height = height_map(membranes, _height(given, block.frame.scale_nm))
    frame = block.frame
    return {"basins": basins(height, block.read, block.write, frame.domain, frame.box)}
