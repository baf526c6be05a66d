"""Connections of strangers on a socket: slow, silent, too many, too long; refused bodies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import requests
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.relay.accounts import Caller
from voxome.relay.app import create_app
from voxome.relay.connections import Guard, _Sender
from voxome.relay.http import LongResponse, error_response, read_body
from voxome.relay.limits import Limits
from voxome.relay.request_errors import TooLarge, UnfinishedBody
from voxome.relay.serve import in_thread

LIMITS = Limits(header_s=0.3, body_s=0.3, write_s=0.4, idle_s=0.3, least_bytes_per_s=10_000, connections_per_address=9)
LATE = 30.0
"""Time in s after which a limit must have acted."""
ORIGIN = "https://x.test"


class Upload:
    """Counts the bytes of bodies of at most 100 MB, refuses others without reading them, and sends long answers."""

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/up", self.count, methods=["PUT"]),
            Route("/refused", self.refuse, methods=["PUT", "GET"]),
            Route("/long", self.send, methods=["GET"]),
        ]

    def close(self) -> None:
        pass

    async def count(self, request: Request) -> Response:
        try:
            return JSONResponse({"bytes": len(await read_body(request, 10**8))})
        except (TooLarge, UnfinishedBody) as error:
            return error_response(error, request, Caller())

    async def refuse(self, request: Request) -> Response:
        return JSONResponse({"message": "no permission"}, 403)

    async def send(self, request: Request) -> Response:
        return LongResponse(bytes(50_000_000))


@contextmanager
def serving(limits: Limits = LIMITS) -> Iterator[str]:
    app = create_app([Upload()], allow_origins=["*"], limits=limits)
    with in_thread(app, guard=Guard(limits, ["*"])) as url:
        yield url


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


def connect(url: str, sent: bytes = b"") -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    try:
        while part := connection.recv(2**16):
            received += part
    except ConnectionResetError:
        pass
    return received


def drip(connection: socket.socket, byte: bytes, each_s: float) -> None:
    """Send a byte again and again, until the server closes."""

    def send() -> None:
        try:
            while True:
                connection.sendall(byte)
                time.sleep(each_s)
        except OSError:
            pass

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.parametrize(("sent", "drips"), [(b"", False), (b"GE", False), (b"GET /up HTTP/1.1\r\nX: ", True)])
def test_headers_that_do_not_arrive_in_time_get_408(url: str, sent: bytes, drips: bool) -> None:
    with closing(connect(url, sent)) as connection:
        if drips:
            drip(connection, b"a", 0.05)
        start = time.monotonic()
        answer = rest(connection)
        assert time.monotonic() - start < LIMITS.header_s + LATE
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Access-Control-Allow-Origin: *" in answer


@pytest.mark.parametrize("length", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("drips", [False, True])
def test_bodies_that_do_not_arrive_in_time_get_408(url: str, length: bytes, drips: bool) -> None:
    head = b"PUT /up HTTP/1.1\r\nHost: x\r\nOrigin: https://x.test\r\n" + length + b"\r\n\r\n1\r\na\r\n"
    with closing(connect(url, head)) as connection:
        if drips:
            drip(connection, b"1\r\na\r\n", 0.05)
        start = time.monotonic()
        answer = rest(connection)
        assert time.monotonic() - start < LIMITS.body_s + LATE + 2.1 * drips  # what is sent still is taken for 2 s
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"access-control-allow-origin: *" in answer


def test_a_slow_but_steady_body_is_taken(url: str) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(6):
            time.sleep(0.1)
            yield bytes(4000)

    assert httpx.put(f"{url}/up", content=parts()).json() == {"bytes": 24_000}


def test_idle_connections_are_closed_without_an_answer(url: str) -> None:
    request = b"GET /refused HTTP/1.1\r\nHost: x\r\n\r\n"
    with closing(connect(url, request)) as connection:
        assert connection.recv(2**16).startswith(b"HTTP/1.1 403 ")
        connection.sendall(request)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 403 ")
        start = time.monotonic()
        assert rest(connection) == b""
        assert LIMITS.idle_s - 0.1 < time.monotonic() - start < LIMITS.idle_s + LATE


def test_answers_that_nobody_reads_are_given_up() -> None:
    with serving() as url, closing(connect(url, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")) as connection:
        time.sleep(LIMITS.write_s + 1)
        assert len(rest(connection)) < 49_000_000


def test_an_answer_that_is_read_slowly_is_sent_to_its_end(url: str) -> None:
    with closing(connect(url, b"GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) as connection:
        size = 0
        while part := connection.recv(2**20):
            size += len(part)
            time.sleep(0.005)
    assert size > 50_000_000


def test_long_headers_are_refused(url: str) -> None:
    unfinished = b"GET /refused HTTP/1.1\r\nX: " + b"a" * 70_000
    with closing(connect(url)) as connection:
        for start in range(0, len(unfinished), 2000):
            connection.sendall(unfinished[start : start + 2000])
            time.sleep(0.001)
        assert rest(connection).startswith(b"HTTP/1.1 431 ")
    whole = httpx.get(f"{url}/refused", headers={"X": "a" * 66_000, "Origin": ORIGIN})
    assert (whole.status_code, whole.headers["access-control-allow-origin"]) == (431, "*")
    assert httpx.get(f"{url}/refused", headers=[("X", "1")] * 11_000).status_code == 431
    assert httpx.get(f"{url}/refused?{'a' * 20_000}").status_code == 414


def test_what_is_not_http_gets_400_with_permission_for_pages(url: str) -> None:
    with closing(connect(url, b"\x16\x03\x01 hello\r\n\r\n")) as connection:
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Access-Control-Allow-Origin: *" in answer


@pytest.mark.parametrize("path", [b"/up", b"/refused"])
def test_a_body_that_is_not_http_gets_400(url: str, path: bytes, caplog: pytest.LogCaptureFixture) -> None:
    head = b"PUT " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(connect(url, head + b"f" * 20 + b"\r\nabc\r\n")) as connection:
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "Traceback" not in caplog.text


def test_what_is_not_http_behind_a_request_ends_the_connection(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(connect(url, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\r\n\r\n")) as connection:
        rest(connection)
    assert httpx.get(f"{url}/refused").status_code == 403
    assert "Traceback" not in caplog.text


def test_connections_are_limited_by_address() -> None:
    with serving() as url, ExitStack() as stack:
        open = [stack.enter_context(closing(connect(url))) for _ in range(LIMITS.connections_per_address)]
        answer = await_status(url, 503)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["access-control-allow-origin"] == "*"
        open[0].close()
        await_status(url, 403)


def await_status(url: str, status: int) -> httpx.Response:
    """Return the first answer with this status: connections are counted when the server comes to them."""
    end = time.monotonic() + 60
    while True:
        answer = httpx.get(f"{url}/refused", headers={"Origin": ORIGIN})
        if answer.status_code == status:
            return answer
        assert time.monotonic() < end, f"no status {status} in 60 s"


@pytest.mark.parametrize("size", [0, 1000, 900_000, 30_000_000])
@pytest.mark.parametrize("client", ["httpx", "requests", "chunked"])
def test_the_status_of_a_refused_body_is_read(url: str, client: str, size: int) -> None:
    headers, body = {"Authorization": "Token x"}, bytes(size)
    for _ in range(2):
        if client == "requests":
            status = requests.put(f"{url}/refused", data=body, headers=headers, timeout=60).status_code
        elif client == "chunked":
            parts = (body[start : start + 2**16] for start in range(0, size, 2**16))
            status = httpx.put(f"{url}/refused", content=parts, headers=headers).status_code
        else:
            status = httpx.put(f"{url}/refused", content=body, headers=headers).status_code
        assert status == 403


def test_a_body_that_is_announced_as_too_long_is_not_sent_for(url: str) -> None:
    head = b"PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\nExpect: 100-continue\r\n\r\n"
    with closing(connect(url, head)) as connection:
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_a_request_behind_an_unread_body_is_not_answered(url: str) -> None:
    smuggled = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    with closing(connect(url, head + smuggled)) as connection:
        answer = rest(connection)
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.slow
def test_300_slow_connections_do_not_slow_down_the_others() -> None:
    slow = Limits(header_s=60, body_s=60)
    with serving(slow) as url, ExitStack() as stack:
        quiet = median_s(url)
        for number in range(300):
            sent = (b"GET /long HTTP/1.1\r\nX: ", b"PUT /up HTTP/1.1\r\nContent-Length: 9999\r\n\r\n")[number % 2]
            drip(stack.enter_context(closing(connect(url, sent))), b"a", 1.0)
        assert median_s(url) <= 10 * quiet + 0.05


def median_s(url: str) -> float:
    """Time in s in which a plain request is answered."""
    times = []
    with closing(httpx.Client(base_url=url)) as client:
        for _ in range(50):
            start = time.perf_counter()
            assert client.get("/refused").status_code == 403
            times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


class Calls:
    """A transport, and what was called of it; the loop and the protocol of a connection, too."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.later: list[Callable[[], None]] = []
        self.loop = self
        self.is_ended = False

    def call_soon(self, action: Callable[[], None]) -> None:
        self.later.append(action)

    def write(self, data: bytes) -> None:
        self.calls.append((data,))

    def writelines(self, parts: Sequence[bytes]) -> None:
        self.calls.append(tuple(parts))

    def is_closing(self) -> bool:
        return (b"closed",) in self.calls


def test_the_head_of_an_answer_is_sent_with_its_body() -> None:
    calls, long = Calls(), bytes(10_000)
    sender = _Sender(calls, calls)  # type: ignore[arg-type]
    sender.write(b"head")
    sender.write(memoryview(long))
    sender.write(long)
    sender.write(b"another head")
    assert calls.calls == [(b"head", long), (long,)]
    for action in calls.later:
        action()
    assert calls.calls[2:] == [(b"another head",)]
    calls.write(b"closed")
    sender.write(b"late")
    sender.flush()
    assert calls.calls[3:] == [(b"closed",)]
