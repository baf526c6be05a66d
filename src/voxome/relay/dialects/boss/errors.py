"""Refusals of BossDB: an HTTP status, an error code, a message."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """BossDB's error codes."""

    INVALID_URL = 1000
    INVALID_CUTOUT_ARGS = 1001
    TYPE_ERROR = 1002
    INVALID_POST_ARGUMENT = 1003
    UNABLE_TO_VALIDATE = 1004
    REQUEST_TOO_LARGE = 2000
    DATATYPE_DOES_NOT_MATCH = 2001
    DIMENSION_MISMATCH = 2002
    DATATYPE_NOT_SUPPORTED = 2003
    INVALID_REQUEST = 2004
    INVALID_STATE = 2006
    MISSING_ROLE = 3000
    MISSING_PERMISSION = 3001
    UNRECOGNIZED_PERMISSION = 3002
    RESOURCE_NOT_FOUND = 4000
    GROUP_NOT_FOUND = 4001
    USER_NOT_FOUND = 4002
    INTEGRITY_ERROR = 4003
    OBJECT_NOT_FOUND = 4004
    UNSUPPORTED_TRANSPORT_FORMAT = 5001
    DESERIALIZATION_ERROR = 5003
    GROUP_EXISTS = 6001
    INVALID_ROLE = 7002
    UNHANDLED_EXCEPTION = 9002
    UNSUPPORTED_VERSION = 9003


_STATUS = {
    Code.REQUEST_TOO_LARGE: 413,
    Code.INVALID_REQUEST: 404,
    Code.INVALID_STATE: 409,
    Code.MISSING_ROLE: 403,
    Code.MISSING_PERMISSION: 403,
    Code.UNRECOGNIZED_PERMISSION: 404,
    Code.RESOURCE_NOT_FOUND: 404,
    Code.GROUP_NOT_FOUND: 404,
    Code.USER_NOT_FOUND: 404,
    Code.OBJECT_NOT_FOUND: 404,
    Code.DESERIALIZATION_ERROR: 404,
    Code.GROUP_EXISTS: 404,
    Code.INVALID_ROLE: 403,
    Code.UNHANDLED_EXCEPTION: 500,
}


class Refused(Exception):
    """A request that is refused.

    Parameters
    ----------
    code : Code
        BossDB's error code.
    message : str
        What was seen, and what was expected.
    status : int, optional
        HTTP status; that of the code if None.
    """

    def __init__(self, code: Code, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status or _STATUS.get(code, 400)

    def to_json(self) -> dict[str, object]:
        """Return the JSON that is sent; bytes of the message that are not text are escaped."""
        message = self.message.encode("utf-8", "backslashreplace").decode()
        return {"status": self.status, "code": int(self.code), "message": message}
