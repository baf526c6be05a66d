"""Checks of arguments of public functions, with messages that state what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Complex, Integral, Real
from typing import Any, TypeGuard

from voxome.contracts.uri import Location
from voxome.errors import InvalidBox, InvalidInput, UnknownName, describe_value


def require_voxels(name: str, value: Sequence[int]) -> tuple[int, int, int]:
    """Return three numbers of voxels (z, y, x).

    Raises
    ------
    InvalidInput
        If they are not three whole numbers of at least 1.
    """
    if not (_is_triple(value) and all(is_whole(n) and n >= 1 for n in value)):
        raise _wrong(name, value, "three numbers of voxels (z, y, x), such as (64, 128, 128)")
    z, y, x = (int(n) for n in value)
    return z, y, x


def require_lengths(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return three lengths (z, y, x) in nm.

    Raises
    ------
    InvalidInput
        If they are not three positive numbers.
    """
    if not (_is_triple(value) and all(_is_finite(n) and n > 0 for n in value)):
        raise _wrong(name, value, "three positive lengths in nm (z, y, x), such as (40, 4, 4)")
    z, y, x = (float(n) for n in value)
    return z, y, x


def require_position(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return a position (z, y, x) in nm.

    Raises
    ------
    InvalidInput
        If it is not three finite numbers.
    """
    return _three_numbers(name, value, "a position in nm (z, y, x), such as (0, 0, 0)")


def require_positions_in_order(
    start_nm: Sequence[float], stop_nm: Sequence[float]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the ends of a box (z, y, x) in nm.

    Raises
    ------
    InvalidInput
        If one is not three finite numbers.
    InvalidBox
        If a start is above its stop.
    """
    start, stop = require_position("start_nm", start_nm), require_position("stop_nm", stop_nm)
    if any(low > high for low, high in zip(start, stop, strict=True)):
        raise InvalidBox(f"the box from {start} to {stop} nm is reversed: every start must be at most its stop")
    return start, stop


def require_index(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    """Return the index (z, y, x) of a voxel, which may be between voxels.

    Raises
    ------
    InvalidInput
        If it is not three finite numbers.
    """
    return _three_numbers(name, value, "the index of a voxel (z, y, x), such as (0, 0, 0)")


def require_indices(name: str, value: Sequence[int], least: int | None = None) -> tuple[int, ...]:
    """Return whole numbers, one for each axis.

    Raises
    ------
    InvalidInput
        If they are something else, or less than `least`.
    """
    if not _is_listed(value) or not all(is_whole(n) and (least is None or n >= least) for n in value):
        limit = "" if least is None else f", of at least {least}"
        raise _wrong(name, value, f"whole numbers, one for each axis{limit}, such as (64, 64, 64)")
    return tuple(int(n) for n in value)


def require_count(name: str, value: int, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not is_whole(value) or value < least:
        raise _wrong(name, value, f"a whole number of at least {least}")
    return int(value)


def require_counts(name: str, value: Iterable[int], least: int = 0) -> list[int]:
    """Return whole numbers of at least `least`, as many as there are.

    Raises
    ------
    InvalidInput
        If they are something else.
    """
    listed = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    items = list(value) if listed else []
    if not listed or not all(is_whole(n) and n >= least for n in items):
        raise _wrong(name, value, f"whole numbers of at least {least}, such as [{least}, {least + 1}]")
    return [int(n) for n in items]


def require_id(name: str, value: int) -> int:
    """Return the id of a segment.

    Raises
    ------
    InvalidInput
        If it is not a whole number from 0 to 2^64 - 1.
    """
    if not is_whole(value) or not 0 <= value < 1 << 64:
        raise InvalidInput(f"{name} is {describe_value(value)}, not an id; expected a whole number from 0 to 2^64 - 1")
    return int(value)


def require_ids(name: str, value: Iterable[int]) -> list[int]:
    """Return ids of segments.

    Raises
    ------
    InvalidInput
        If it is not a list, or one is not a whole number from 0 to 2^64 - 1.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise _wrong(name, value, "a list of ids, such as [7]")
    return [require_id(name, one) for one in value]


def require_whole(name: str, value: int) -> int:
    """Return a whole number.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not is_whole(value):
        raise _wrong(name, value, "a whole number")
    return int(value)


def require_positive(name: str, value: float, unit: str = "") -> float:
    """Return a finite number greater than 0.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not (_is_finite(value) and value > 0):
        raise _wrong(name, value, f"a number greater than 0{unit and f', in {unit}'}")
    return float(value)


def require_positives(name: str, value: Iterable[float]) -> list[float]:
    """Return finite numbers greater than 0, as many as there are.

    Raises
    ------
    InvalidInput
        If they are something else.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise _wrong(name, value, "a list of numbers greater than 0, such as [0.5]")
    return [require_positive(name, one) for one in value]


def require_finite(name: str, value: float) -> float:
    """Return a finite number.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not _is_finite(value):
        raise _wrong(name, value, "a finite number")
    return float(value)


def require_number(name: str, value: float) -> float:
    """Return a number as it is; NaN, infinity and complex numbers are numbers too.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not isinstance(value, Complex) and not _is_flag(value):
        raise _wrong(name, value, "a number")
    return value


def require_flags(**flags: bool) -> None:
    """Check arguments that are true or false, as ``require_flags(force=force)``.

    Raises
    ------
    InvalidInput
        If one is something else.
    """
    for name, value in flags.items():
        if not _is_flag(value):
            raise _wrong(name, value, "True or False")


def require_path(name: str, value: Location) -> str:
    """Return a path or URI as text.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise _wrong(name, value, "a path or URI, as text or a pathlib.Path")
    return text


def require_text(name: str, value: str, example: str = "") -> str:
    """Return a text that is not empty.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, f"text{example and f', such as {example!r}'}")
    return value


def require_names(name: str, value: Collection[str], known: Collection[str], what: str) -> tuple[str, ...]:
    """Return names of which all are known; `what` is what they name, for the message.

    Raises
    ------
    UnknownName
        If one is not; the message suggests the closest match.
    InvalidInput
        If they are not a collection of texts.
    """
    if isinstance(value, str) or not isinstance(value, Collection):
        raise _wrong(name, value, f"a list of names, such as [{sorted(known)[0]!r}]; known: {', '.join(sorted(known))}")
    for one in value:
        if one not in known:
            raise UnknownName.of(what, one, known)
    return tuple(value)


def require_mapping(name: str, value: Mapping[str, Any], example: str) -> Mapping[str, Any]:
    """Return a mapping whose keys are text.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, value, f"a mapping of names to values, such as {example}")
    return value


def require_function(name: str, value: object) -> None:
    """Check that an argument can be called.

    Raises
    ------
    InvalidInput
        If it cannot.
    """
    if not callable(value):
        raise _wrong(name, value, "a function")


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number, of Python or NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _three_numbers(name: str, value: Sequence[float], expected: str) -> tuple[float, float, float]:
    if not (_is_triple(value) and all(map(_is_finite, value))):
        raise _wrong(name, value, expected)
    z, y, x = (float(n) for n in value)
    return z, y, x


def _wrong(name: str, value: object, expected: str) -> InvalidInput:
    return InvalidInput(f"{name} is {describe_value(value)}; expected {expected}")


def _is_flag(value: object) -> TypeGuard[bool]:
    if isinstance(value, bool):
        return True
    import numpy as np

    return isinstance(value, np.bool_)


def _is_listed(value: Any) -> bool:
    if isinstance(value, Sequence):
        return not isinstance(value, str | bytes)
    import numpy as np

    return isinstance(value, np.ndarray) and value.ndim == 1


def _is_triple(value: Any) -> TypeGuard[Sequence[Any]]:
    return _is_listed(value) and len(value) == 3


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # of an integer beyond the floats
        return False
