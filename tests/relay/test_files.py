"""Files over a socket: ranges, conditions, HEAD, and what caches may keep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voxome.relay.app import create_app
from voxome.relay.files import FileAnswer, file_response
from voxome.relay.serve import in_thread

CONTENT = bytes(range(100)) * 3
SIZE = len(CONTENT)
ETAG = FileAnswer(CONTENT).etag


class Files:
    """A public file, a private one, one with a version in its URL, and an empty one."""

    def routes(self) -> list[BaseRoute]:
        return [Route("/{name}", self.answer)]

    def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = b"" if name == "empty" else memoryview(CONTENT)
        return file_response(request, FileAnswer(content, "text/x", name == "v1"), public=name != "private")

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with in_thread(create_app([Files()])) as url, closing(httpx.Client(base_url=url)) as client:
        yield client


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("Bytes = 10-19", 10, 20),
        ("bytes=299-299", 299, 300),
        ("bytes=290-", 290, 300),
        ("bytes=-10", 290, 300),
        ("bytes=-1000", 0, 300),
        ("bytes=290-5000", 290, 300),
        ("bytes=0010-0019", 10, 20),
        (f"bytes=0-{'9' * 5000}", 0, 300),
    ],
)
def test_a_range_gives_exactly_its_bytes(client: httpx.Client, value: str, start: int, stop: int) -> None:
    for coding in ("identity", "gzip"):
        answer = client.get("/file", headers={"Range": value, "Accept-Encoding": coding})
        assert answer.status_code == 206
        assert answer.content == CONTENT[start:stop]
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.headers["etag"] == ETAG
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("value", ["bytes=300-", "bytes=300-310", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_a_range_outside_gets_416_with_the_size(client: httpx.Client, value: str) -> None:
    answer = client.get("/file", headers={"Range": value})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "300 bytes" in answer.json()["message"]


@pytest.mark.parametrize("value", ["bytes=20-10", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=٣-٤"])
def test_lists_and_invalid_ranges_give_the_whole_file(client: httpx.Client, value: str) -> None:
    answer = client.get("/file", headers={"Range": value.encode()})  # type: ignore[dict-item]
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["accept-ranges"] == "bytes"


def test_long_lists_of_ranges_cost_nothing(client: httpx.Client) -> None:
    value = "bytes=" + ",".join("0-" for _ in range(15000))
    start = time.process_time()
    assert client.get("/file", headers={"Range": value}).status_code == 200
    assert time.process_time() - start < 2


def test_an_empty_file_has_no_ranges(client: httpx.Client) -> None:
    assert client.get("/empty").content == b""
    for value in ("bytes=0-", "bytes=-1"):
        answer = client.get("/empty", headers={"Range": value})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize("extra", [{}, {"Accept-Encoding": "gzip"}, {"Range": "bytes=0-1"}])
def test_head_has_the_headers_of_the_whole_file_and_no_body(client: httpx.Client, extra: dict[str, str]) -> None:
    whole, head = client.get("/file"), client.head("/file", headers=extra)
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-length", "etag", "content-type", "accept-ranges", "cache-control")
    assert [head.headers[name] for name in names] == [whole.headers[name] for name in names]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": ETAG.strip('"')}, 304),
        ({"If-None-Match": f'"x", W/{ETAG}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": ETAG, "Range": "bytes=0-1"}, 304),
        ({"If-Match": ETAG}, 200),
        ({"If-Match": ETAG.strip('"')}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": f"W/{ETAG}"}, 412),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": '"x"', "If-None-Match": ETAG}, 412),
        ({"If-Range": ETAG, "Range": "bytes=0-1"}, 206),
        ({"If-Range": '"x"', "Range": "bytes=0-1"}, 200),
        ({"If-Range": f"W/{ETAG}", "Range": "bytes=0-1"}, 200),
        ({"If-Range": "Sun, 29 Nov 2026 10:00:00 GMT", "Range": "bytes=0-1"}, 200),
    ],
)
def test_conditions_decide_what_is_sent(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    answer = client.get("/file", headers=headers)
    assert answer.status_code == status
    assert answer.headers["etag"] == ETAG
    assert len(answer.content) == {200: SIZE, 206: 2, 304: 0}.get(status, len(answer.content))
    if "Range" not in headers:
        assert client.head("/file", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("name", "control", "vary"),
    [
        ("file", "public, no-cache", None),
        ("private", "private, no-cache", "Authorization"),
        ("v1", "public, max-age=31536000, immutable", None),
    ],
)
def test_only_urls_with_a_version_are_kept_without_a_question(
    client: httpx.Client, name: str, control: str, vary: str | None
) -> None:
    for headers in ({}, {"If-None-Match": ETAG}, {"Range": "bytes=0-1"}):
        answer = client.get(f"/{name}", headers=headers)
        assert answer.headers["cache-control"] == control
        parts = [one.strip() for one in answer.headers["vary"].split(",")]
        assert (vary is None) == ("Authorization" not in parts)
    refused = client.get(f"/{name}", headers={"If-Match": '"x"'})
    assert refused.headers["cache-control"] == "no-store"
