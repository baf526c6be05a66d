"""The end of a server: it is ready no longer, streams of events end, and requests under way are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxome.relay.refusals import refusal_body


class Stopping:
    """Whether the server of this process is stopping. It begins once, and never ends."""

    def __init__(self) -> None:
        self.has_begun = False
        self._actions: set[Callable[[], None]] = set()

    def begin(self) -> None:
        """Say that the server is stopping; it may be called from any thread, or by a signal."""
        self.has_begun = True
        for action in list(self._actions):
            action()

    def add(self, action: Callable[[], None]) -> None:
        """Call `action` when the server begins to stop, at once if it has begun."""
        self._actions.add(action)
        if self.has_begun:
            action()

    def discard(self, action: Callable[[], None]) -> None:
        """Do not call `action` any more."""
        self._actions.discard(action)


class AnswerInterrupted:
    """Layer that answers 503 to a request whose time ends with that of the server, which otherwise would be 500.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def send_noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except asyncio.CancelledError:
            if is_answered or scope["type"] != "http":
                raise
            headers = {"Cache-Control": "no-store", "Retry-After": "1", "Connection": "close"}
            body, media_type = refusal_body(scope["path"], 503, "the server stops; repeat the request")
            await Response(body, 503, headers, media_type)(scope, receive, send)


class EventStream(StreamingResponse):
    """A stream of events, which ends when the client leaves or the server begins to stop; no proxy collects it.

    Parameters
    ----------
    stopping : Stopping
        Whether the server is stopping.
    events : async iterator of str
        The events, as text.
    """

    media_type = "text/event-stream"

    def __init__(self, stopping: Stopping, events: AsyncIterator[str]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop, streaming = asyncio.get_running_loop(), asyncio.ensure_future(super().__call__(scope, receive, send))

        def end() -> None:
            loop.call_soon_threadsafe(streaming.cancel)

        self._stopping.add(end)
        try:
            await streaming
        except asyncio.CancelledError:
            streaming.cancel()
            if not self._stopping.has_begun:
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._stopping.discard(end)
