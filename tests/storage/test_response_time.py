"""Responses that a server sends bit by bit, without an end, are given up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from types import SimpleNamespace

import pytest

from voxome.errors import StoreError
from voxome.remotes.http import Api
from voxome.storage import response_time

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n5"
PARTS = {
    "interim responses": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "header": (_OK + b"X: ", b"a"),
    "headers": (_OK, b"X: a\r\n"),
    "body": (_OK + b"Content-Length: 1000\r\n\r\n", b"a"),
    "extension of a chunk": (_CHUNKED + b";", b"a"),
    "trailers": (_CHUNKED + b"\r\nhello\r\n0\r\n", b"A: b\r\n"),
}


@pytest.fixture(autouse=True)
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_time, "settings", lambda: SimpleNamespace(operation_s=0.2))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    first, then = PARTS[request.param]
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        link, _ = listener.accept()
        with link, suppress(OSError):
            link.recv(65536)
            link.sendall(first)
            while True:
                link.sendall(then)
                time.sleep(0.02)

    threading.Thread(target=drip, daemon=True).start()
    with closing(listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("server", PARTS, indirect=True)
def test_a_response_that_never_ends_is_given_up(server: str) -> None:
    with pytest.raises(StoreError, match=r"not ended within 0\.2 s; .*VOXOME_OPERATION_S"):
        Api(server, timeout_s=5).send("GET", "/x")
