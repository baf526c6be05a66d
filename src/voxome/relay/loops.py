"""A relay refuses requests that have come through itself."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.relay.refusals import refusal_body
from voxome.storage.hops import HEADER, MOST, parse_hops, through


class RefuseLoops:
    """ASGI middleware that answers 508 to a request that has come through this relay, or through too many.

    Relays name themselves in a header of their own; other proxies between them do not count.

    Parameters
    ----------
    app : ASGI application
        What it wraps.
    instance : str
        Id of this relay, the same in all its processes.
    """

    def __init__(self, app: ASGIApp, instance: str) -> None:
        self._app, self._instance = app, instance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        before = parse_hops(Headers(scope=scope).get(HEADER, ""))
        if self._instance in before or len(before) >= MOST:
            reason = "this relay reads from itself" if self._instance in before else f"more than {MOST} relays in a row"
            body, media_type = refusal_body(scope["path"], 508, f"{reason}; check the URIs of its sources")
            await Response(body, 508, {"Cache-Control": "no-store"}, media_type)(scope, receive, send)
            return
        with through([*before, self._instance]):
            await self._app(scope, receive, send)
