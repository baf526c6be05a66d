"""Downsampling of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts.downsampling import Method
from voxome.contracts.spec import Scale, VolumeKind
from voxome.geometry import Box

METHODS: Mapping[VolumeKind, Method] = {"labels": "mode", "image": "mean", "probability": "mean"}
"""Kind of voxels → method that pyramids combine them with."""


def coarsened(data: NDArray[Any], box: Box, factors: Sequence[int], method: Method) -> NDArray[Any]:
    """Combine the voxels of `box` in cells of `factors` voxels that start at multiples of them.

    Parameters
    ----------
    data : array of the shape of `box`
        Any dtype.
    box : Box
        Box of the data; cells at its border combine the voxels inside it.
    factors : sequence of int
        Edge lengths of a cell, one an axis.
    method : {"mean", "mode", "max", "min", "stride"}
        Mean for intensities, the most frequent id for labels, the largest, the smallest, or the first voxel.

    Returns
    -------
    array of the same dtype
        One voxel a cell.
    """
    placed = ts.array(data)[ts.d[:].translate_to[list(box.start)]]
    return np.asarray(ts.downsample(placed, list(factors), method).read().result())


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
