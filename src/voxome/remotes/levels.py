"""Levels of a pyramid: the spec of a coarser one, and what may be one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat


def coarser(spec: VolumeSpec, scale: Scale) -> VolumeSpec:
    """The spec of a level whose voxel i covers the voxels ``i * scale`` to ``(i + 1) * scale`` of `spec`.

    Parameters
    ----------
    spec : VolumeSpec
        Of the finest level, with axes z, y, x among others.
    scale : (z, y, x)
        Its voxels along one voxel of the level.
    """
    z, y, x = spec.voxel_size_nm or (0.0, 0.0, 0.0)
    shift = [(f - 1) / 2 * size for f, size in zip(scale, (z, y, x), strict=True)]
    offset = [o + s for o, s in zip(spec.offset_nm, shift, strict=True)]
    size = (z * scale[0], y * scale[1], x * scale[2]) if spec.voxel_size_nm else None
    return spec.replace(
        domain=spec.lift(spec.frame.coarsen(scale)), voxel_size_nm=size, offset_nm=(offset[0], offset[1], offset[2])
    )


def check_coarser(name: str, last: Scale, scale: Scale) -> None:
    """Refuse a new level that is not coarser than the `last` one.

    Raises
    ------
    InvalidInput
        If it is finer along an axis, or no coarser at all.
    """
    if len(scale) != 3 or any(new < old for new, old in zip(scale, last, strict=True)) or scale == last:
        raise InvalidInput(f"{name}: a new level must be coarser than {last} (z, y, x), not {scale}")


def whole_scale(name: str, coarse: Sequence[float], fine: Sequence[float]) -> Scale:
    """How many voxels of size `fine` lie along one of size `coarse` (z, y, x).

    Raises
    ------
    UnsupportedFormat
        If they are no whole numbers, within 2 %.
    """
    ratio = np.asarray(coarse, float) / np.asarray(fine, float)
    whole = np.maximum(np.rint(ratio), 1).astype(int)
    if not np.allclose(ratio, whole, rtol=0.02):
        seen = ", ".join(f"{r:g}" for r in ratio)
        raise UnsupportedFormat(f"{name}: its voxels are ({seen}) (z, y, x) of the finest; whole numbers are expected")
    return int(whole[0]), int(whole[1]), int(whole[2])
