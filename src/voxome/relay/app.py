"""A relay as an ASGI application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.relay.dialects.boss.serve import no_route, routes
from voxome.relay.downsample import Downsampler
from voxome.relay.relay import Relay

_SLASHES = re.compile("/+")


def application(relay: Relay, *, allow_origins: Sequence[str] = ()) -> Starlette:
    """The ASGI application that serves `relay`.

    Parameters
    ----------
    relay : Relay
        What is served.
    allow_origins : sequence of str
        Web pages that browsers may let read it (``*`` for all), for viewers.
    """
    middleware = [Middleware(TidyPath)]
    if allow_origins:
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=allow_origins, allow_methods=["*"], allow_headers=["*"])
        )
    downsampler = Downsampler(relay)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(downsampler.close)

    return Starlette(
        routes=[Route("/ping", _ping), *routes(relay, downsampler)],
        middleware=middleware,
        exception_handlers={404: no_route, 405: no_route},
        lifespan=life,
    )


class TidyPath:
    """Take ``/v1//coord/`` for ``/v1/coord``, and ``latest`` for the version that there is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
            scope = {**scope, "path": re.sub("^/latest(?=/|$)", "/v1", path)}
        await self._app(scope, receive, send)


async def _ping(request: Request) -> Response:
    return JSONResponse({"ip": request.client.host if request.client else None})
