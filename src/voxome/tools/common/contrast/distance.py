"""Voxels near a mask."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.tools.common.balls import Scale, ball_reach, ball_runs

_MAX_LINES = 1500
"""Lines along x that a ball may have; for larger ones a distance transform takes less time."""
_NEVER_LESS = 1 + 1e-9


def near(mask: NDArray[np.bool_], distance_um: float, size: Scale) -> NDArray[np.bool_]:
    """Return the voxels of a mask, and those whose centres are up to a distance from the centre of one."""
    if not distance_um or not mask.any():
        return mask
    box = _bounds(mask, ball_reach(1000 * distance_um, size))
    result = mask.copy()
    result[box] = _dilate(mask[box], 1000 * distance_um, size)
    return result


def _bounds(mask: NDArray[np.bool_], reach: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices of the bounding box of a mask, grown by `reach`."""
    (found,) = ndimage.find_objects(mask.view(np.uint8))
    ends = zip(found, reach, mask.shape, strict=True)
    return tuple(slice(max(one.start - n, 0), min(one.stop + n, end)) for one, n, end in ends)


def _dilate(mask: NDArray[np.bool_], radius_nm: float, size: Scale) -> NDArray[np.bool_]:
    """Return the dilation of a mask by a ball: the union of the mask, moved to each of its voxels."""
    depth, height, _ = ball_reach(radius_nm, size)
    if (2 * depth + 1) * (2 * height + 1) > _MAX_LINES:
        return np.asarray(ndimage.distance_transform_edt(~mask, sampling=size) <= radius_nm * _NEVER_LESS)
    result, wide, reached, runs = mask.copy(), mask.copy(), 0, ball_runs(radius_nm, size)
    for half, group in groupby(runs[np.argsort(runs[:, 2])].tolist(), key=lambda run: run[2]):
        for _ in range(reached, half):
            narrow = wide.copy()
            wide[..., 1:] |= narrow[..., :-1]
            wide[..., :-1] |= narrow[..., 1:]
        reached = half
        for z, y, _ in group:
            (to_z, of_z), (to_y, of_y) = _moves(z, len(mask)), _moves(y, mask.shape[1])
            result[to_z, to_y] |= wide[of_z, of_y]
    return result


def _moves(distance: int, length: int) -> Iterator[slice]:
    """Yield where the elements of an axis are moved to, and which these are."""
    yield slice(max(distance, 0), max(min(length + distance, length), 0))
    yield slice(max(-distance, 0), max(min(length - distance, length), 0))
