"""Parsing of the server's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from voxome.errors import CorruptData
from voxome.remotes.http import message_text

T = TypeVar("T")
Parser = Callable[[Any], T]


def parse_json(response: httpx.Response, parse: Parser[T]) -> T:
    """Return what `parse` makes of the JSON of a response.

    Raises
    ------
    CorruptData
        If the body is not JSON, or `parse` does not accept it.
    """
    try:
        return parse(json.loads(response.content))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        request, text = f"{response.request.method} {response.url.path}", message_text(response)
        raise CorruptData(f"unexpected response to {request}: {text} ({error!r})") from error


def parse_strings(value: Any) -> list[str]:
    """Return a list of strings unchanged, or raise `ValueError`."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of strings was expected")
    return value


def parse_string(value: Any) -> str:
    """Return a non-empty string unchanged, or raise `ValueError`."""
    if not isinstance(value, str) or not value:
        raise ValueError("a string was expected")
    return value


def parse_bool(value: Any) -> bool:
    """Return a boolean unchanged, or raise `TypeError`."""
    if not isinstance(value, bool):
        raise TypeError("true or false was expected")
    return value


def parse_bools(value: Any) -> list[bool]:
    """Return a list of booleans unchanged, or raise `TypeError`."""
    if not isinstance(value, list):
        raise TypeError("a list of booleans was expected")
    return [parse_bool(item) for item in value]
