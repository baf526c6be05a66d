"""Requests, responses and error responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import Field, TypeAdapter, ValidationError
from starlette.responses import Response

T = TypeVar("T")

Ids = list[Annotated[int, Field(ge=0, lt=1 << 64)]]
"""Label ids in the body of a request."""
Xyz = tuple[int, int, int]
"""Point, offset, size or block coordinates: x, y, z, in DVID's order."""


class Refusal(Exception):
    """Error response.

    Parameters
    ----------
    message : str
        Text of the response; empty for one without a body.
    status : int
        HTTP status.
    bare : bool
        Whether to send the message without the path.
    """

    def __init__(self, message: str = "", status: int = 400, *, bare: bool = False) -> None:
        super().__init__(message)
        self.message, self.status, self.bare = message, status, bare

    def response(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response to a request for `path`."""
        text = self.message if self.bare or not self.message else f"{self.message} ({path})."
        content = f"{text}\n" if text else ""
        return Response(content, self.status, headers, media_type="text/plain")


class ServerEnded(Exception):
    """The real server's process ends at such a request."""


def empty_not_found() -> Refusal:
    """Return a 404 without a body, as label look-ups send."""
    return Refusal(status=404)


def not_found() -> Refusal:
    """Return the 404 of the router for an unknown path."""
    return Refusal("404 page not found", 404, bare=True)


@dataclass(frozen=True)
class Call:
    """Request; ``parts`` are the parts of its path that are not routed yet."""

    method: str
    path: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    is_admin: bool = False

    def check_admin(self, what: str) -> None:
        """Raise `Refusal` unless the caller is an administrator."""
        if not self.is_admin:
            raise Refusal(f"{what} requires admin privileges (admintoken or DSG admin)")

    def flag(self, name: str, *words: str) -> bool:
        """Return whether a query parameter is ``true`` or one of `words`."""
        return self.query.get(name) in {"true", *words}

    def option(self, name: str, default: int) -> int:
        """Parse a query parameter as an integer."""
        return signed(self.query[name]) if self.query.get(name) else default

    def part(self, index: int, missing: str = "too few parts in the path") -> str:
        """Return a part of the path; raises `Refusal` if it is missing."""
        if index >= len(self.parts) or not self.parts[index]:
            raise Refusal(missing)
        return self.parts[index]

    def number(self, index: int) -> int:
        """Parse a part of the path as an unsigned integer."""
        return unsigned(self.part(index))

    def label(self, index: int = 1) -> int:
        """Parse a part of the path as a label other than the background."""
        found = self.number(index)
        if not found:
            raise Refusal("Label 0 is protected background value and cannot be queried as body.\n")
        return found

    def check_hash(self) -> None:
        """Raise `Refusal` if the query has another MD5 sum than the body."""
        expected, found = self.query.get("hash"), md5(self.body, usedforsecurity=False).hexdigest()
        if expected and expected != found:
            raise Refusal(f'content hash incorrect.  expected "{expected}", got "{found}"')

    def json(self, shape: type[T], prefix: str = "") -> T:
        """Parse the body as a type such as ``list[int]``, as strictly as Go's parser and with similar messages.

        ``null`` is an empty list or object.
        """
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Refusal(prefix + _parse_error(self.body, error)) from None
        if value is None:
            return (get_origin(shape) or shape)()
        try:
            return TypeAdapter(shape).validate_json(self.body, strict=True)
        except ValidationError as error:
            problem = error.errors()[0]
            where = "".join(f"[{step}]" for step in problem["loc"])
            raise Refusal(f"{prefix}json: cannot unmarshal body{where}: {problem['msg']}") from None

    def config(self, prefix: str = "Malformed JSON request in body: ") -> dict[str, Any]:
        """Parse the body as options; an empty body has none."""
        return self.json(dict[str, Any], prefix) if self.body else {}

    def points(self, prefix: str = "") -> list[Xyz]:
        """Parse the body as points; as in Go, missing coordinates are 0 and further ones are ignored."""
        points = self.json(list[list[int]], prefix)
        return [(x, y, z) for x, y, z in ([*at, 0, 0, 0][:3] for at in points)]

    @property
    def author(self) -> tuple[str, str]:
        """User and application of a change."""
        return self.query.get("u", ""), self.query.get("app", "")


def log_lines(call: Call) -> list[str]:
    """Return the lines that a request adds to a log."""
    payload = call.json(dict[str, list[str]], "Malformed JSON request in body: ") if call.body else {}
    if "log" not in payload:
        raise Refusal("Could not find 'log' value in POSTed JSON.")
    return payload["log"]


def _parse_error(body: bytes, error: ValueError) -> str:
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    rest = body.decode(errors="replace")[at:].strip()
    return f"invalid character '{rest[0]}' looking for beginning of value" if rest else "unexpected end of JSON input"


def unsigned(text: str) -> int:
    """Parse an unsigned integer."""
    if not text.isascii() or not text.isdigit():
        raise Refusal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) >> 64:
        raise Refusal(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def point(text: str, separator: str = "_") -> tuple[int, ...]:
    """Parse 32-bit integers separated by `separator`."""
    found = tuple(map(signed, text.split(separator)))
    for n in found:
        if not -(1 << 31) <= n < 1 << 31:
            raise Refusal(f'strconv.ParseInt: parsing "{n}": value out of range')
    return found


def signed(text: str) -> int:
    """Parse an integer."""
    try:
        return int(text)
    except ValueError:
        raise Refusal(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def xyz(text: str) -> Xyz:
    """Parse a point of three coordinates."""
    try:
        x, y, z = point(text)
    except ValueError:
        raise Refusal(f'String "{text}" cannot be converted to a 3d point') from None
    return x, y, z


def json_response(value: Any) -> Response:
    """Return a response with JSON."""
    return Response(json.dumps(value, separators=(",", ":")), media_type="application/json")


def binary_response(content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with bytes."""
    return Response(content, headers=headers, media_type="application/octet-stream")


def empty_response() -> Response:
    """Return a successful response without a body."""
    return Response()
