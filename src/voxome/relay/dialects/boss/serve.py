"""Starlette routes of the dialect: callers, bodies, threads, errors."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.errors import AccessDenied
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.downsampler import Downsampler
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.handlers import Handler, LookUp, Upload
from voxome.relay.dialects.boss.routes import ROUTES
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.http import identify, read_body
from voxome.relay.look_ups import Abandoned, LookUps
from voxome.relay.no_route import allowed
from voxome.relay.request_errors import NOT_KEPT, RETRY, RequestError, log_failure
from voxome.relay.threads import RequestThreads

_LARGEST_DOCUMENT_BYTES = 2**20
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
"""Headers of answers, which may be another caller's refusal."""
_SLASHES = re.compile("/+")


def boss_app(boss: BossState, downsampler: Downsampler, threads: RequestThreads, look_ups: LookUps) -> Starlette:
    """Return BossDB's API as an ASGI application, whose handlers run in `threads`, and look-ups in their own."""
    server = _Server(boss, downsampler, threads, look_ups)
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
    look_ups: LookUps

    def endpoint(self, handler: Handler | LookUp | Upload) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                response = await self._answer(request, handler)
            except Exception as error:
                return error_response(error, request)
            for name, value in _PRIVATE.items():
                response.headers.setdefault(name, value)
            return response

        return respond

    async def _answer(self, request: Request, handler: Handler | LookUp | Upload) -> Response:
        run, headers = self.threads.run, request.headers
        caller = await identify(request, self.boss.accounts, self.threads)
        if not caller.name and request.method not in ("GET", "HEAD"):
            raise AccessDenied("Authentication credentials were not provided.")
        call = Call(self.boss, self.downsampler, caller, request.path_params, request.query_params, headers)
        if isinstance(handler, Upload):
            expected = await run(handler.expect, call)
            return await run(expected.receive, await read_body(request, expected.most_bytes))
        call = replace(call, body=await read_body(request, _LARGEST_DOCUMENT_BYTES))
        if isinstance(handler, LookUp):
            return await self._look_up(request, handler, call)
        return await run(handler, call)

    async def _look_up(self, request: Request, handler: LookUp, call: Call) -> Response:
        """Run a look-up in a pool of its own, and end it when the client leaves."""
        try:
            return await self.look_ups.run(request, lambda gone: handler.handle(replace(call, gone=gone)))
        except Abandoned:
            return Response(status_code=499)  # for the log: the client has left


def error_response(error: Exception, request: Request) -> Response:
    """Return the JSON of an error as BossDB sends it; no cache keeps it."""
    refused = _refusal(error, request)
    headers = _PRIVATE | NOT_KEPT
    if refused.status == 401:
        headers |= {"WWW-Authenticate": "Token"}
    if refused.status == 503:
        headers |= RETRY
    return JSONResponse(refused.to_json(), refused.status, headers)


_CODES = {
    400: Code.INVALID_CUTOUT_ARGS, 401: Code.MISSING_PERMISSION, 403: Code.MISSING_PERMISSION,
    404: Code.RESOURCE_NOT_FOUND, 409: Code.INVALID_STATE, 412: Code.INVALID_STATE, 413: Code.REQUEST_TOO_LARGE,
}  # fmt: skip
"""BossDB's codes of the errors that all dialects have in common, by status."""


def _refusal(error: Exception, request: Request) -> Refused:
    if isinstance(error, Refused):
        return error
    shown = RequestError.of(error)
    log_failure(request, error, shown.status)
    status = 401 if isinstance(error, AccessDenied) else shown.status
    return Refused(_CODES.get(status, Code.UNHANDLED_EXCEPTION), shown.message, status)


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
    headers = allowed(request, request.app.routes) if refused.status == 405 else {}
    return JSONResponse(refused.to_json(), refused.status, NOT_KEPT | headers)
