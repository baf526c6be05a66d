"""What a request carries, and the answers and refusals that it can get."""

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
"""Ids of labels in the body of a request."""
Xyz = tuple[int, int, int]
"""A point, an offset, a size or a block's place: x, y, z, as DVID writes them."""


class Refusal(Exception):
    """An answer that is not a success.

    Parameters
    ----------
    message : str
        What the server says; empty for an answer without a body.
    status : int
        The HTTP status.
    bare : bool
        Say the message as it is, without the path.
    """

    def __init__(self, message: str = "", status: int = 400, *, bare: bool = False) -> None:
        super().__init__(message)
        self.message, self.status, self.bare = message, status, bare

    def answer(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """What is sent for a request of that path."""
        text = self.message if self.bare or not self.message else f"{self.message} ({path})."
        content = f"{text}\n" if text else ""
        return Response(content, self.status, headers, media_type="text/plain")


def absent() -> Refusal:
    """A 404 that says nothing, as the label look-ups give."""
    return Refusal(status=404)


def not_found() -> Refusal:
    """What the router says of a path that it does not know."""
    return Refusal("404 page not found", 404, bare=True)


@dataclass(frozen=True)
class Call:
    """One request: ``parts`` are the pieces of its path behind what the router has used up."""

    method: str
    path: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    is_admin: bool = False

    def check_admin(self, what: str) -> None:
        """Refuse who is not an administrator."""
        if not self.is_admin:
            raise Refusal(f"{what} requires admin privileges (admintoken or DSG admin)")

    def flag(self, name: str, *words: str) -> bool:
        """Whether an option of the query is ``true``, or one of other words."""
        return self.query.get(name) in {"true", *words}

    def option(self, name: str, default: int) -> int:
        """An option of the query that must be an integer."""
        return signed(self.query[name]) if self.query.get(name) else default

    def part(self, index: int, missing: str = "too few parts in the path") -> str:
        """A piece of the path, refused where there is none."""
        if index >= len(self.parts) or not self.parts[index]:
            raise Refusal(missing)
        return self.parts[index]

    def number(self, index: int) -> int:
        """A piece of the path that must be an unsigned integer."""
        return unsigned(self.part(index))

    def label(self, index: int = 1) -> int:
        """A piece of the path that must be the id of a label, not of the background."""
        found = self.number(index)
        if not found:
            raise Refusal("Label 0 is protected background value and cannot be queried as body.\n")
        return found

    def check_hash(self) -> None:
        """Refuse a body of which the query tells another MD5 sum."""
        told, found = self.query.get("hash"), md5(self.body, usedforsecurity=False).hexdigest()
        if told and told != found:
            raise Refusal(f'content hash incorrect.  expected "{told}", got "{found}"')

    def json(self, shape: type[T], prefix: str = "") -> T:
        """Parse the body to values of a shape such as ``list[int]``, as strict as Go's parser and worded alike.

        ``null`` is an empty list or object.
        """
        try:
            told = json.loads(self.body)
        except ValueError as error:
            raise Refusal(prefix + _complaint(self.body, error)) from None
        if told is None:
            return (get_origin(shape) or shape)()
        try:
            return TypeAdapter(shape).validate_json(self.body, strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            where = "".join(f"[{step}]" for step in fault["loc"])
            raise Refusal(f"{prefix}json: cannot unmarshal body{where}: {fault['msg']}") from None

    def config(self, prefix: str = "Malformed JSON request in body: ") -> dict[str, Any]:
        """Parse the body to options; none where there is no body."""
        return self.json(dict[str, Any], prefix) if self.body else {}

    def points(self, prefix: str = "") -> list[Xyz]:
        """Parse the body to points; as in Go, missing coordinates are 0 and further ones are not looked at."""
        points = self.json(list[list[int]], prefix)
        return [(x, y, z) for x, y, z in ([*at, 0, 0, 0][:3] for at in points)]

    @property
    def author(self) -> tuple[str, str]:
        """User and application that a change is to be booked on."""
        return self.query.get("u", ""), self.query.get("app", "")


def log_lines(call: Call) -> list[str]:
    """The lines that a request adds to a log."""
    told = call.json(dict[str, list[str]], "Malformed JSON request in body: ") if call.body else {}
    if "log" not in told:
        raise Refusal("Could not find 'log' value in POSTed JSON.")
    return told["log"]


def _complaint(body: bytes, error: ValueError) -> str:
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    rest = body.decode(errors="replace")[at:].strip()
    return f"invalid character '{rest[0]}' looking for beginning of value" if rest else "unexpected end of JSON input"


def unsigned(text: str) -> int:
    """Read an unsigned integer."""
    if not text.isascii() or not text.isdigit():
        raise Refusal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) >> 64:
        raise Refusal(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def point(text: str, separator: str = "_") -> tuple[int, ...]:
    """Read integers of 32 bits with a separator between them."""
    found = tuple(map(signed, text.split(separator)))
    for n in found:
        if not -(1 << 31) <= n < 1 << 31:
            raise Refusal(f'strconv.ParseInt: parsing "{n}": value out of range')
    return found


def signed(text: str) -> int:
    """Read an integer."""
    try:
        return int(text)
    except ValueError:
        raise Refusal(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def xyz(text: str) -> Xyz:
    """Read a point of three coordinates."""
    try:
        x, y, z = point(text)
    except ValueError:
        raise Refusal(f'String "{text}" cannot be converted to a 3d point') from None
    return x, y, z


def as_json(value: Any) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(value, separators=(",", ":")), media_type="application/json")


def octets(content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with bytes."""
    return Response(content, headers=headers, media_type="application/octet-stream")


def done() -> Response:
    """Answer that it is done, in no words."""
    return Response()
