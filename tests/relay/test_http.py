"""HTTP helpers for dialects: limits of bodies, statuses of errors, threads, long responses."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from voxome.errors import AccessDenied, AlreadyExists, InvalidBox, NotFound, ReadOnly, StoreError
from voxome.relay.accounts import Accounts, Caller
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss import serve as boss
from voxome.relay.dialects.s3 import errors as s3
from voxome.relay.http import LongResponse, endpoint, error_response, read_body
from voxome.relay.memory import ChunkTooLarge
from voxome.relay.relay import Relay
from voxome.relay.request_errors import PreconditionFailed, TooLarge
from voxome.relay.source_errors import SourceLoop, SourceUnavailable
from voxome.relay.threads import RequestThreads
from voxome.relay.writes.journal import TooLargeForJournal


def request(*parts: bytes, length: str | None = None) -> Request:
    """A request whose body arrives in `parts`."""
    messages = iter([{"type": "http.request", "body": part, "more_body": True} for part in parts])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.request", "body": b"", "more_body": False})

    headers = [] if length is None else [(b"content-length", length.encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/x",
        "headers": headers,
        "query_string": b"",
        "server": ("h", 1),
    }
    return Request(scope, receive)


def test_a_body_of_the_limit_is_read() -> None:
    assert asyncio.run(read_body(request(b"ab", b"cd", length="4"), 4)) == b"abcd"
    assert asyncio.run(read_body(request(), 0)) == b""


@pytest.mark.parametrize(("parts", "length"), [((), "5"), ((b"abc", b"de"), None), ((), "-1"), ((), "1e3")])
def test_longer_bodies_are_refused_whatever_their_announced_length(
    parts: tuple[bytes, ...], length: str | None
) -> None:
    with pytest.raises(TooLarge):
        asyncio.run(read_body(request(*parts, length=length), 4))


def test_a_long_body_is_not_read_to_its_end() -> None:
    sent = []

    async def receive() -> dict[str, Any]:
        sent.append(1)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [], "query_string": b""}
    with pytest.raises(TooLarge):
        asyncio.run(read_body(Request(scope, receive), 250))
    assert len(sent) == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TooLarge("x"), 413),
        (InvalidBox("x"), 400),
        (NotFound("x"), 404),
        (ReadOnly("x"), 403),
        (AccessDenied("x"), 403),
        (SourceUnavailable("x"), 503),
        (StoreError("/secret/path"), 503),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_statuses_of_errors(error: Exception, status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = error_response(error, request(), Caller("bob"))
    assert answer.status_code == status
    assert b"secret" not in answer.body
    assert bool(caplog.records) == (status >= 500)


def test_errors_of_stores_that_nobody_has_named_are_to_be_repeated_in_all_dialects() -> None:
    error = StoreError("/secret/path")
    for answer in (
        error_response(error, request(), Caller()), boss.error_response(error, request()),
        s3.error_response(error, request()),
    ):  # fmt: skip
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert b"secret" not in answer.body


def test_anonymous_callers_without_permission_get_status_401() -> None:
    answer = error_response(AccessDenied("x"), request(), Caller())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Token")


def test_handlers_of_all_endpoints_share_the_threads_of_the_relay() -> None:
    catalogue, running, most = MemoryCatalogue(), [], []

    def handler(request: Request, caller: Caller, body: bytearray) -> Response:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return Response()

    async def call_all() -> None:
        relay = Relay(catalogue, Accounts(catalogue), "memory://unused", threads=RequestThreads(1))
        await asyncio.gather(*(endpoint(relay, 0, handler)(request()) for _ in range(3)))

    asyncio.run(call_all())
    assert most == [1, 1, 1]


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_long_responses_are_sent_completely_in_slices(size: int) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    asyncio.run(LongResponse(body)({"type": "http"}, None, send))  # type: ignore[arg-type]
    start, *slices = messages
    assert start["status"] == 200
    assert b"".join(bytes(one["body"]) for one in slices) == body
    assert [one["more_body"] for one in slices] == [True] * (len(slices) - 1) + [False]
    assert max(len(one["body"]) for one in slices) <= 2**20


@pytest.mark.parametrize(
    "error",
    [
        InvalidBox("x"), NotFound("x"), ReadOnly("x"), AlreadyExists("x"), PreconditionFailed("x"), ChunkTooLarge("x"),
        TooLargeForJournal("x"), SourceLoop("x"), SourceUnavailable("x"), StoreError("x"), ZeroDivisionError("x"),
    ],
)  # fmt: skip
def test_an_error_has_one_status_in_all_dialects(error: Exception) -> None:
    answers = (
        error_response(error, request(), Caller("bob")), boss.error_response(error, request()),
        s3.error_response(error, request()),
    )  # fmt: skip
    assert len({answer.status_code for answer in answers}) == 1
