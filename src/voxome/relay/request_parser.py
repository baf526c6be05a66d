"""A parser of requests for which none asks for another protocol."""

from __future__ import annotations

from typing import Any

import httptools

_FRAMING = (b"content-length", b"transfer-encoding")
"""Headers that say where a body ends."""


class RequestParser:
    """The parser of httptools, which takes no body of a request with ``Upgrade`` and nothing behind it.

    A server may ignore that header (RFC 9110, section 7.8). Some clients send it with any request, such as those that
    offer HTTP/2. Such a request is read to its end here by a second parser, which has not seen the header.

    Parameters
    ----------
    protocol : object
        Its methods ``on_…`` are called.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._framing: list[tuple[bytes, bytes]] = []
        self._is_silent = False  # while the second parser takes the headers that say where the body ends
        self._parser = httptools.HttpRequestParser(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol if name.startswith("on_") else self._parser, name)

    def feed_data(self, data: bytes) -> None:
        """Parse bytes."""
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                lines = [b"POST / HTTP/1.1", *(b": ".join(header) for header in self._framing), b"\r\n"]
                self._is_silent = True
                self._parser = httptools.HttpRequestParser(self)
                self._parser.feed_data(b"\r\n".join(lines))
                rest = rest[upgrade.args[0] :]

    def should_upgrade(self) -> bool:
        """Return False."""
        return False

    def on_message_begin(self) -> None:
        if not self._is_silent:
            self._framing.clear()
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_silent:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_silent:
            if name.lower() in _FRAMING:
                self._framing.append((name, value))
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._is_silent:
            self._protocol.on_headers_complete()
        self._is_silent = False

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():
            self._protocol.on_message_complete()
