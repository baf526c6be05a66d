"""The tensorstore context that all stores of this process share, and the mapping of tensorstore's errors."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
import tensorstore as ts

from voxome.config.settings import settings
from voxome.config.values import Settings
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    InvalidBox,
    NotFound,
    RelayLoop,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.redaction import redact

_DELAYS = {"initial_delay": "100ms", "max_delay": "1s"}
_STALL_VARIABLES = ("TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS", "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS")

_SHARED: dict[Settings, ts.Context] = {}
"""The context in use, by its settings."""
_LOCK = Lock()
_ours: dict[str, str] = {}
"""Variables of tensorstore that were set here, not by the user."""
_SPEC_TAIL = re.compile(r"\s*\[(tensorstore_spec|transform|domain|source locations)=.*", re.DOTALL)
_BODY = re.compile(r" *\[http_response_body='(.*?)'\]", re.DOTALL)
_XML_MESSAGE = re.compile(r"<(?:Code|Message)>(.*?)</", re.DOTALL)
_CURL = re.compile(r"CURL error ([^:\[]*)(?:: ([^\[]*))?(\[curl_code='\d+'\])?")
_WRITING = re.compile(r"Error writing|Failed to write")
_MEMBERS = re.compile(r'(?:Error parsing (?:object member "[^"]*"|value at position \d+): )+')
_CREDENTIALS = re.compile(r"Failed to create credentials provider.*", re.DOTALL)
_NO_CREDENTIALS = (
    "the credentials cannot be read; a profile is a section of its name in ~/.aws/credentials or ~/.aws/config "
    "(AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE)"
)
_MEMBER = re.compile(r'member "([^"]*)"|position (\d+)')
_WRAPPERS = ("metadata", "scale_metadata", "multiscale_metadata")
"""Members of what tensorstore is given, in which the metadata of a volume are."""
_LOOP = "[HTTP code 508]"
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
    "the bucket is public, or ?missing=403 where the store answers 403 for missing keys",
}


def context() -> ts.Context:
    """Return the context that all stores opened from now on share; settings that changed make a new one.

    A connection without data for ``stall_s`` seconds is closed and the request repeated, ``retries`` times at most,
    unless tensorstore's own environment variables say otherwise. S3 and GCS share the limit of HTTP requests: from a
    server that answers after 50 ms, 125 chunks take 468 ms with 16 at once, 255 ms with 32 and 159 ms with 64; on
    loopback 16 to 64 are within a tenth.
    """
    current = settings()
    with _LOCK:
        shared = _SHARED.get(current)
        if shared is None:
            _SHARED.clear()
            _set_stall(current.stall_s)
            shared = _SHARED[current] = ts.Context(_limits(current))
    return shared


def _limits(current: Settings) -> dict[str, Any]:
    retries = {"max_retries": current.retries, **_DELAYS}
    return {
        "cache_pool": {"total_bytes_limit": current.cache_bytes},
        "file_io_concurrency": {"limit": current.file_concurrency},
        "http_request_concurrency": {"limit": current.http_concurrency},
        "http_request_retries": retries,
        "s3_request_retries": retries,
        "gcs_request_retries": retries,
    }


def _set_stall(seconds: int) -> None:
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "1")
    for name in _STALL_VARIABLES:
        if os.environ.get(name) == _ours.get(name):
            os.environ[name] = _ours[name] = str(seconds)


def result_of(future: Any) -> Any:
    """Return the result of one operation, with the time limit ``operation_s`` of the last context."""
    return future.result(timeout=_time_limit_s())


def result_unforced(future: Any) -> Any:
    """Return the result of an operation that needs no ``force``, with the time limit ``operation_s``.

    A list of the keys in shards that ``result`` forces just when it is ready never ends, as two threads wait for each
    other (tensorstore 0.1.86; it happens within 40 s of such lists).
    """
    end, pause_s = time.monotonic() + _time_limit_s(), 0.0005
    while not future.done():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.02)
    return future.result()


def _time_limit_s() -> int:
    with _LOCK:
        current = next(iter(_SHARED), None)
    return (current or settings()).operation_s


def open_store(spec: Mapping[str, Any], name: str, **options: Any) -> ts.TensorStore:
    """Open (or create, by `options`) a tensorstore in the shared context; `name` stands for it in messages.

    Raises
    ------
    NotFound, AlreadyExists, UnsupportedFormat, StoreError
        As reported by tensorstore; an array with metadata that it rejects is unsupported,
        and one whose chunks are larger than ``largest_chunk_bytes``: reading one would end the process.
    """
    with map_errors(name, invalid=UnsupportedFormat):
        opened = result_of(ts.open(dict(spec), context=context(), **options))
    require_chunk(name, opened.chunk_layout.read_chunk.shape or opened.shape, opened.dtype.numpy_dtype)
    return opened


def require_chunk(name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse chunks that are larger than the memory that one may take.

    Raises
    ------
    UnsupportedFormat
    """
    size, limit = math.prod(shape) * dtype.itemsize, settings().largest_chunk_bytes
    if size > limit:
        raise UnsupportedFormat(
            f"{name}: a chunk of {tuple(shape)} {dtype} voxels has {size:,} bytes, more than {limit:,}, the largest "
            "that is read; if this is no mistake, allow more (VOXOME_LARGEST_CHUNK_BYTES)"
        )


