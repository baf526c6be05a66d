"""Lossless dtype conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import InvalidInput

_PARTS = 16
"""Number of parts in which values are compared, to save memory."""


def cast_exact(data: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `data` as `dtype`, with every value unchanged.

    Raises
    ------
    InvalidInput
        If a value would change because it is too large, negative, fractional, complex or not a number.

    Examples
    --------
    >>> cast_exact(np.array([0, 255], np.uint16), np.dtype("uint8")).tolist()
    [0, 255]
    """
    if data.dtype == dtype:
        return data
    if data.dtype.kind == "c" and dtype.kind != "c":
        raise InvalidInput(f"Complex voxels cannot be converted to {dtype}")
    with np.errstate(all="ignore"):
        cast = data.astype(dtype)
        parts = zip(np.array_split(data, _PARTS), np.array_split(cast, _PARTS), strict=True)
        if not _is_always_exact(data.dtype, dtype) and not all(_equal(old, new) for old, new in parts if old.size):
            low, high = data.min().item(), data.max().item()
            raise InvalidInput(
                f"{data.dtype} voxels from {low} to {high} do not fit {dtype} without a change; choose a larger dtype"
            )
    return cast


def exact_values(data: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `data` as an array that can be assigned to voxels of `dtype`: every value is kept, floats are rounded.

    Where the dtype of `data` always fits, nothing is copied or looked at.

    Raises
    ------
    InvalidInput
        If a value would change because it is too large, negative, fractional, complex or not a number.

    Examples
    --------
    >>> exact_values([0, 255], np.dtype("uint8")).tolist()
    [0, 255]
    """
    values = np.asarray(data)
    if values.dtype.kind not in "biufc":
        cast = np.asarray(values, dtype)
        if values.dtype.kind == "O" and not np.array_equal(cast, values):
            raise InvalidInput(f"Some values do not fit {dtype} without a change; choose a larger dtype")
        return cast
    if _is_always_exact(values.dtype, dtype):
        return values
    if values.dtype.kind == dtype.kind == "f":
        return _round(values, dtype)
    return cast_exact(np.atleast_1d(values), dtype).reshape(values.shape)


def require_unmasked(values: object) -> None:
    """Check that no value of a masked array is masked.

    Raises
    ------
    InvalidInput
    """
    if isinstance(values, np.ma.MaskedArray) and (count := int(np.count_nonzero(values.mask))):
        raise InvalidInput(
            f"{count:,} values of the array are masked, and voxels have no mask; fill them first, as with "
            "array.filled(0), or pass array.data"
        )


def _round(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    if not np.array_equal(np.isinf(cast), np.isinf(values)):
        raise InvalidInput(f"{values.dtype} voxels are too large for {dtype}; choose a larger dtype")
    return cast


def _is_always_exact(old: np.dtype[Any], new: np.dtype[Any]) -> bool:
    rounded = old.kind in "iu" and old.itemsize == 8 and new.kind in "fc"
    return np.can_cast(old, new, "safe") and not rounded


def _equal(old: NDArray[Any], new: NDArray[Any]) -> bool:
    """Return whether both hold the same numbers: each within the other's range, and equal after a round trip."""
    if not (_in_range(old, new.dtype) and _in_range(new, old.dtype)):
        return False
    return np.array_equal(new.astype(old.dtype), old, equal_nan=True)


def _in_range(data: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= data.min().item() and data.max().item() <= limits.max)
