"""Checks of the members of metadata in JSON, with messages that name the member and what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from voxome.errors import describe_value

T = TypeVar("T")


def problem_of(error: Exception) -> str:
    """Return what is wrong with metadata, of an error that reading them has raised.

    Examples
    --------
    >>> problem_of(KeyError("key")), problem_of(ValueError("size is 5"))
    ("'key' is missing", 'size is 5')
    """
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error) or repr(error)


def wrong_member(name: str, value: Any, expected: str) -> ValueError:
    """Return the error of a member that is something else than expected."""
    return ValueError(f"{name} is {describe_value(value)}; expected {expected}")


def require_object(name: str, value: Any) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises
    ------
    ValueError
        If it is something else; the message has its `name`.
    """
    return _require_type(name, value, Mapping, "an object")


def require_list(name: str, value: Any) -> Sequence[Any]:
    """Return a JSON list.

    Raises
    ------
    ValueError
        If it is something else; the message has its `name`.
    """
    return _require_type(name, value, list, "a list")


def require_text(name: str, value: Any) -> str:
    """Return a JSON string.

    Raises
    ------
    ValueError
        If it is something else; the message has its `name`.
    """
    return _require_type(name, value, str, "text")


def _require_type(name: str, value: Any, type: type[T], expected: str) -> T:
    if not isinstance(value, type):
        raise wrong_member(name, value, expected)
    return value


def require_whole_numbers(name: str, value: Any, least: int, count: int | None = None) -> list[int]:
    """Return a list of whole numbers, which may be written as 64.0.

    Parameters
    ----------
    name : str
        The member, for messages.
    value : JSON value
        Its value.
    least : int
        Smallest number that is valid.
    count : int, optional
        How many there should be; any number of them if None.

    Raises
    ------
    ValueError
        If it is something else.
    """
    numbers: list[Any] = value if isinstance(value, list) else [None]
    if not all(_is_whole(n) and n >= least for n in numbers) or len(numbers) != (
        len(numbers) if count is None else count
    ):
        many = "" if count is None else f"{count} "
        raise wrong_member(name, value, f"{many}whole numbers of at least {least}")
    return [int(n) for n in numbers]


def require_numbers(name: str, value: Any, count: int) -> list[float]:
    """Return a list of `count` finite numbers, which may be written as text.

    Raises
    ------
    ValueError
        If it is something else; the message has its `name`.
    """
    numbers = [_number(n) for n in value] if isinstance(value, list) else []
    if len(numbers) != count or not all(math.isfinite(n) for n in numbers):
        raise wrong_member(name, value, f"{count} numbers, one for each axis")
    return numbers


def _number(value: Any) -> float:
    """Return a number, or the text of one, as a float; nan for anything else."""
    try:
        return float(value) if _is_number(value) or isinstance(value, str) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())
