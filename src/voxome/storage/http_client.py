"""The client of HTTP that all requests of this process go through: what it sends to whom, and what it takes."""

from __future__ import annotations

import atexit
import threading
import zlib
from collections.abc import Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from voxome.config.settings import settings
from voxome.redaction import is_secret, quieten_libraries
from voxome.storage.hops import hop_headers
from voxome.storage.response_time import limit_response_time

CONNECTIONS = 32
"""Maximum number of open connections."""
_GZIP = frozenset({"gzip", "x-gzip"})
_PIECE = 1 << 20
"""Bytes of a body that are decompressed at a time to count them."""
_FIRST, _MOST = "voxome.first", "voxome.most"
"""Extensions of a request: by which those that follow redirects know the first, and the most bytes of a body."""
_PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "connection", "host", "range", "user-agent"})
"""Headers that are sent to another server than the one that they are meant for."""
_POOL_LOCK = threading.Lock()

quieten_libraries()


def of_first_request(most_bytes: int | None = None) -> dict[str, Any]:
    """Return the extensions of a request: of the first, if it is redirected.

    Parameters
    ----------
    most_bytes : int, optional
        Most bytes of the body of a response; the setting ``largest_chunk_bytes`` if None.
    """
    return {_FIRST: _First(), _MOST: most_bytes}


class RefusedBody(httpx.TransportError):
    """A body that is longer than any that is read, or is compressed otherwise than as requested."""


def http_client(timeout_s: float) -> httpx.Client:
    """Return the client of all requests that wait so long for a server.

    It withholds secrets from other servers than the first, keeps no cookies, which could be those of another user,
    limits the length and the time of responses, and logs without secrets. Its requests have the extensions of
    `of_first_request`.
    """
    with _POOL_LOCK:
        return _pool(timeout_s)


class _First:
    """The address of the first of the requests that follow redirects, once it is sent."""

    url: httpx.URL | None = None


class _BoundedBody(httpx.SyncByteStream):
    """Body with a limit of bytes, decompressed.

    If it is gzip-compressed and ends before the compressed data do, that is an error, too: httpx decompresses what
    there is. A chunk of it is looked at before httpx decompresses it.
    """

    def __init__(self, stream: httpx.SyncByteStream, coding: str, most: int | None) -> None:
        self._stream, self._coding, self._zipped = stream, coding, coding in _GZIP
        self._most = most
        self._room = settings().largest_chunk_bytes if most is None else most

    def __iter__(self) -> Iterator[bytes]:
        if self._coding not in {"", "identity", *_GZIP}:
            raise RefusedBody(f"the body has the encoding {self._coding!r}; expected gzip, or none")
        decompressor, seen = zlib.decompressobj(zlib.MAX_WBITS | 16), False
        for chunk in self._stream:
            seen = bool(chunk) or seen
            self._count(self._inflated(decompressor, chunk) if self._zipped else len(chunk))
            yield chunk
        if self._zipped and seen and not decompressor.eof:
            raise httpx.DecodingError("the gzip-compressed body ends early")

    def _inflated(self, decompressor: Any, chunk: bytes) -> int:
        """Return how many bytes a chunk is decompressed to, in little memory."""
        count = 0
        try:
            while chunk and not decompressor.eof and count <= self._room:
                count += len(decompressor.decompress(chunk, _PIECE))
                chunk = decompressor.unconsumed_tail
        except zlib.error as error:
            raise httpx.DecodingError(f"the body is not gzip: {error}") from None
        return count

    def _count(self, count: int) -> None:
        self._room -= count
        if self._room < 0 and self._most is not None:
            raise RefusedBody(f"the body has more than {self._most:,} bytes; expected less")
        if self._room < 0:
            raise RefusedBody(
                f"the body has more than {settings().largest_chunk_bytes:,} bytes, the most that are read at once; "
                "read less at once, or allow more (VOXOME_LARGEST_CHUNK_BYTES)"
            )

    def close(self) -> None:
        self._stream.close()


def _bound_body(response: httpx.Response) -> None:
    assert isinstance(response.stream, httpx.SyncByteStream)
    coding = response.headers.get("content-encoding", "").strip().lower()
    response.stream = _BoundedBody(response.stream, coding, response.request.extensions[_MOST])


@cache
def _pool(timeout_s: float) -> httpx.Client:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    headers = {"Accept-Encoding": "gzip"}
    client = httpx.Client(
        timeout=timeout_s,
        limits=limits,
        headers=headers,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        event_hooks={"request": [_withhold_secrets, _add_hops], "response": [_bound_body]},
    )
    limit_response_time(client)
    atexit.register(client.close)
    return client


def _withhold_secrets(request: httpx.Request) -> None:
    """Remove what is meant for the server of the first request from one that is redirected to another."""
    first: _First = request.extensions[_FIRST]
    if first.url is None:
        first.url = request.url
    elif _origin(request.url) != _origin(first.url) and not _is_upgrade(first.url, request.url):
        request.headers = httpx.Headers(
            [one for one in request.headers.raw if one[0].decode().lower() in _PLAIN_HEADERS]
        )
        sent = {(name, value) for name, value in first.url.params.multi_items() if is_secret(name)}
        if sent & set(request.url.params.multi_items()):
            kept = [one for one in request.url.params.multi_items() if one not in sent]
            request.url = request.url.copy_with(params=kept or None)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _is_upgrade(first: httpx.URL, url: httpx.URL) -> bool:
    """Return whether a server redirects from HTTP to its own HTTPS."""
    return _origin(first) == ("http", url.host, 80) and _origin(url) == ("https", first.host, 443)


def _add_hops(request: httpx.Request) -> None:
    request.headers.update(hop_headers())
