"""Errors as S3 names them."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from voxome.errors import AccessDenied, AlreadyExists, InvalidInput, NotFound, ReadOnly, VoxomeError
from voxome.relay.access_log import logged_path
from voxome.relay.dialects.s3.documents import error_document
from voxome.relay.dialects.s3.keys import InvalidKeyPair
from voxome.relay.failures import FailureLog
from voxome.relay.http import RETRY, PreconditionFailed, TooLarge, UnfinishedBody
from voxome.relay.memory import ChunkTooLarge
from voxome.relay.source_errors import SourceLoop, SourceUnavailable, StorageFull
from voxome.relay.stores.keys import KeyTooLong
from voxome.relay.stores.uploads import InvalidPart, InvalidPartOrder, NoSuchUpload, PartTooSmall
from voxome.relay.writes.journal import TooLargeForJournal


class S3Error(VoxomeError):
    """An error with a code of S3.

    Parameters
    ----------
    code : str
        As S3 names it.
    message : str
        What happened.
    status : int
        HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.http_status = code, status


class Anonymous(AccessDenied):
    """Something is refused that a key pair may permit."""


def not_offered(what: str) -> S3Error:
    """Return the error of a request that is no part of what is offered."""
    return S3Error("NotImplemented", f"{what} is not offered by this store", 501)


_ERRORS: Mapping[type[Exception], tuple[str, int]] = {
    Anonymous: ("AccessDenied", 401),
    InvalidKeyPair: ("AccessDenied", 401),
    ReadOnly: ("AccessDenied", 403),
    AccessDenied: ("AccessDenied", 403),
    TooLarge: ("EntityTooLarge", 400),
    ChunkTooLarge: ("EntityTooLarge", 413),
    TooLargeForJournal: ("EntityTooLarge", 413),
    UnfinishedBody: ("IncompleteBody", 400),
    KeyTooLong: ("KeyTooLongError", 400),
    InvalidPart: ("InvalidPart", 400),
    InvalidPartOrder: ("InvalidPartOrder", 400),
    PartTooSmall: ("EntityTooSmall", 400),
    InvalidInput: ("InvalidArgument", 400),
    NoSuchUpload: ("NoSuchUpload", 404),
    NotFound: ("NoSuchKey", 404),
    AlreadyExists: ("OperationAborted", 409),
    PreconditionFailed: ("PreconditionFailed", 412),
    StorageFull: ("InsufficientStorage", 507),
    SourceLoop: ("ServiceUnavailable", 508),
    SourceUnavailable: ("ServiceUnavailable", 503),
}
"""The first type that fits decides; any other error is the server's."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAILURES = FailureLog(logging.getLogger(__name__))


def error_of(error: Exception) -> tuple[str, int, str]:
    """Return the code, the HTTP status and the message of an error; those of the server have no details."""
    if isinstance(error, S3Error):
        return error.code, error.http_status, str(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return "InsufficientStorage", 507, "the disk of the store is full"
    code, status = next((one for kind, one in _ERRORS.items() if isinstance(error, kind)), ("InternalError", 500))
    if isinstance(error, OSError) and status == 500:
        return "ServiceUnavailable", 503, "the disk of the store fails; see the log of the server"
    return code, status, "internal error; see the log of the server" if status == 500 else str(error)


def error_response(error: Exception, request: Request) -> Response:
    """Return the answer with an error; the log has those of the server."""
    code, status, message = error_of(error)
    if status >= 500 and status != 501:
        _FAILURES.add(f"{request.method} {logged_path(request.scope)}", error, is_known=status == 503)
    headers = RETRY if status in (503, 507) else {"WWW-Authenticate": "AWS4-HMAC-SHA256"} if status == 401 else {}
    return error_document(code, message, status, headers)
