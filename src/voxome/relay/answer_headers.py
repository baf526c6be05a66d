"""Headers that answers get, whatever made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AddHeaders = Callable[[Scope, MutableHeaders], None]
"""Adds headers to those of the answer to a request."""


class AnswerHeaders:
    """Layer that adds headers to every answer: one for all who have some to add, as each layer costs time.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    rules : sequence of function
        What is added.
    """

    def __init__(self, app: ASGIApp, rules: Sequence[AddHeaders]) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for add in self._rules:
                    add(scope, headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
