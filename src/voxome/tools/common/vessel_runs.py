"""Vessel voxels of a block, as runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from scipy import ndimage

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.contrast.unusual import unusual_probability
from voxome.tools.common.vessels.runs import RUNS, find_runs

_NEVER_LESS = 1 + 1e-9
"""Factor of a radius, so that rounding of the voxel size leaves no voxel out that is as far."""


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    z, y, x = (2 * math.ceil(parameters["closing_um"] * 1000 / nm) for nm in scale_nm)
    return z, y, x


def _problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    if specs["probability"].voxel_size_nm is None:
        yield UNKNOWN_VOXEL_SIZE


@tool(
    "common.vessel_runs",
    halo=_halo,
    outputs={"runs": RUNS},
    check=_problems,
    examine=unusual_probability,
    memory=lambda voxels, parameters: memory_of(240_000_000, 60 if parameters["closing_um"] else 6)(voxels, parameters),
)
def vessel_runs(
    probability: Annotated[NDArray[np.uint8], kinds.Probability()],
    *,
    threshold: Annotated[int, Interval(ge=1, le=255)] = 128,
    closing_um: Annotated[float, Ge(0)] = 0.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """List the voxels of vessels as runs along x: a threshold, and a closing.

    Parameters
    ----------
    probability : (z, y, x) array of uint8
        Probability of vessel; 255 is certain.
    threshold : int
        Minimum probability of a voxel of a vessel.
    closing_um : float
        Radius of the ball with which the mask is closed, in micrometres; 0 closes nothing.

    Returns
    -------
    runs : table
        ``z``, ``y``, ``start`` and ``stop`` (exclusive) of every run, in voxels.
    """
    read = block.read & block.frame.box
    mask = probability[read.within(block.read)] >= threshold
    if closing_um:
        mask = _close(mask, closing_um * 1000, block.frame.scale_nm)
    return {"runs": find_runs(mask[block.write.within(read)], block.write)}


def _close(mask: NDArray[np.bool_], radius_nm: float, scale_nm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Return the closing of a mask by a ball; beyond the array it neither grows nor shrinks."""
    if not mask.any():
        return mask
    limit = radius_nm * _NEVER_LESS
    grown = ndimage.distance_transform_edt(~mask, sampling=scale_nm) <= limit
    if grown.all():
        return grown
    closed: NDArray[np.bool_] = ndimage.distance_transform_edt(grown, sampling=scale_nm) > limit
    return closed
