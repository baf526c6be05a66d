"""The order of axes in which objects are traced, so that it decides no tie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tracing_order(size_nm: Sequence[float], shape: Sequence[int]) -> list[int]:
    """Return the axes by falling voxel size, then by falling extent.

    Of equally good paths, the one through the first voxels is taken. A volume whose axes are stored in another order
    has the same skeletons, as its voxels are put in the same order.

    Examples
    --------
    >>> tracing_order((16, 40, 16), (100, 100, 300))
    [1, 2, 0]
    """
    return sorted(range(len(shape)), key=lambda axis: (-size_nm[axis], -shape[axis]))


def inverse(axes: Sequence[int]) -> list[int]:
    """Return the order that undoes `axes`."""
    return np.argsort(axes).tolist()
