"""Escapes in a path hide nothing from the routes."""

from __future__ import annotations

import asyncio
import http.client

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.relay.app import create_app
from voxome.relay.raw_paths import RawPaths, is_plain
from voxome.relay.serve import in_thread


class Echo:
    """Answers the path that it was called with."""

    def routes(self) -> list[BaseRoute]:
        return [Route("/{path:path}", self.answer)]

    def answer(self, request: Request) -> Response:
        return PlainTextResponse(request.path_params["path"])

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/b//k", "b//k"),
        ("/b/k", "b/k"),
        ("/b/a+b", "b/a+b"),
        ("/b/a%2Bb", "b/a+b"),
        ("/b/a%20b", "b/a b"),
        ("/b/%252e%252e/k", "b/%2e%2e/k"),
        ("/b/%ED%95%9C", "b/한"),
        ("/b/a%2Fb", None),
        ("/b/..%2fk", None),
        ("/b/%2e%2e/k", None),
        ("/b/../k", None),
        ("/b/./k", None),
        ("/b/%00", None),
        ("/b/%FF", None),
    ],
)
def test_paths_are_decoded_once_part_by_part(url: str, path: str, part: str | None) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == (404 if part is None else 200)
    assert part is None or text == part


@pytest.mark.parametrize("key", ["zarr/../k", "zarr/a%00b", "zarr/%2e%2e/k", "zarr/a%2Fb"])
def test_s3_clients_get_the_refusal_as_xml(url: str, key: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("PUT", f"/s3/{key}")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert (answer.status, answer.headers["content-type"]) == (404, "application/xml")
    assert "<Code>NoSuchKey</Code>" in text


@pytest.fixture(scope="module")
def url():  # type: ignore[no-untyped-def]
    with in_thread(create_app([Echo()])) as url:
        yield url


def test_a_query_is_no_part_of_the_path() -> None:
    assert is_plain(b"/a?b=%2F")


def test_other_protocols_pass() -> None:
    passed = []

    async def app(scope: object, receive: object, send: object) -> None:
        passed.append(scope)

    scope = {"type": "websocket", "raw_path": b"/a%2Fb"}
    asyncio.run(RawPaths(app)(scope, None, None))  # type: ignore[arg-type]
    assert passed == [scope]
