"""Paths are routed as they were sent: what escapes hide is refused before routes, rights and sources see it."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.relay.refusals import refusal_body


class RawPaths:
    """Layer that answers 404 where decoding would change the parts of a path.

    A server decodes the whole path before it is routed: ``a%2Fb`` would become two parts, ``%2e%2e`` the folder above.
    Nothing that a relay serves has such a name.

    Parameters
    ----------
    app : ASGI application
        Gets all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path")
        if scope["type"] == "http" and raw is not None and not is_plain(raw):
            message = "no resource has this path: it has a NUL, a part . or .., or an escaped slash, or is not UTF-8"
            body, media_type = refusal_body(raw.decode("latin-1"), 404, message)
            await Response(body, 404, {"Cache-Control": "no-store"}, media_type)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_plain(raw_path: bytes) -> bool:
    """Return whether each part of a path, decoded once, is text without ``/`` and NUL that names no other folder.

    Examples
    --------
    >>> is_plain(b"/raw/a%20b/+"), is_plain(b"/raw/a%2Fb"), is_plain(b"/raw/..%2fb"), is_plain(b"/raw/%2e%2e/b")
    (True, False, False, False)
    """
    path = raw_path.partition(b"?")[0]
    if b"%" not in path and b"/." not in path and not path.startswith(b"."):
        return True
    parts = path.split(b"/")
    decoded = [unquote_to_bytes(part) for part in parts]
    return not any(part in (b".", b"..") or b"/" in part or b"\0" in part or not _is_text(part) for part in decoded)


def _is_text(part: bytes) -> bool:
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True
