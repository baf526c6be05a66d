"""Which web pages may show pages of the relay in a frame, where clicks could be led to what people do not see."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxome.relay.cors import EVERY

_PAGE = "text/html"


class Frames:
    """Layer that adds ``frame-ancestors`` to the policy of every page; other answers stay as they are.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    ancestors : collection of str
        Origins of pages that may show it, beside its own; ``*`` for all.
    """

    def __init__(self, app: ASGIApp, ancestors: Collection[str]) -> None:
        self._app, self._everybody = app, EVERY in ancestors  # whose origins may have other schemes than http
        self._policy = " ".join(["frame-ancestors", "'self'", *ancestors])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._everybody:
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith(_PAGE):
                    headers.append("Content-Security-Policy", self._policy)
            await send(message)

        await self._app(scope, receive, send_with_policy)
