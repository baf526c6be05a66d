"""HTTP helpers for dialects: callers, bodies with a limit, handlers in threads, errors, long responses."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from voxome.errors import AccessDenied, InvalidInput, unknown
from voxome.relay.access_log import note
from voxome.relay.accounts import Accounts, Caller
from voxome.relay.relay import Relay
from voxome.relay.request_errors import FOR_CALLER, NOT_KEPT, RETRY, RequestError, TooLarge, UnfinishedBody, log_failure
from voxome.relay.sessions import header_caller, session_caller, session_cookie
from voxome.relay.source_errors import hold_memory
from voxome.relay.threads import RequestThreads

_SLICE_BYTES = 2**20
_LENGTH = re.compile("[0-9]{1,18}")

Handler = Callable[[Request, Caller, bytearray], Response]
"""Answers a request of a caller, with its body, in a thread."""

Permit = Callable[[Request, Caller], int]
"""Returns how many bytes the body of a request may have, or refuses it."""


def endpoint(
    relay: Relay, limit: int, handler: Handler, permit: Permit | None = None
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that runs `handler` in a thread, and sends errors as JSON.

    No cache keeps an answer of which the handler does not say who may have it. The body is read once the caller is
    known and `permit` has returned.

    Parameters
    ----------
    relay : Relay
        Its accounts identify the caller; its threads run the handler.
    limit : int
        Bytes of the longest body.
    handler : function
        Answers the request.
    permit : function, optional
        Refuses a request, or returns the limit of its body where that is less; it runs in a thread.
    """

    async def respond(request: Request) -> Response:
        caller = Caller()
        try:
            caller = await identify(request, relay.accounts, relay.threads)
            most = limit
            if permit is not None:
                most = min(limit, await relay.threads.run(permit, request, caller))
            body = await read_body(request, most)
            return _for_caller(await relay.threads.run(handler, request, caller, body))
        except Exception as error:
            return error_response(error, request, caller)

    return respond


def _for_caller(response: Response) -> Response:
    """Return an answer that no cache gives to another caller."""
    if "cache-control" not in response.headers:
        response.headers.update(FOR_CALLER)
    return response


async def identify(request: Request, accounts: Accounts, threads: RequestThreads) -> Caller:
    """Return the sender of a request: by the header ``Authorization``, or else by the session of a browser.

    Raises
    ------
    AccessDenied
        If the header is malformed, or its token unknown or expired.
    """
    caller, authorization = Caller(), request.headers.get("authorization", "")
    if authorization:
        caller = await threads.run(header_caller, accounts, authorization, request.method)
    elif cookie := session_cookie(request):
        caller = await threads.run(session_caller, accounts, cookie)
    note(caller=caller.name)
    return caller


def error_response(error: Exception, request: Request, caller: Caller) -> Response:
    """Return the JSON of an error: 401 where a token may help, no details where the server failed.

    No cache keeps it, and where the store of a source fails, clients are to repeat the request.
    """
    shown = RequestError.of(error)
    log_failure(request, error, shown.status)
    if isinstance(error, AccessDenied) and not caller.name:
        return JSONResponse({"message": shown.message}, 401, {"WWW-Authenticate": "Token", **NOT_KEPT})
    return JSONResponse({"message": shown.message}, shown.status, NOT_KEPT | (RETRY if shown.status == 503 else {}))


def require_known(request: Request, *known: str) -> None:
    """Refuse other parameters of the query, such as a misspelt one.

    Raises
    ------
    InvalidInput
        If there is one.
    """
    for name in request.query_params.keys() - set(known):
        raise InvalidInput(unknown("parameter", name[:80], known))


async def read_body(request: Request, limit: int) -> bytearray:
    """Return the body of a request of at most `limit` bytes.

    Raises
    ------
    TooLarge
        If it is longer, or its announced length is; the rest is not read.
    UnfinishedBody
        If the client leaves before its end.
    SourceUnavailable
        If other requests leave too little memory.
    """
    announced = request.headers.get("content-length", "0")
    body = bytearray()
    if _LENGTH.fullmatch(announced) is None or int(announced) > limit:
        raise TooLarge(f"a body of {announced[:40]} bytes is more than {limit}")
    try:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise TooLarge(f"the body is over {limit} bytes")
            hold_memory(len(body))
    except ClientDisconnect as error:
        raise UnfinishedBody("the request ended before its body was complete; send it again") from error
    return body


class LongResponse(Response):
    """A response whose body is never copied as a whole: slices wait here until the socket takes them.

    It saves a fifth of the server's time on 16 MiB cutouts read over loopback.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for start in range(0, max(len(body), 1), _SLICE_BYTES):
            more = start + _SLICE_BYTES < len(body)
            await send({"type": "http.response.body", "body": body[start : start + _SLICE_BYTES], "more_body": more})
