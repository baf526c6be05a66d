"""Answers that are files: what they have, and their headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from starlette.responses import Response

_YEAR_S = 31_536_000


class Answer(Protocol):
    """A file, stored or computed."""

    @property
    def media_type(self) -> str:
        """Its type, such as ``application/json``."""

    @property
    def immutable(self) -> bool:
        """Whether its URL has a version, so that caches may keep it without a question."""

    @property
    def etag(self) -> str:
        """Validator, with quotes."""

    @property
    def known_etag(self) -> str | None:
        """The validator if it is known without a read of the store, else None."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def respond(self, part: range, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response with a part of its bytes."""


def whole_response(file: Answer, *, public: bool) -> Response:
    """Return the answer to GET without conditions, which may be sent many times.

    Parameters
    ----------
    file : Answer
        The file.
    public : bool
        Whether everybody may read it.
    """
    headers = cache_headers(file.etag, public=public, immutable=file.immutable)
    length = {"Accept-Ranges": "bytes", "Content-Length": str(file.size)}
    return file.respond(range(file.size), 200, headers | length)


def cache_headers(etag: str | None, *, public: bool, immutable: bool = False) -> dict[str, str]:
    """Return the headers by which caches keep a file; without an ETag if it is not known."""
    reach = "public" if public else "private"
    lifetime = f"max-age={_YEAR_S}, immutable" if immutable else "no-cache"
    vary = {} if public else {"Vary": "Authorization, Cookie"}
    validator = {} if etag is None else {"ETag": etag}
    return {**validator, "Cache-Control": f"{reach}, {lifetime}", **vary}
