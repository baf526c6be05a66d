"""Starlette routes of the dialect: callers, bodies, threads, errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.errors import AccessDenied, NotFound
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.downsample import Downsampler
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.routes import ROUTES, Handler
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.http import RETRY, TooLarge, identify, read_body
from voxome.relay.sources import SourceLoop, SourceUnavailable
from voxome.relay.threads import RequestThreads

_LARGEST_DOCUMENT_BYTES = 2**20
_CUTOUTS = "/v1/cutout/"
_SLASHES = re.compile("/+")
_LOG = logging.getLogger(__name__)


def boss_app(boss: BossState, downsampler: Downsampler, threads: RequestThreads) -> Starlette:
    """Return BossDB's API as an ASGI application, whose handlers run in `threads`."""
    server = _Server(boss, downsampler, threads)
    routes = [Route("/ping", _ping)]
    routes += [
        Route(path, server.endpoint(handler), methods=[method])
        for path, methods in ROUTES.items()
        for method, handler in methods.items()
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_NormalizePath)],
        exception_handlers={404: _no_route, 405: _no_route},
    )


@dataclass(frozen=True)
class _Server:
    boss: BossState
    downsampler: Downsampler
    threads: RequestThreads

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                call = await self._call(request)
                return await self.threads.run(handler, call)
            except AccessDenied as denied:
                return JSONResponse({"detail": str(denied)}, 401, {"WWW-Authenticate": "Token"})
            except Exception as error:
                refused = _refusal(error, request)
                return JSONResponse(refused.to_json(), refused.status, RETRY if refused.status == 503 else None)

        return respond

    async def _call(self, request: Request) -> Call:
        headers = request.headers
        caller = await identify(request, self.boss.accounts, self.threads)
        if not caller.name and request.method not in ("GET", "HEAD"):
            raise AccessDenied("Authentication credentials were not provided.")
        has_voxels = request.url.path.startswith(_CUTOUTS)
        limit = self.boss.largest_cutout_bytes * 4 if has_voxels else _LARGEST_DOCUMENT_BYTES
        body = await read_body(request, limit)
        return Call(self.boss, self.downsampler, caller, request.path_params, request.query_params, headers, body)


def _refusal(error: Exception, request: Request) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, TooLarge):
        return Refused(Code.REQUEST_TOO_LARGE, str(error))
    if isinstance(error, NotFound):
        return Refused(Code.RESOURCE_NOT_FOUND, str(error))
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    if isinstance(error, SourceLoop):
        return Refused(Code.UNHANDLED_EXCEPTION, str(error), 508)
    if isinstance(error, SourceUnavailable):
        return Refused(Code.UNHANDLED_EXCEPTION, str(error), 503)
    return Refused(Code.UNHANDLED_EXCEPTION, "internal error; see the log of the server")


class _NormalizePath:
    """Take ``/v1//coord/`` for ``/v1/coord``, and ``latest`` for the only version."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
            scope = {**scope, "path": re.sub("^/latest(?=/|$)", "/v1", path)}
        await self._app(scope, receive, send)


async def _ping(request: Request) -> Response:
    return JSONResponse({"ip": request.client.host if request.client else None})


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer a path that no route matches, or a method that it does not take."""
    status = getattr(error, "status_code", 404)
    version = request.url.path.split("/")[1]
    if status == 404 and version[:1] == "v" and version[1:2].isdigit() and version != "v1":
        refused = Refused(Code.UNSUPPORTED_VERSION, f"Unsupported API version {version}; v1 is served")
    else:
        message = f"{request.method} {request.url.path} is not part of the API"
        refused = Refused(Code.INVALID_REQUEST, message, status)
    return JSONResponse(refused.to_json(), refused.status)
