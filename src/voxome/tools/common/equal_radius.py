"""Radius of round objects of a volume."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.tools.common.faces import long_axes


def equal_radius_nm(voxels: NDArray[np.number], frame: Frame) -> NDArray[np.float64]:
    """Return the radii, in nm, of spheres of so many voxels, or of discs if the box of the frame is a single section.

    Parameters
    ----------
    voxels : (n,) array
        Numbers of voxels.
    frame : Frame
        Its voxel size is the unit; NaN is returned where it is unknown.
    """
    if frame.voxel_size_nm is None:
        return np.full(len(voxels), np.nan)
    axes = long_axes(frame.box.shape)
    if len(axes) == 2:
        return np.sqrt(voxels * math.prod(frame.voxel_size_nm[axis] for axis in axes) / math.pi)
    return np.cbrt(voxels * math.prod(frame.voxel_size_nm) * (0.75 / math.pi))
