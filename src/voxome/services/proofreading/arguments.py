"""Arguments of edits."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.contracts.arguments import require_number
from voxome.errors import InvalidInput, describe_value
from voxome.geometry import Box
from voxome.services.proofreading.ids import LARGEST
from voxome.services.proofreading.operations import Operation

_LISTED = 10
"""Ids that a message lists."""


def require_ids(name: str, values: ArrayLike | Iterable[int], *, background: bool = False) -> list[int]:
    """Return ids as integers; `name` is the argument, for messages.

    Parameters
    ----------
    name : str
        The argument.
    values : array or iterable of int
        Ids.
    background : bool
        Whether 0 may be among them, as where something is looked up.

    Raises
    ------
    InvalidInput
        If one is not a whole number from 1 to 2⁶⁴ - 1.
    """
    try:
        items = values.ravel().tolist() if isinstance(values, np.ndarray) else list(cast("Iterable[Any]", values))
    except TypeError:
        items = [None]
    return _require_ids(name, values, items, background=background)


def require_id(name: str, value: Any) -> int:
    """Return an id as an integer; `name` is the argument, for messages, and the error that of `require_ids`."""
    return _require_ids(name, value, [value], background=False)[0]


def _require_ids(name: str, argument: object, items: list[Any], *, background: bool) -> list[int]:
    try:
        ids = [-1 if isinstance(one, bool | np.bool_) else operator.index(one) for one in items]
    except TypeError:
        ids = [-1]
    if 0 in ids and not background:
        raise InvalidInput(
            f"{name} is {describe_value(argument)}; 0 is the background, which is no segment: leave it out"
        )
    if any(not 0 <= one <= LARGEST for one in ids):
        raise InvalidInput(f"{name} is {describe_value(argument)}; expected ids, whole numbers from 1 to 2**64 - 1")
    return ids


def require_operation(operation: Operation | int) -> int:
    """Return the number of an operation."""
    if isinstance(operation, Operation):
        return operation.number
    if isinstance(operation, bool) or not isinstance(operation, int):
        raise InvalidInput(
            f"operation is {describe_value(operation)}; expected an operation of history(), or its number"
        )
    return operation


def require_version(version: int | str) -> int | str:
    """Return a version: the number of an operation, or a name.

    Raises
    ------
    InvalidInput
        If it is neither a whole number from 0 nor a text.
    """
    if isinstance(version, str):
        return version
    number = -1
    if not isinstance(version, bool | np.bool_):
        with suppress(TypeError):
            number = operator.index(version)
    if number < 0:
        raise InvalidInput(
            f"version is {describe_value(version)}; expected the number of an operation, 0 for the start, or the name "
            "of a version or branch"
        )
    return number


def require_finite(name: str, value: Any) -> float:
    """Return a number; `name` is the argument, for messages.

    Raises
    ------
    InvalidInput
        If it is no real number, infinite or NaN.
    """
    number = require_number(name, value)
    if isinstance(number, complex | np.complexfloating) or not math.isfinite(number):
        raise InvalidInput(f"{name} is {describe_value(value)}; expected a finite number")
    return float(number)


def require_points(name: str, points: ArrayLike, domain: Box) -> NDArray[np.int64]:
    """Return points as an (n, 3) array of at least one; `name` is the argument, for messages.

    Raises
    ------
    InvalidInput
        If they are not whole numbers z, y, x of voxels in `domain`.
    """
    array = np.asarray(points)
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise InvalidInput(f"{name} is {describe_value(points)}; expected one or more rows of whole numbers z, y, x")
    for point in array.tolist():
        if point not in domain:
            raise InvalidInput(f"{name} has {tuple(point)}, which is not a voxel of {domain}")
    return array.astype(np.int64)


def require_apart(points_a: NDArray[np.int64], points_b: NDArray[np.int64]) -> None:
    """Raise if a point is on both sides of a split."""
    if both := sorted({tuple(one) for one in points_a.tolist()} & {tuple(one) for one in points_b.tolist()}):
        raise InvalidInput(f"point {both[0]} is on both sides; give each side its own")


def require_inside(box: Box, *sides: NDArray[np.int64]) -> None:
    """Raise if a point of a split is outside the box that is divided."""
    for point in np.concatenate(sides).tolist():
        if point not in box:
            raise InvalidInput(f"point {tuple(point)} is outside box {box}; give a box with all points")


def require_distinct(ids: Sequence[int], what: str) -> None:
    """Raise if an id occurs twice."""
    if repeated := sorted({one for one in ids if ids.count(one) > 1}):
        raise InvalidInput(f"{what} {id_text(repeated)} occurs more than once; nothing has changed")


def id_text(ids: Sequence[int]) -> str:
    """Return the first ids as text."""
    listed = ", ".join(map(str, ids[:_LISTED]))
    return f"{listed} and {len(ids) - _LISTED} more" if len(ids) > _LISTED else listed
