"""Answers that are made before any dialect sees a request, in the form of the API that it is for."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

_S3 = "/s3"
S3_CODES = {
    400: "InvalidRequest", 401: "AccessDenied", 403: "AccessDenied", 404: "NoSuchKey", 405: "MethodNotAllowed",
    408: "RequestTimeout", 409: "OperationAborted", 412: "PreconditionFailed", 413: "EntityTooLarge",
    414: "InvalidURI", 429: "SlowDown", 431: "RequestHeaderSectionTooLarge", 500: "InternalError",
    503: "ServiceUnavailable", 507: "InsufficientStorage", 508: "ServiceUnavailable",
}  # fmt: skip
"""Codes of S3 by status; its clients look for them in XML."""


def refusal_body(path: str, status: int, message: str) -> tuple[bytes, str]:
    """Return the body of a refusal of a request to `path`, and its media type: XML for S3, else JSON.

    Examples
    --------
    >>> refusal_body("/raw/em/info", 429, "too many requests")
    (b'{"message": "too many requests"}', 'application/json')
    >>> refusal_body("/s3/zarr/em", 429, "too many requests")[1]
    'application/xml'
    """
    if path != _S3 and not path.startswith((f"{_S3}/", f"{_S3}?")):
        return json.dumps({"message": message}).encode(), "application/json"
    inside = f"<Code>{S3_CODES.get(status, 'InvalidRequest')}</Code><Message>{escape(message)}</Message>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inside}</Error>'.encode(), "application/xml"
