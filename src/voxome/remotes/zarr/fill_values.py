"""Fill values of zarr arrays: the numbers that their JSON stands for, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from voxome.contracts.spec import require_fill

_HEX = re.compile(r"0x[0-9a-fA-F]+")
_BOOLEANS = {"true": 1, "false": 0}
_WORDS = ("NaN", "Infinity", "-Infinity")


def decode_fill(fill: Any, dtype: np.dtype[Any]) -> Any:
    """Return the number of type `dtype` that a fill value in JSON stands for; 0 for null.

    Other writers than voxome write integers as text, booleans as 0 and 1, and bits of floats as hexadecimal text.

    Parameters
    ----------
    fill : JSON value
        The ``fill_value`` of zarr v2 or v3.
    dtype : numpy.dtype
        Type of the voxels: boolean, integer or float.

    Returns
    -------
    numpy scalar

    Raises
    ------
    ValueError
        If it is not a number of this type.
    """
    if fill is None:
        return dtype.type(0)
    try:
        return _DECODERS[dtype.kind](fill, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"fill_value is {fill!r}, which is not a {dtype.name}") from error


def encode_fill(fill: Any, dtype: np.dtype[Any]) -> Any:
    """Return `fill` as zarr writes it in JSON.

    Raises
    ------
    InvalidInput
        If `dtype` cannot represent it.
    """
    value = require_fill(fill, dtype)
    if isinstance(value, float):
        return _encode_float(value)
    return value


def is_hexadecimal(fill: Any) -> bool:
    """Return whether a fill value in JSON is the bits of a float, as zarr v3 writes a NaN that is not the usual one."""
    return isinstance(fill, str) and _HEX.fullmatch(fill) is not None


def _encode_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return _WORDS[0] if math.isnan(value) else _WORDS[1 if value > 0 else 2]


def _boolean(fill: Any, dtype: np.dtype[Any]) -> Any:
    number = _BOOLEANS.get(fill.lower(), fill) if isinstance(fill, str) else fill
    if _whole(number) not in (0, 1):
        raise ValueError(fill)
    return dtype.type(_whole(number))


def _integer(fill: Any, dtype: np.dtype[Any]) -> Any:
    limits = np.iinfo(dtype)
    number = _whole(fill)
    if isinstance(fill, bool) or not limits.min <= number <= limits.max:
        raise ValueError(fill)
    return dtype.type(number)


def _whole(fill: Any) -> int:
    if isinstance(fill, float) and fill != int(fill):
        raise ValueError(fill)
    return int(fill)


def _float(fill: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(fill, bool):
        raise TypeError(fill)
    if is_hexadecimal(fill):
        if len(fill) != 2 + 2 * dtype.itemsize:
            raise ValueError(fill)
        return np.array([int(fill, 16)], f"u{dtype.itemsize}").view(dtype.newbyteorder("="))[0]
    number = float(fill)
    with np.errstate(over="ignore"):
        value = dtype.type(number)
    if np.isinf(value) and not math.isinf(number):
        raise OverflowError(fill)
    return value


_DECODERS: dict[str, Callable[[Any, np.dtype[Any]], Any]] = {
    "b": _boolean,
    "i": _integer,
    "u": _integer,
    "f": _float,
}
"""Kind of dtype → function that decodes its fill values."""
