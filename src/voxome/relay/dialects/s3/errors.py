"""Errors as S3 names them."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from voxome.errors import AccessDenied, InvalidInput, VoxomeError
from voxome.relay.dialects.s3.documents import error_document
from voxome.relay.dialects.s3.keys import InvalidKeyPair
from voxome.relay.memory import ChunkTooLarge
from voxome.relay.refusals import S3_CODES
from voxome.relay.request_errors import RETRY, RequestError, TooLarge, UnfinishedBody, log_failure
from voxome.relay.source_errors import StorageFull
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


_OWN: Mapping[type[Exception], tuple[str, int]] = {
    Anonymous: ("AccessDenied", 401),
    InvalidKeyPair: ("AccessDenied", 401),
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
    StorageFull: ("InsufficientStorage", 507),
}
"""Codes and statuses that only S3 has, the first type that fits; of other errors the status has a code."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def error_of(error: Exception) -> tuple[str, int, str]:
    """Return the code, the HTTP status and the message of an error; those of the server have no details."""
    if isinstance(error, S3Error):
        return error.code, error.http_status, str(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return "InsufficientStorage", 507, "the disk of the store is full"
    own = next((one for kind, one in _OWN.items() if isinstance(error, kind)), None)
    if own is not None:
        return *own, str(error)
    shown = RequestError.of(error)
    if isinstance(error, OSError) and shown.status == 500:
        return "ServiceUnavailable", 503, "the disk of the store fails; see the log of the server"
    return S3_CODES[shown.status], shown.status, shown.message


def error_response(error: Exception, request: Request) -> Response:
    """Return the answer with an error; the log has those of the server."""
    code, status, message = error_of(error)
    if status != 501:
        log_failure(request, error, status)
    headers = RETRY if status in (503, 507) else {"WWW-Authenticate": "AWS4-HMAC-SHA256"} if status == 401 else {}
    return error_document(code, message, status, headers)
