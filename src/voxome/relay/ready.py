"""Requests that need no thread, answered before routes are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@runtime_checkable
class SupportsReadyAnswers(Protocol):
    """A dialect that has some answers ready, so that nothing must be waited for."""

    @property
    def prefix(self) -> str:
        """What its paths begin with, such as ``/zarr``."""

    async def ready(self, request: Request) -> Response | None:
        """Return the answer to GET, the same as that of its route; None if it is not ready, or an error."""


class ReadyAnswers:
    """Layer that sends the answers which dialects have ready; all other requests take the ordinary way.

    Parameters
    ----------
    app : ASGI application
        The ordinary way.
    dialects : iterable
        Those with the ability `SupportsReadyAnswers` count.
    """

    def __init__(self, app: ASGIApp, dialects: Iterable[Any]) -> None:
        self._app = app
        self._dialects = {one.prefix: one for one in dialects if isinstance(one, SupportsReadyAnswers)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            dialect = self._dialects.get(scope["path"][: scope["path"].find("/", 1)])
            response = None if dialect is None else await dialect.ready(Request(scope))
            if response is not None:
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
