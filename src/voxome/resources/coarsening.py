"""Methods and factors of pyramids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voxome.contracts.downsampling import Method
from voxome.contracts.spec import Scale, VolumeKind

METHODS: Mapping[VolumeKind, Method] = {"labels": "mode", "image": "mean", "probability": "mean"}
"""Kind of voxels → method that pyramids combine them with."""


def halving(voxel_size_nm: Sequence[float] | None) -> Scale:
    """Return which axes (z, y, x) the next level of a pyramid halves (2) or keeps (1), so that voxels become cubes.

    An axis is kept while its voxels are at least twice as long as the shortest.

    Examples
    --------
    >>> halving((40, 4, 4)), halving((40, 32, 32)), halving(None)
    ((1, 2, 2), (2, 2, 2), (2, 2, 2))
    """
    z, y, x = (1.0, 1.0, 1.0) if voxel_size_nm is None else voxel_size_nm
    shortest = min(z, y, x)
    return tuple(2 if length < 2 * shortest else 1 for length in (z, y, x))  # type: ignore[return-value]
