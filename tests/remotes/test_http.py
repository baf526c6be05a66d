"""The HTTP client against a server that misbehaves by a script."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from voxome.errors import AccessDenied, AlreadyExists, CorruptData, InvalidInput, NotFound, StoreError, VoxomeError
from voxome.remotes import http
from voxome.remotes.http import Api, fan_out

Answer = bytes | None
Server = Callable[..., "Script"]


class Script:
    """What the server will say, request after request, and what it was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers, self.asked = answers, list[bytes]()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.answers:
            try:
                link, _ = self.socket.accept()
            except OSError:
                return
            with link:
                self.asked.append(link.recv(65536))
                answer = self.answers.pop(0)
                if answer is None:
                    time.sleep(0.5)
                else:
                    link.sendall(answer)


def said(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body) if length is None else length}", "connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@contextmanager
def script(*answers: Answer) -> Iterator[Script]:
    made = Script(list(answers))
    try:
        yield made
    finally:
        made.socket.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)


@pytest.mark.parametrize(
    "fault", [said(429), said(500), said(502), said(503), said(504), b"", said(200, b"short", length=99), None]
)
def test_a_reading_is_sent_again(fault: Answer) -> None:
    with script(fault, said(200, b"right")) as server:
        assert Api(server.base, timeout_s=0.3).send("GET", "/x").content == b"right"
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", [said(500), b"", said(200, b"short", length=99)])
def test_a_post_is_not_sent_again_unless_it_may_be(fault: Answer) -> None:
    with script(fault, said(200)) as server, pytest.raises(StoreError, match="POST http"):
        Api(server.base).send("POST", "/x", content=b"1")
    assert len(server.asked) == 1
    with script(fault, said(201)) as server:
        assert Api(server.base).send("POST", "/x", content=b"1", again=True).status_code == 201


def test_a_post_turned_away_is_sent_again() -> None:
    with script(said(503), said(429), said(201)) as server:
        assert Api(server.base).send("POST", "/x").status_code == 201


@pytest.mark.slow
def test_retry_after_is_waited_for() -> None:
    with script(said(503, b"", "retry-after: 1"), said(200)) as server:
        begin = time.monotonic()
        Api(server.base).send("GET", "/x")
    assert time.monotonic() - begin >= 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (409, AlreadyExists),
        (418, StoreError),
    ],
)
def test_a_refusal_is_an_error_that_says_what_the_server_said(status: int, kind: type[VoxomeError]) -> None:
    with script(said(status, b"because of the moon")) as server, pytest.raises(kind) as caught:
        Api(server.base).send("GET", "/x", params={"a": 1, "admintoken": "hidden"})
    message = str(caught.value)
    assert f"GET {server.base}/x?a=1" in message
    assert f"answered {status}: because of the moon" in message
    assert "hidden" not in message
    assert caught.value.status == status


def test_it_gives_up() -> None:
    with script(*[said(503, b"full")] * 3) as server, pytest.raises(StoreError, match=r"full \(after 3 tries\)"):
        Api(server.base, retries=2).send("GET", "/x")


def test_nobody_listens() -> None:
    with pytest.raises(StoreError, match=r"GET http://127\.0\.0\.1:1/x"):
        Api("http://127.0.0.1:1", retries=1).send("GET", "/x")


def test_a_redirected_write_is_no_success() -> None:
    with script(said(302, b"", "location: /elsewhere"), said(200)) as server, pytest.raises(StoreError, match="302"):
        Api(server.base).send("POST", "/x", content=b"1")


def test_a_redirected_reading_is_followed_without_the_token() -> None:
    with script(said(200, b"there")) as other, script(said(302, b"", f"location: {other.base}/there")) as server:
        api = Api(server.base, headers=lambda: {"authorization": "Token hidden"})
        assert api.send("GET", "/x").content == b"there"
    assert b"Token hidden" in server.asked[0]
    assert b"hidden" not in other.asked[0]


def test_redirects_without_end() -> None:
    with script(*[said(302, b"", "location: /x")] * 30) as server, pytest.raises(StoreError, match=r"redirects"):
        Api(server.base).send("GET", "/x")
    assert len(server.asked) < 30


def test_a_body_packed_with_gzip_that_ends_early_is_asked_for_again() -> None:
    packed = gzip.compress(b"right" * 100)
    with script(*[said(200, body, "content-encoding: gzip") for body in (packed[:-9], b"what", packed)]) as server:
        assert Api(server.base).send("GET", "/x").content == b"right" * 100
    short = said(200, packed[:-9], "content-encoding: gzip")
    with script(short, short) as server, pytest.raises(StoreError, match="ends early"):
        Api(server.base, retries=1).send("GET", "/x")


def test_a_server_that_says_a_token_back() -> None:
    echo = b"no: Token hidden-token, me:hidden@, http://me:hidden@host/?admintoken=hidden"
    with script(said(401, echo), said(200, echo)) as server:
        api = Api(server.base, headers=lambda: {"authorization": "Token hidden-token"})
        for call in (lambda: api.send("GET", "/x"), lambda: api.json("GET", "/x", params={"token": "hidden-too"})):
            with pytest.raises(VoxomeError) as caught:
                call()
            assert "hidden-to" not in str(caught.value)
            assert "http://host/?admintoken=***" in str(caught.value)


def test_the_librarys_log_shows_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with script(said(200)) as server:
        Api(server.base).send("GET", "/x", params={"admintoken": "hidden", "n": 1})
    assert b"admintoken=hidden" in server.asked[0]
    assert "admintoken=***&n=1" in caplog.text
    assert "hidden" not in caplog.text + str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("base", ["ftp://me:hidden@host", "http://me:hidden@host:port", "me:hidden@host"])
def test_an_address_that_is_none(base: str) -> None:
    with pytest.raises(InvalidInput, match="no address") as caught:
        Api(base)
    assert "hidden" not in str(caught.value) or "://" not in base


def test_headers_are_asked_for_each_time_and_not_kept() -> None:
    with script(said(200), said(200)) as server:
        tokens = iter(["one", "two"])
        api = Api(server.base, headers=lambda: {"authorization": next(tokens)})
        api.send("GET", "/x")
        api.send("GET", "/x")
    assert b"one" in server.asked[0]
    assert b"two" in server.asked[1]
    assert "one" not in repr(api)


def test_no_json() -> None:
    with script(said(200, b"<html>")) as server, pytest.raises(CorruptData, match="<html>"):
        Api(server.base).json("GET", "/x")


def test_an_address_needs_a_scheme() -> None:
    with pytest.raises(InvalidInput, match="write http"):
        Api("host:80")


def test_user_and_password_in_an_address_do_not_show() -> None:
    assert Api("http://me:hidden@host").base == "http://host"


def test_fan_out_keeps_the_order() -> None:
    def late(n: int) -> int:
        time.sleep(0.001 * (n % 3))
        return n * n

    assert fan_out(late, range(50), workers=4) == [n * n for n in range(50)]


def test_fan_out_stops_at_the_first_error() -> None:
    seen: list[int] = []

    def fails(n: int) -> None:
        seen.append(n)
        time.sleep(0.002)
        if n == 2:
            raise StoreError("no")

    with pytest.raises(StoreError):
        fan_out(fails, range(1000), workers=2)
    assert len(seen) < 20
