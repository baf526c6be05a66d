"""Permission for web pages of other origins (CORS), on every answer: errors, 304 and preflights too."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

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
    """Headers that let web pages of other origins read answers.

    Every answer has to have them; a browser takes one without them for a failure of the network.

    Parameters
    ----------
    origins : collection of str
        Origins of the pages (``https://viewer.org``); ``*`` for all. None may read if it is empty.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def __call__(self, scope: Scope, headers: MutableHeaders) -> None:
        """Add them to those of the answer to a request."""
        if EVERY in self._origins:
            headers["Access-Control-Allow-Origin"] = EVERY
        else:
            headers.add_vary_header("Origin")  # also without one: a shared cache may have the answer for others
            origin = Headers(scope=scope).get("origin", "") if self._origins else ""
            if origin not in self._origins:
                return
            headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED


class Preflights:
    """Layer that answers ``OPTIONS``, without a token and for any path.

    Parameters
    ----------
    app : ASGI application
        Gets all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        await (_preflight(scope) if is_preflight else self._app)(scope, receive, send)


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
