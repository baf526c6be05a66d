"""Permission for web pages of other origins (CORS), on every answer: errors, 304 and preflights too."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EVERY = "*"
"""The origin that stands for all."""

_METHODS = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"
_SENT = (
    "accept", "accept-language", "authorization", "cache-control", "content-encoding", "content-language",
    "content-md5", "content-type", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
    "range", "x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length", "x-amz-security-token",
    "x-amz-user-agent",
)  # fmt: skip
"""Headers that pages may send; a preflight may name others."""
_SHOWN = (
    "accept-ranges", "age", "cache-control", "cache-status", "content-encoding", "content-length", "content-range",
    "content-type", "date", "etag", "last-modified", "location", "retry-after", "www-authenticate",
    "x-amz-bucket-region", "x-amz-checksum-crc32", "x-amz-delete-marker", "x-amz-request-id", "x-amz-version-id",
)  # fmt: skip
"""Headers of an answer that scripts of a page see."""
_EXPOSED = ", ".join(_SHOWN)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DAY_S = 86400


class Cors:
    """Layer around an application that lets web pages of other origins read its answers.

    It is outside everything else that makes answers; a browser takes an answer without its headers for a failure of
    the network. ``OPTIONS`` is answered here, without a token and for any path.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    origins : collection of str
        Origins of the pages (``https://viewer.org``); ``*`` for all. None may read if it is empty.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._permit(MutableHeaders(scope=message), origin)
            await send(message)

        if scope["method"] == "OPTIONS":
            await _preflight(scope)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _permit(self, headers: MutableHeaders, origin: str) -> None:
        if EVERY in self._origins:
            headers["Access-Control-Allow-Origin"] = EVERY
        else:
            headers.add_vary_header("Origin")  # also without one: a shared cache may have the answer for others
            if origin not in self._origins:
                return
            headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED


def _preflight(scope: Scope) -> Response:
    """Return the answer to ``OPTIONS``: methods, and headers that may be sent."""
    requested = Headers(scope=scope).get("access-control-request-headers", "").lower().split(",")
    allowed = {*_SENT, *(name for one in requested if _TOKEN.fullmatch(name := one.strip()))}
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": ", ".join(sorted(allowed)),
            "Access-Control-Max-Age": str(_DAY_S),
            "Vary": "Access-Control-Request-Headers",
        },
    )