@contextmanager
def map_errors(name: str, *, invalid: type[VoxomeError] = CorruptData) -> Iterator[None]:
    """Turn tensorstore's errors into ours; `invalid` is for data or metadata that it cannot decode."""
    try:
        yield
    except VoxomeError:
        raise
    except TimeoutError as error:
        raise StoreError(
            f"{name}: timed out after {_time_limit_s()} s; read or write less at once, or allow more time "
            "(VOXOME_OPERATION_S)"
        ) from error
    except (ValueError, RuntimeError, NotImplementedError, OverflowError, OSError) as error:
        error_class, message = _sort(str(error), invalid)
        raise error_class(redact(f"{name}: {message}{_ADVICE.get(error_class, '')}")) from error


def _sort(text: str, invalid: type[VoxomeError]) -> tuple[type[VoxomeError], str]:
    short = _CURL.sub(_connection_message, _BODY.sub(_server_message, _SPEC_TAIL.sub("", text)))
    short = _CREDENTIALS.sub(_NO_CREDENTIALS, _MEMBERS.sub(_member_message, short))
    matched = _STATUS.match(short)
    if matched is None:
        return invalid, short
    error_class = RelayLoop if _LOOP in short else _BY_STATUS.get(matched[1], StoreError)
    if "[os_error_code=" in short and error_class is not AlreadyExists:
        error_class = StoreError
    if _WRITING.search(short) and error_class not in (AlreadyExists, AccessDenied):
        error_class = StoreError
    return (invalid if error_class is CorruptData else error_class), matched[2]


def _member_message(path: re.Match[str]) -> str:
    """Return which member of the metadata is wrong, as one path."""
    steps = [f".{name}" if name else f"[{number}]" for name, number in _MEMBER.findall(path[0])]
    inner = steps[1:] if steps[0].removeprefix(".") in _WRAPPERS else steps
    return f"its metadata have an invalid {''.join(inner).removeprefix('.')}: " if inner else ""


def _connection_message(error: re.Match[str]) -> str:
    """Return what curl says of a connection that failed, in a sentence."""
    reason = (error[2] or error[1]).strip()
    return f"the connection failed: {reason}; check the address, the network and the server"


def _server_message(body: re.Match[str]) -> str:
    """Return the message in the body of a response; of XML only code and message, for the rest quotes the request."""
    message = ": ".join(_XML_MESSAGE.findall(body[1])) or body[1]
    return f" [server response: {message[:300]}]"
