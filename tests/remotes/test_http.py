"""The HTTP client against a server that misbehaves according to a script."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

import voxome
from voxome.errors import AccessDenied, AlreadyExists, CorruptData, InvalidInput, NotFound, StoreError, VoxomeError
from voxome.remotes import http
from voxome.remotes.http import Api, fan_out

Response = bytes | None
Server = Callable[..., "Script"]


class Script:
    """Server that gives the listed responses one after the other, and keeps the requests; None is silence."""

    def __init__(self, responses: list[Response]) -> None:
        self.responses, self.requests = responses, list[bytes]()
        self._closed = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread before its socket: it would take connections of the next server that gets the descriptor."""
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while self.responses and not self._closed.is_set():
            try:
                link, _ = self._socket.accept()
            except TimeoutError:
                continue
            with link:
                self.requests.append(link.recv(65536))
                response = self.responses.pop(0)
                if response is None:
                    link.settimeout(60)
                    link.recv(1)  # until the client gives up
                else:
                    with suppress(ConnectionError):  # of a client that reads no further
                        link.sendall(response)


def reply(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body) if length is None else length}", "connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@contextmanager
def script(*responses: Response) -> Iterator[Script]:
    server = Script(list(responses))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)


@pytest.mark.parametrize(
    "failure",
    [
        reply(429),
        reply(500),
        reply(502),
        reply(503),
        reply(504),
        b"",
        reply(200, b"short", length=99),
        None,
    ],
)
def test_reads_are_retried(failure: Response) -> None:
    with script(failure, reply(200, b"right")) as server:
        timeout_s = 1 if failure is None else 60
        assert Api(server.base, timeout_s=timeout_s).send("GET", "/x").content == b"right"
    assert len(server.requests) == 2


@pytest.mark.parametrize("failure", [reply(500), b"", reply(200, b"short", length=99)])
def test_a_post_is_retried_only_if_idempotent(failure: Response) -> None:
    with script(failure, reply(200)) as server, pytest.raises(StoreError, match="POST http"):
        Api(server.base).send("POST", "/x", content=b"1")
    assert len(server.requests) == 1
    with script(failure, reply(201)) as server:
        assert Api(server.base).send("POST", "/x", content=b"1", idempotent=True).status_code == 201


def test_a_rejected_post_is_always_retried() -> None:
    with script(reply(503), reply(429), reply(201)) as server:
        assert Api(server.base).send("POST", "/x").status_code == 201


@pytest.mark.slow
def test_retry_after_is_honoured() -> None:
    with script(reply(503, b"", "retry-after: 1"), reply(200)) as server:
        begin = time.monotonic()
        Api(server.base).send("GET", "/x")
    assert time.monotonic() - begin >= 1


def test_a_long_delay_that_a_server_demands_is_bounded_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delays: list[float] = []
    monkeypatch.setattr(time, "sleep", delays.append)
    with script(reply(503, b"", "retry-after: 100000000"), reply(200)) as server:
        Api(server.base).send("GET", "/x")
    assert delays == [60.0]
    assert f"{server.base}/x demands a delay of 60 s before the next request" in caplog.text


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
def test_an_error_carries_the_message_of_the_server(status: int, kind: type[VoxomeError]) -> None:
    with script(reply(status, b"because of the moon")) as server, pytest.raises(kind) as caught:
        Api(server.base).send("GET", "/x", params={"a": 1, "admintoken": "hidden"})
    message = str(caught.value)
    assert f"GET {server.base}/x?a=1" in message
    assert f"answered {status}: because of the moon" in message
    assert "hidden" not in message
    assert caught.value.status == status


def test_a_long_error_is_cut_before_it_is_redacted() -> None:
    body = b"because of the moon " + b'"token": "' + b"\\" * 3_000_000 + b" end"
    begin = time.thread_time()
    with script(reply(404, body)) as server, pytest.raises(NotFound, match="because of the moon"):
        Api(server.base).send("GET", "/x")
    assert time.thread_time() - begin < 2


def test_no_part_of_a_secret_is_left_where_an_error_is_cut() -> None:
    body = b"http://" + b"a" * 9_970 + b"@h moonbeam-moonbeam"
    with script(reply(404, body)) as server, pytest.raises(NotFound) as caught:
        Api(server.base).send("GET", "/x", params={"token": "moonbeam-moonbeam"})
    assert "moonbeam" not in str(caught.value)


