"""HTTP helpers for dialects: callers, bodies with a limit, handlers in threads, errors, long responses."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from voxome.errors import AccessDenied, AlreadyExists, InvalidInput, NotFound, ReadOnly, VoxomeError
from voxome.relay.access_log import logged_path, note
from voxome.relay.accounts import Accounts, Caller
from voxome.relay.failures import FailureLog
from voxome.relay.memory import ChunkTooLarge
from voxome.relay.relay import Relay
from voxome.relay.sessions import header_caller, session_caller, session_cookie
from voxome.relay.source_errors import SourceLoop, SourceUnavailable, hold_memory, to_clients
from voxome.relay.threads import RequestThreads
from voxome.relay.writes.journal import TooLargeForJournal

_SLICE_BYTES = 2**20
_LENGTH = re.compile("[0-9]{1,18}")
_FAILURES = FailureLog(logging.getLogger(__name__))


class TooLarge(InvalidInput):
    """A request, or the response to it, is over its limit."""


class UnfinishedBody(InvalidInput):
    """The client has left, or is too slow, before its body was read."""


class PreconditionFailed(VoxomeError):
    """A file that is to be written is another version than the client expects."""


_STATUS: dict[type[Exception], int] = {
    ChunkTooLarge: 413, TooLarge: 413, TooLargeForJournal: 413, InvalidInput: 400, NotFound: 404, ReadOnly: 403,
    AccessDenied: 403,
    AlreadyExists: 409, PreconditionFailed: 412, SourceLoop: 508, SourceUnavailable: 503,
}  # fmt: skip
"""The first type that fits decides; any other error is the server's."""

NOT_KEPT = {"Cache-Control": "no-store"}
"""Header of errors: what is missing or fails now may be there a moment later."""
RETRY = {"Retry-After": "1"}
"""Header with status 503."""

Handler = Callable[[Request, Caller, bytearray], Response]
"""Answers a request of a caller, with its body, in a thread."""

Permit = Callable[[Request, Caller], int]
"""Returns how many bytes the body of a request may have, or refuses it."""


def endpoint(
    relay: Relay, limit: int, handler: Handler, permit: Permit | None = None
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that runs `handler` in a thread, and sends errors as JSON.

    The body is read once the caller is known and `permit` has returned.

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
            return await relay.threads.run(handler, request, caller, body)
        except Exception as error:
            return error_response(error, request, caller)

    return respond


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
    cause, error = error, to_clients(error)
    status = next((status for raised, status in _STATUS.items() if isinstance(error, raised)), 500)
    if status >= 500:
        _FAILURES.add(f"{request.method} {logged_path(request.scope)}", cause, is_known=status == 503)
    if status == 500:
        return JSONResponse({"message": "internal error; see the log of the server"}, status, NOT_KEPT)
    if isinstance(error, AccessDenied) and not caller.name:
        return JSONResponse({"message": str(error)}, 401, {"WWW-Authenticate": "Token", **NOT_KEPT})
    return JSONResponse({"message": str(error)}, status, NOT_KEPT | (RETRY if status == 503 else {}))


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
