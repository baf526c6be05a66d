"""Errors of requests, and the HTTP status of each error, the same in all dialects, which give it their own form."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from voxome.errors import AccessDenied, AlreadyExists, InvalidInput, NotFound, ReadOnly, VoxomeError
from voxome.relay.access_log import logged_path
from voxome.relay.failures import FailureLog
from voxome.relay.memory import ChunkTooLarge
from voxome.relay.source_errors import SourceLoop, SourceUnavailable, to_clients
from voxome.relay.writes.journal import TooLargeForJournal

_FAILURES = FailureLog(logging.getLogger(__name__))


class TooLarge(InvalidInput):
    """A request, or the response to it, is over its limit."""


class UnfinishedBody(InvalidInput):
    """The client has left, or is too slow, before its body was read."""


class PreconditionFailed(VoxomeError):
    """A file that is to be written is another version than the client expects."""


_STATUS: Mapping[type[Exception], int] = {
    ChunkTooLarge: 413, TooLarge: 413, TooLargeForJournal: 413, InvalidInput: 400, NotFound: 404, ReadOnly: 403,
    AccessDenied: 403, AlreadyExists: 409, PreconditionFailed: 412, SourceLoop: 508, SourceUnavailable: 503,
}  # fmt: skip
"""The first type that fits decides; any other error is the server's."""

NOT_KEPT = {"Cache-Control": "no-store"}
"""Header of errors: what is missing or fails now may be there a moment later."""
FOR_CALLER = {**NOT_KEPT, "Vary": "Authorization, Cookie"}
"""Headers of answers that may differ for other callers."""
RETRY = {"Retry-After": "1"}
"""Header with the statuses 503 and 507."""


@dataclass(frozen=True)
class RequestError:
    """An error as clients see it.

    Attributes
    ----------
    status : int
        HTTP status.
    message : str
        What they may know of it: nothing where the server failed.
    """

    status: int
    message: str

    @classmethod
    def of(cls, error: Exception) -> RequestError:
        """Return an error as clients see it."""
        shown = to_clients(error)
        status = next((status for kind, status in _STATUS.items() if isinstance(shown, kind)), 500)
        return cls(status, "internal error; see the log of the server" if status == 500 else str(shown))


def log_failure(request: Request, error: Exception, status: int) -> None:
    """Log an error of the server or of a store, which is what `status` says; others are those of the client."""
    if status >= 500:
        _FAILURES.add(f"{request.method} {logged_path(request.scope)}", error, is_known=status == 503)