def test_retries_are_limited() -> None:
    with (
        script(*[reply(503, b"full")] * 3) as server,
        pytest.raises(StoreError, match=r"full \(after 3 attempts\)"),
    ):
        Api(server.base, retries=2).send("GET", "/x")


def test_a_refused_connection_is_a_store_error() -> None:
    with pytest.raises(StoreError, match=r"GET http://127\.0\.0\.1:1/x"):
        Api("http://127.0.0.1:1", retries=1).send("GET", "/x")


def test_secrets_are_not_sent_to_the_server_that_another_redirects_to() -> None:
    headers = {"Authorization": "Token hunter2", "X-Auth-Token": "hunter2", "Range": "bytes=0-1"}
    with script(reply(200, b"right")) as other:
        location = f"location: {other.base}/y?a=1&token=hunter2&X-Amz-Signature=of-other"
        with script(reply(302, b"", location)) as server:
            Api(server.base, headers=lambda: headers).send("GET", "/x", params={"token": "hunter2"})
    assert b"hunter2" in server.requests[0]
    assert b"hunter2" not in other.requests[0]
    assert b"/y?a=1&X-Amz-Signature=of-other" in other.requests[0]
    assert b"bytes=0-1" in other.requests[0]


def test_secrets_are_sent_on_to_the_same_server() -> None:
    with script(reply(302, b"", "location: /y?token=hunter2"), reply(200)) as server:
        Api(server.base, headers=lambda: {"X-Auth-Token": "hunter3"}).send("GET", "/x", params={"token": "hunter2"})
    assert b"hunter2" in server.requests[1]
    assert b"hunter3" in server.requests[1]


def test_cookies_are_sent_to_no_server() -> None:
    """They would be those of another user of the process, or of another server of the same host."""
    with (
        script(reply(200, b"", "set-cookie: session=hunter2; Path=/"), reply(200)) as server,
        script(reply(200)) as other,
    ):
        for base in (server.base, server.base, other.base):
            Api(base).send("GET", "/x")
    assert not any(b"hunter2" in request for request in (*server.requests, *other.requests))


@pytest.mark.parametrize(
    "coding", ["deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "gzip,identity", "compress"]
)
def test_an_encoding_that_is_not_requested_is_refused_at_once(coding: str) -> None:
    body = zlib.compress(bytes(1000))
    with (
        script(reply(200, body, f"content-encoding: {coding}"), reply(200, b"right")) as server,
        pytest.raises(StoreError, match=f"the encoding '{coding}'; expected gzip"),
    ):
        Api(server.base).send("GET", "/x")
    assert len(server.requests) == 1


def test_a_redirected_write_fails() -> None:
    with (
        script(reply(302, b"", "location: /elsewhere"), reply(200)) as server,
        pytest.raises(StoreError, match="302"),
    ):
        Api(server.base).send("POST", "/x", content=b"1")


def test_a_redirected_read_is_followed_without_the_token() -> None:
    with (
        script(reply(200, b"there")) as other,
        script(reply(302, b"", f"location: {other.base}/there")) as server,
    ):
        api = Api(server.base, headers=lambda: {"authorization": "Token hidden"})
        assert api.send("GET", "/x").content == b"there"
    assert b"Token hidden" in server.requests[0]
    assert b"hidden" not in other.requests[0]


def test_endless_redirects_fail() -> None:
    with (
        script(*[reply(302, b"", "location: /x")] * 30) as server,
        pytest.raises(StoreError, match=r"redirects"),
    ):
        Api(server.base).send("GET", "/x")
    assert len(server.requests) < 30


def test_a_truncated_gzip_body_is_requested_again() -> None:
    packed = gzip.compress(b"right" * 100)
    with script(*[reply(200, body, "content-encoding: gzip") for body in (packed[:-9], b"what", packed)]) as server:
        assert Api(server.base).send("GET", "/x").content == b"right" * 100
    short = reply(200, packed[:-9], "content-encoding: gzip")
    with script(short, short) as server, pytest.raises(StoreError, match="ends early"):
        Api(server.base, retries=1).send("GET", "/x")


@pytest.fixture
def limits() -> Iterator[None]:
    voxome.configure(largest_chunk_bytes=100_000, operation_s=1)
    yield
    voxome.configure(largest_chunk_bytes=None, operation_s=None)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_body_that_is_too_large_is_refused_at_once(zipped: bool, limits: None) -> None:
    headers = ["content-encoding: gzip"] if zipped else []
    bodies = [gzip.compress(body) if zipped else body for body in (bytes(100_000), bytes(1 << 24))]
    with script(*[reply(200, body, *headers) for body in bodies]) as server:
        assert Api(server.base).send("GET", "/x").content == bytes(100_000)
        with pytest.raises(StoreError, match=r"more than 100,000 bytes.*VOXOME_LARGEST_CHUNK_BYTES"):
            Api(server.base).send("GET", "/x")
        assert len(server.requests) == 2


def test_json_has_the_limit_of_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api.json, "__kwdefaults__", {"most_bytes": 1000})
    with script(reply(200, b'"%s"' % (b"x" * 1000))) as server:
        with pytest.raises(StoreError, match="more than 1,000 bytes"):
            Api(server.base).json("GET", "/x")
        assert len(server.requests) == 1


