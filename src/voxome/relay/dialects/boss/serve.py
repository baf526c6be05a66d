"""The dialect as Starlette routes: who calls, bodies, threads, errors."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voxome.errors import AccessDenied, NotFound
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.routes import ROUTES, Handler
from voxome.relay.downsample import Downsampler
from voxome.relay.relay import Relay

_LARGEST_DOCUMENT_BYTES = 2**20
_VOXELS = "/v1/cutout/"
_LOG = logging.getLogger(__name__)


def routes(relay: Relay, downsampler: Downsampler) -> list[Route]:
    """The routes of BossDB's API over `relay`; handlers run in threads of their own."""
    threads = anyio.CapacityLimiter(max(8, 2 * (os.cpu_count() or 1)))
    server = _Server(relay, downsampler, threads)
    return [
        Route(path, server.endpoint(handler), methods=[method])
        for path, methods in ROUTES.items()
        for method, handler in methods.items()
    ]


@dataclass(frozen=True)
class _Server:
    relay: Relay
    downsampler: Downsampler
    threads: anyio.CapacityLimiter

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                call = await self._call(request)
                return await anyio.to_thread.run_sync(handler, call, limiter=self.threads)
            except AccessDenied as denied:
                return JSONResponse({"detail": str(denied)}, 401, {"WWW-Authenticate": "Token"})
            except Exception as error:
                refused = _refusal(error, request)
                return JSONResponse(refused.document(), refused.status)

        return answer

    async def _call(self, request: Request) -> Call:
        relay, headers = self.relay, request.headers
        who = headers.get("authorization", "")
        caller = await anyio.to_thread.run_sync(relay.access.caller, who, limiter=self.threads)
        if not caller.name and request.method not in ("GET", "HEAD"):
            raise AccessDenied("Authentication credentials were not provided.")
        voxels = request.url.path.startswith(_VOXELS)
        body = await _body(request, relay.largest_cutout_bytes * 4 if voxels else _LARGEST_DOCUMENT_BYTES)
        return Call(relay, self.downsampler, caller, request.path_params, request.query_params, headers, body)


def _refusal(error: Exception, request: Request) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotFound):
        return Refused(Code.RESOURCE_NOT_FOUND, str(error))
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Refused(Code.UNHANDLED_EXCEPTION, "the server failed; its log says why")


async def _body(request: Request, limit: int) -> bytearray:
    announced = request.headers.get("content-length", "0")
    body = bytearray()
    if not announced.isdigit() or int(announced) > limit:
        raise Refused(Code.REQUEST_TOO_LARGE, f"a body of {announced} bytes is more than {limit}")
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise Refused(Code.REQUEST_TOO_LARGE, f"the body is over {limit} bytes")
    return body


async def no_route(request: Request, error: Exception) -> Response:
    """Answer a path that no route matches, or a method that it does not take."""
    status = getattr(error, "status_code", 404)
    version = request.url.path.split("/")[1]
    if status == 404 and version[:1] == "v" and version[1:2].isdigit() and version != "v1":
        refused = Refused(Code.UNSUPPORTED_VERSION, f"Unsupported API version {version}; v1 is served")
    else:
        message = f"{request.method} {request.url.path} is nothing that is served"
        refused = Refused(Code.INVALID_REQUEST, message, status)
    return JSONResponse(refused.document(), refused.status)
