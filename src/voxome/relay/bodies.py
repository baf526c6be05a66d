"""Requests of strangers, before any dialect sees them: the length of what they say, and the time of their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxome.relay.limits import DEFAULT_LIMITS, Limits
from voxome.relay.memory import MemoryBudget
from voxome.relay.refusals import refusal_body

LONGEST_URL = 2**14
"""Bytes of a path with its query."""
_SEPARATORS = len(": \r\n")
"""Bytes of a header beside its name and value."""


class BoundedRequests:
    """Layer that refuses what is too long, and ends requests whose bodies arrive too slowly.

    The status is 414 for the address, 431 for the headers, 408 for a body. An answer to a request whose body was not
    read to its end says that the connection will be closed.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    limits : Limits
        Time, rate and sizes.
    """

    def __init__(self, app: ASGIApp, limits: Limits = DEFAULT_LIMITS) -> None:
        self._app, self._limits = app, limits
        self._memory = MemoryBudget(limits.memory_mib * 2**20)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        with self._memory.request():
            if has_body(Headers(scope=scope)):
                await _TimedBody(self._limits, receive, send).run(self._app, scope)
            else:
                await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > LONGEST_URL:
            return _refuse(scope, 414, f"the address is over {LONGEST_URL} bytes")
        nbytes = sum(len(name) + len(value) + _SEPARATORS for name, value in scope["headers"])
        if nbytes > self._limits.header_kib * 1024:
            return _refuse(scope, 431, f"the headers are over {self._limits.header_kib} KiB")
        return None


def has_body(headers: Mapping[str, str]) -> bool:
    """Return whether a request with these headers has a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _TimedBody:
    """A body that must arrive in time: each byte extends the time left, up to that for which it may pause."""

    def __init__(self, limits: Limits, receive: Receive, send: Send) -> None:
        self._limits, self._receive, self._send = limits, receive, send
        self._left_s = limits.body_s
        self._is_whole = self._is_late = self._is_answered = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run an application with this body, and answer in its place if the body is late."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if not self._is_late or self._is_answered:
                raise
        if self._is_late and not self._is_answered:
            slow = f"{self._limits.body_s:g} s, or {self._limits.least_bytes_per_s} bytes/s"
            late = f"the body did not arrive in time; send it without pauses of {slow}"
            await _refuse(scope, 408, late)(scope, self._receive, self._send)

    async def receive(self) -> Message:
        """Return the next part; the client is taken to have left if it does not arrive in time."""
        if self._is_whole:
            return await self._receive()
        if self._is_late:
            return {"type": "http.disconnect"}
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            self._is_late = True
            return {"type": "http.disconnect"}
        earned = len(message.get("body", b"")) / self._limits.least_bytes_per_s
        self._left_s = min(self._limits.body_s, max(0.0, self._left_s - (clock() - start)) + earned)
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on an answer, unless it is one about a client that has left."""
        if self._is_late and not self._is_answered:
            return
        if message["type"] == "http.response.start":
            self._is_answered = True
            if not self._is_whole:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await self._send(message)


def _refuse(scope: Scope, status: int, message: str) -> Response:
    body, media_type = refusal_body(scope["path"], status, message)
    return Response(body, status, {"Cache-Control": "no-store", "Connection": "close"}, media_type)
