"""Other dtypes, without any voxel changing its value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

_PIECES = 16


def converted(data: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """`data` as `dtype`.

    Raises
    ------
    InvalidInput
        If a voxel would change its value: too large, negative, a fraction, not a number.

    Examples
    --------
    >>> converted(np.array([0, 255], np.uint16), np.dtype("uint8")).tolist()
    [0, 255]
    """
    if data.dtype == dtype:
        return data
    if data.dtype.kind == "c" and dtype.kind != "c":
        raise InvalidInput(f"complex voxels are not turned into {dtype}")
    with np.errstate(all="ignore"):
        made = data.astype(dtype)
        pairs = zip(np.array_split(data, _PIECES), np.array_split(made, _PIECES), strict=True)
        if not _always_exact(data.dtype, dtype) and not all(_same(old, new) for old, new in pairs if old.size):
            low, high = data.min().item(), data.max().item()
            raise InvalidInput(f"voxels of {data.dtype} from {low} to {high} do not fit {dtype} without a change")
    return made


def _always_exact(old: np.dtype[Any], new: np.dtype[Any]) -> bool:
    rounded = old.kind in "iu" and old.itemsize == 8 and new.kind in "fc"
    return np.can_cast(old, new, "safe") and not rounded


def _same(old: NDArray[Any], new: NDArray[Any]) -> bool:
    """Whether both hold the same numbers: each in the other's range, and equal there and back."""
    if not (_in_range(old, new.dtype) and _in_range(new, old.dtype)):
        return False
    return np.array_equal(new.astype(old.dtype), old, equal_nan=True)


def _in_range(data: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= data.min().item() and data.max().item() <= limits.max)
