"""Data types that compiled code does not take, exchanged for others that hold the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def compilable(data: NDArray[Any]) -> NDArray[Any]:
    """Return the voxels in C order; booleans as uint8, float16 as float32."""
    voxels = np.ascontiguousarray(data)
    if voxels.dtype.kind == "b":
        return voxels.view(np.uint8)
    return voxels.astype(np.float32) if voxels.dtype.name == "float16" else voxels


def restored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values that were computed from `compilable` voxels in the dtype that these had."""
    return values.view(np.bool_) if dtype.kind == "b" else values.astype(dtype, copy=False)
