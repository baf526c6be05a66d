"""What the page sends: JSON objects, and its own address."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from voxome.errors import InvalidInput

_BASE = re.compile(r"https?://[^\s\"'<>\\{};]+/")


def json_object(body: bytearray) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    try:
        value = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput("the body is not a JSON object")
    return value


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
