"""What the page sends: JSON objects, and its own address."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from voxome.errors import InvalidInput

MOST_DEPTH = 100
"""Lists and objects inside each other, of which even the states of large scenes have far fewer."""

_MOST_DIGITS = 20
_BASE = re.compile(r"https?://[^\s\"'<>\\{};]+/")


def json_object(body: bytearray) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises
    ------
    InvalidInput
        If it is something else, is nested more than `MOST_DEPTH` deep, or has numbers or texts that JSON in UTF-8
        cannot hold: NaN, infinity, halves of surrogate pairs; or an integer of more than 64 bits.
    """
    try:
        value = json.loads(bytes(body), parse_int=_parse_int)
        _require_depth(value)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput("the body is not a JSON object")
    return value


def _parse_int(text: str) -> int:
    """Return an integer that databases and arrays hold; ids, which may be larger, are texts."""
    if len(text) > _MOST_DIGITS or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError("an integer of more than 64 bits")
    return number


def _require_depth(value: Any) -> None:
    """Refuse values that are nested too deep for what walks through them."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [one for one in level if isinstance(one, list | dict)]
        if not level:
            return
        level = [one for outer in level for one in (outer.values() if isinstance(outer, dict) else outer)]
    raise InvalidInput(f"the JSON is nested more than {MOST_DEPTH} deep")


def base_of(request: Request) -> str:
    """Return the address of the relay as the page knows it, with a slash at the end.

    Raises
    ------
    InvalidInput
        If it is no such address.
    """
    base = request.query_params.get("base") or str(request.base_url)
    if _BASE.fullmatch(base) is None:
        raise InvalidInput("base is not the address of a server; expected http(s)://HOST/ with a slash at the end")
    return base
