"""Time limit of responses: from the end of a request, up to the last byte of what the server sends."""

from __future__ import annotations

import time
from typing import Any

import httpx

from voxome.config.settings import settings


class SlowResponse(httpx.TransportError):
    """A response that takes longer than any that is read."""


def limit_response_time(client: httpx.Client) -> None:
    """Let responses that take longer than the setting ``operation_s`` end in `SlowResponse`.

    The timeout of httpx only limits how long a server is silent: headers, interim responses (RFC 9110, section 15.2),
    extensions of chunks and trailers that arrive bit by bit would never end. httpx cannot be given a backend of
    httpcore, so that the one of each of its transports is replaced.
    """
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)


class _Backend:
    """Backend of httpcore whose connections have a time limit."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, *arguments: Any, **options: Any) -> _Stream:
        return _Stream(self._backend.connect_tcp(*arguments, **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """Connection of httpcore, on which one response at a time is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begin()

    def _begin(self) -> None:
        self._limit_s = settings().operation_s
        self._end = time.monotonic() + self._limit_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() > self._end:
            raise SlowResponse(
                f"the response has not ended within {self._limit_s} s; read less at once, or allow more time "
                "(VOXOME_OPERATION_S)"
            )
        return bytes(self._stream.read(max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)
        self._begin()

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *arguments: Any, **options: Any) -> _Stream:
        return _Stream(self._stream.start_tls(*arguments, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
