"""Signatures of requests, version 4.

Source: AWS General Reference, "Signature Version 4 signing process", with the exceptions of S3 (a path is encoded once,
and not normalised).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from starlette.requests import Request

from voxome.errors import AccessDenied, InvalidInput

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_HEADER = re.compile(
    rf"{_ALGORITHM}\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_SCOPE = re.compile(r"(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request")
_SIGNED_OTHERWISE = frozenset({"x-amz-date", "x-amz-content-sha256"})
"""Headers whose values are in what is signed, whether or not they are named, or are not used."""
_COPY = "x-amz-copy-source"
_SKEW = timedelta(minutes=15)
_LONGEST = timedelta(days=7)


@dataclass(frozen=True)
class _Claim:
    """What a request says about its signature."""

    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    payload: str
    lifetime: timedelta


@dataclass(frozen=True)
class Signature:
    """The valid signature of a request.

    Attributes
    ----------
    access_key : str
        With whose secret it is signed.
    key : bytes
        With which parts of the body are signed, too.
    date, scope : str
        When and for what that key is valid.
    value : str
        The signature itself.
    payload : str
        SHA-256 of the body, or how it is signed.
    """

    access_key: str
    key: bytes = field(repr=False)
    date: str
    scope: str
    value: str
    payload: str


def verify(request: Request, secret_of: Callable[[str], str], now: datetime | None = None) -> Signature | None:
    """Return the signature of a request, in a header or in its query; None without one.

    Parameters
    ----------
    request : Request
        Its method, path, query and headers.
    secret_of : function
        Returns the secret of an access key, or raises AccessDenied.
    now : datetime, optional
        Time of the server.

    Raises
    ------
    AccessDenied
        If the signature is wrong or too old, or does not cover all ``x-amz-`` headers; if a presigned request copies.
    InvalidInput
        If it is malformed.
    """
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    claim = _claim_of(request.headers.get("authorization", ""), dict(query), request.headers)
    if claim is None:
        return None
    scope = _SCOPE.fullmatch(claim.credential)
    if scope is None or not claim.date.startswith(scope["day"]):
        raise InvalidInput("the credential of the signature is malformed; expected KEY/YYYYMMDD/REGION/s3/aws4_request")
    _check_date(claim, now or datetime.now(UTC))
    if "host" not in claim.signed_headers:
        raise AccessDenied("the signature does not cover the header Host")
    unsigned = {one for one in request.headers if one.startswith("x-amz-")} - {
        *claim.signed_headers,
        *_SIGNED_OTHERWISE,
    }
    if unsigned:
        raise AccessDenied(f"the signature does not cover the headers {', '.join(sorted(unsigned))}")
    canonical = _digest(_canonical(request, query, claim))
    valid_for = claim.credential.partition("/")[2]
    text = "\n".join([_ALGORITHM, claim.date, valid_for, canonical])
    key = f"AWS4{secret_of(scope['key'])}".encode()
    for part in (scope["day"], scope["region"], "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), claim.signature):
        raise AccessDenied("the signature does not match the request")
    return Signature(scope["key"], key, claim.date, valid_for, claim.signature, claim.payload)


def _claim_of(authorization: str, query: Mapping[str, str], headers: Mapping[str, str]) -> _Claim | None:
    if query.get("X-Amz-Algorithm") == _ALGORITHM:
        if _COPY in headers:
            raise AccessDenied("a presigned request cannot copy; sign it in the header Authorization")
        try:
            signed = tuple(query["X-Amz-SignedHeaders"].split(";"))
            lifetime = timedelta(seconds=int(query["X-Amz-Expires"][:9]))
            return _Claim(
                query["X-Amz-Credential"], signed, query["X-Amz-Signature"], query["X-Amz-Date"], _UNSIGNED, lifetime
            )
        except (KeyError, ValueError) as error:
            raise InvalidInput("the signature in the query is incomplete") from error
    if "AWSAccessKeyId" in query:
        raise InvalidInput("signatures of version 2 are not accepted; sign with version 4")
    if not authorization:
        return None
    match = _HEADER.fullmatch(authorization.strip())
    if match is None:
        raise InvalidInput(f"the header Authorization is malformed; expected {_ALGORITHM}, or sign no request")
    date, payload = headers.get("x-amz-date", ""), headers.get("x-amz-content-sha256", _UNSIGNED)
    return _Claim(match["credential"], tuple(match["headers"].split(";")), match["signature"], date, payload, _SKEW)


def _check_date(claim: _Claim, now: datetime) -> None:
    try:
        signed = datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput("the date of the signature is malformed; expected YYYYMMDDTHHMMSSZ") from error
    if not -_SKEW <= now - signed <= min(claim.lifetime, _LONGEST):
        raise AccessDenied("the request has expired, or a clock is wrong")


def _canonical(request: Request, query: list[tuple[str, str]], claim: _Claim) -> str:
    raw: bytes = request.scope["raw_path"]
    path = quote(unquote_to_bytes(raw.partition(b"?")[0]), safe="/-_.~")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query if k != "X-Amz-Signature")
    headers = [f"{name}:{' '.join(','.join(request.headers.getlist(name)).split())}" for name in claim.signed_headers]
    lines = [request.method, path, "&".join(f"{k}={v}" for k, v in pairs), *headers, ""]
    return "\n".join([*lines, ";".join(claim.signed_headers), claim.payload])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
