"""Checks of arguments of public functions, with messages that state what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard, cast

import numpy as np

from voxome.contracts.uri import Location
from voxome.errors import InvalidInput


def require_voxels(name: str, value: Sequence[int]) -> tuple[int, int, int]:
    """Return three numbers of voxels (z, y, x).

    Raises
    ------
    InvalidInput
        If they are not three whole numbers of at least 1.
    """
    expected = "three numbers of voxels (z, y, x), such as (64, 128, 128)"
    z, y, x = _triple(name, value, lambda n: is_whole(n) and n >= 1, expected)
    return int(z), int(y), int(x)


def require_lengths(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return three lengths (z, y, x) in nm.

    Raises
    ------
    InvalidInput
        If they are not three positive numbers.
    """
    expected = "three positive lengths in nm (z, y, x), such as (40, 4, 4)"
    z, y, x = _triple(name, value, lambda n: _is_finite(n) and n > 0, expected)
    return float(z), float(y), float(x)


def require_position(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return a position (z, y, x) in nm.

    Raises
    ------
    InvalidInput
        If it is not three finite numbers.
    """
    expected = "a position in nm (z, y, x), such as (0, 0, 0)"
    z, y, x = _triple(name, value, _is_finite, expected)
    return float(z), float(y), float(x)


def require_indices(name: str, value: Sequence[int], least: int | None = None) -> tuple[int, ...]:
    """Return whole numbers, one for each axis.

    Raises
    ------
    InvalidInput
        If they are something else, or less than `least`.
    """
    listed = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
    if not listed or not all(is_whole(n) and (least is None or n >= least) for n in value):
        raise InvalidInput(f"{name} is {value!r}; expected whole numbers, one for each axis, such as (64, 64, 64)")
    return tuple(int(n) for n in value)


def require_count(name: str, value: int, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not is_whole(value) or value < least:
        raise InvalidInput(f"{name} is {value!r}; expected a whole number of at least {least}")
    return int(value)


def require_path(name: str, value: Location) -> str:
    """Return a path or URI as text.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise InvalidInput(f"{name} is {value!r:.60}; expected a path or URI, as text or a pathlib.Path")
    return os.fspath(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number, of Python or NumPy; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _triple(name: str, value: Any, fits: Callable[[Any], bool], expected: str) -> Sequence[Any]:
    listed = not isinstance(value, str | bytes) and hasattr(value, "__len__") and len(value) == 3
    if not (listed and all(map(fits, value))):
        raise InvalidInput(f"{name} is {value!r}; expected {expected}")
    return cast("Sequence[Any]", value)
