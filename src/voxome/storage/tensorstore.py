"""The tensorstore context that all stores of this process share, and tensorstore's errors as ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorstore as ts

from voxome.config.settings import setting
from voxome.contracts.uri import without_secrets
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    InvalidBox,
    NotFound,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)

RETRIES = {"max_retries": 6, "initial_delay": "100ms", "max_delay": "1s"}
"""How often a request that failed in passing is sent again."""

LIMITS: dict[str, Any] = {
    "cache_pool": {"total_bytes_limit": 0},
    "file_io_concurrency": {"limit": 8},
    "http_request_concurrency": {"limit": 32},
    "http_request_retries": RETRIES,
    "s3_request_retries": RETRIES,
    "gcs_request_retries": RETRIES,
}
"""Options of the context that all stores of this process share; change them before the first is opened.

So many http requests at once are what tensorstore sends to S3 and Google too. From a server that answers after 50 ms,
125 chunks take 468 ms by 16 at once, 255 ms by 32 and 159 ms by 64; on the loopback 16 to 64 are within a tenth.
"""

_STALL = {"CONNECT_TIMEOUT_SECONDS": 10, "LOW_SPEED_TIME_SECONDS": 10, "LOW_SPEED_LIMIT_BYTES": 1}
_OPERATION_S = 3600

_SHARED: list[ts.Context] = []
_SPEC_TAIL = re.compile(r"\s*\[(tensorstore_spec|transform|domain|source locations)=.*", re.DOTALL)
_BODY = re.compile(r" *\[http_response_body='(.*?)'\]", re.DOTALL)
_TOLD = re.compile(r"<(?:Code|Message)>(.*?)</", re.DOTALL)
_WRITING = re.compile(r"Error writing|Failed to write")
_STATUS = re.compile(r"([A-Z_]+): (.*)", re.DOTALL)
_BY_STATUS: dict[str, type[VoxomeError]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "OUT_OF_RANGE": InvalidBox,
    "DATA_LOSS": CorruptData,
    "INVALID_ARGUMENT": CorruptData,
    "FAILED_PRECONDITION": CorruptData,
    "PERMISSION_DENIED": AccessDenied,
    "UNAUTHENTICATED": AccessDenied,
}
_ADVICE: dict[type[VoxomeError], str] = {
    AccessDenied: "; give other credentials (a profile, or the store's environment variables), ?anonymous=true where "
    "the bucket is public, or ?missing=403 where the store says 403 of keys that are not there",
}


def context() -> ts.Context:
    """The one context that all stores of this process share.

    A connection over which nothing comes for `STALL_S` seconds (``VOXOME_STALL_S``) is given up, and the request sent
    again as `RETRIES` says, unless the environment says otherwise in tensorstore's own variables.
    """
    if not _SHARED:
        for name, value in _STALL.items():
            told = setting("STALL_S", value) if name.endswith("_SECONDS") else value
            os.environ.setdefault(f"TENSORSTORE_CURL_{name}", str(told))
        _SHARED.append(ts.Context(LIMITS))
    return _SHARED[0]


def result_of(future: Any) -> Any:
    """The result of one operation, for which ``VOXOME_OPERATION_S`` seconds (an hour if not set) are given."""
    return future.result(timeout=_patience_s())


def _patience_s() -> int:
    return setting("OPERATION_S", _OPERATION_S)


def open_store(spec: Mapping[str, Any], name: str, **options: Any) -> ts.TensorStore:
    """Open (or create, by `options`) a tensorstore in the shared context; `name` stands for it in messages.

    Raises
    ------
    NotFound, AlreadyExists, UnsupportedFormat, StoreError
        As tensorstore says; an array whose metadata it does not take is an unsupported one.
    """
    with map_errors(name, invalid=UnsupportedFormat):
        return result_of(ts.open(dict(spec), context=context(), **options))


@contextmanager
def map_errors(name: str, *, invalid: type[VoxomeError] = CorruptData) -> Iterator[None]:
    """Turn tensorstore's errors into ours; `invalid` is for data or metadata that it cannot decode."""
    try:
        yield
    except VoxomeError:
        raise
    except TimeoutError as error:
        raise StoreError(
            f"{name}: not done after {_patience_s()} s, hence given up; ask for less at once, or set VOXOME_OPERATION_S"
        ) from error
    except (ValueError, RuntimeError, NotImplementedError, OverflowError, OSError) as error:
        kind, message = _sort(str(error), invalid)
        raise kind(without_secrets(f"{name}: {message}{_ADVICE.get(kind, '')}")) from error


def _sort(text: str, invalid: type[VoxomeError]) -> tuple[type[VoxomeError], str]:
    short = _BODY.sub(_told, _SPEC_TAIL.sub("", text))
    matched = _STATUS.match(short)
    if matched is None:
        return invalid, short
    kind = _BY_STATUS.get(matched[1], StoreError)
    if "[os_error_code=" in short and kind is not AlreadyExists:
        kind = StoreError
    if _WRITING.search(short) and kind not in (AlreadyExists, AccessDenied):
        kind = StoreError
    return (invalid if kind is CorruptData else kind), matched[2]


def _told(body: re.Match[str]) -> str:
    """What the server says in the body of its answer: of XML the code and the message, for the rest quotes requests."""
    said = ": ".join(_TOLD.findall(body[1])) or body[1]
    return f" [the server says: {said[:300]}]"