@pytest.mark.slow
def test_a_body_that_never_ends_is_given_up_after_the_time_of_an_operation(limits: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            link, _ = server.accept()
            with link, suppress(OSError):
                link.recv(65536)
                link.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for _ in range(200):
                    link.sendall(b"1\r\nx\r\n")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"not ended within 1 s.*VOXOME_OPERATION_S"):
            Api(f"http://127.0.0.1:{server.getsockname()[1]}").send("GET", "/x")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("token", ["hidden\n", "hidden\r\n", "hidden ", "hidd\u00e9n"])
def test_a_token_that_no_header_can_carry_is_hidden(token: str) -> None:
    with script(reply(200)) as server, pytest.raises(VoxomeError) as caught:
        Api(server.base, headers=lambda: {"authorization": f"Token {token}"}, retries=0).send("GET", "/x")
    assert "hidd" not in str(caught.value)


def test_a_token_that_the_server_echoes_is_hidden() -> None:
    echo = b"no: Token hidden-token, me:hidden@, http://me:hidden@host/?admintoken=hidden"
    with script(reply(401, echo), reply(200, echo)) as server:
        api = Api(server.base, headers=lambda: {"authorization": "Token hidden-token"})
        for call in (lambda: api.send("GET", "/x"), lambda: api.json("GET", "/x", params={"token": "hidden-too"})):
            with pytest.raises(VoxomeError) as caught:
                call()
            assert "hidden-to" not in str(caught.value)
            assert "http://host/?admintoken=***" in str(caught.value)


def test_the_log_of_the_library_shows_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with script(reply(200)) as server:
        Api(server.base).send("GET", "/x", params={"admintoken": "hidden", "n": 1})
    assert b"admintoken=hidden" in server.requests[0]
    assert "admintoken=***&n=1" in caplog.text
    assert "hidden" not in caplog.text + str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("base", ["ftp://me:hidden@host", "http://me:hidden@host:port", "me:hidden@host"])
def test_an_invalid_address_is_refused(base: str) -> None:
    with pytest.raises(InvalidInput, match="not an address") as caught:
        Api(base)
    assert "hidden" not in str(caught.value) or "://" not in base


def test_headers_are_computed_for_each_request_and_not_stored() -> None:
    with script(reply(200), reply(200)) as server:
        tokens = iter(["one", "two"])
        api = Api(server.base, headers=lambda: {"authorization": next(tokens)})
        api.send("GET", "/x")
        api.send("GET", "/x")
    assert b"one" in server.requests[0]
    assert b"two" in server.requests[1]
    assert "one" not in repr(api)


def test_a_body_that_is_not_json_is_corrupt() -> None:
    with script(reply(200, b"<html>")) as server, pytest.raises(CorruptData, match="<html>"):
        Api(server.base).json("GET", "/x")


def test_an_address_needs_a_scheme() -> None:
    with pytest.raises(InvalidInput, match="write http"):
        Api("host:80")


def test_user_and_password_are_removed_from_the_address() -> None:
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
        fan_out(fails, range(100_000), workers=2)
    assert len(seen) < 5000


def test_a_server_without_tls_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, accepted = listener.getsockname()[1], []

        def answer() -> None:
            connection, _ = listener.accept()
            accepted.append(connection.recv(1024))
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StoreError, match=f"does not speak TLS.*name it as http://127.0.0.1:{port}") as caught:
            Api(f"https://127.0.0.1:{port}").send("GET", "/a")
        thread.join()
    assert len(accepted) == 1
    assert "attempts" not in str(caught.value)
