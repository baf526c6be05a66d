"""Voxels near a mask."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Scale = tuple[float, float, float]
_NEVER_LESS = 1 + 1e-9


def near(mask: NDArray[np.bool_], distance_um: float, size: Scale) -> NDArray[np.bool_]:
    """Return the voxels of a mask, and those whose centres are up to a distance from the centre of one."""
    if not distance_um or not mask.any():
        return mask
    box = _bounds(mask, [math.ceil(1000 * distance_um / one) for one in size])
    result = mask.copy()
    away = ndimage.distance_transform_edt(~mask[box], sampling=size)
    result[box] = away <= 1000 * distance_um * _NEVER_LESS
    return result


def _bounds(mask: NDArray[np.bool_], reach: list[int]) -> tuple[slice, ...]:
    """Return the slices of the bounding box of a mask, grown by `reach`."""
    (found,) = ndimage.find_objects(mask.view(np.uint8))
    ends = zip(found, reach, mask.shape, strict=True)
    return tuple(slice(max(one.start - n, 0), min(one.stop + n, end)) for one, n, end in ends)
