"""What is made of a server's JSON, or the error that says that nothing can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from voxome.errors import CorruptData
from voxome.remotes.http import message_text

T = TypeVar("T")
Read = Callable[[Any], T]


def understood(answer: httpx.Response, read: Read[T]) -> T:
    """What `read` makes of the JSON of an answer.

    Raises
    ------
    CorruptData
        If it is no JSON, or not such as `read` takes.
    """
    try:
        return read(json.loads(answer.content))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        text = message_text(answer)
        raise CorruptData(
            f"{answer.request.method} {answer.url.path} answered what voxome does not understand: {text} ({error!r})"
        ) from error


def texts(said: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(said, list) or not all(isinstance(text, str) for text in said):
        raise ValueError("a list of texts was expected")
    return said


def text(said: Any) -> str:
    """A text that is not empty."""
    if not isinstance(said, str) or not said:
        raise ValueError("a text was expected")
    return said


def flag(said: Any) -> bool:
    """True or false."""
    if not isinstance(said, bool):
        raise TypeError("true or false was expected")
    return said


def flags(said: Any) -> list[bool]:
    """A list of true and false."""
    if not isinstance(said, list):
        raise TypeError("a list of true and false was expected")
    return [flag(one) for one in said]
