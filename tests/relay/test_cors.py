"""CORS headers are on every answer, whatever made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.relay.app import create_app
from voxome.relay.serve import in_thread

ORIGIN = "https://x.test"
STATUSES = (200, 206, 304, 400, 401, 403, 404, 405, 408, 413, 416, 429, 500, 503)


class Statuses:
    """Answers with the status that is requested; fails at 599."""

    def routes(self) -> list[BaseRoute]:
        return [Route("/status/{status:int}", self.answer), Route("/token", self.token, methods=["GET"])]

    def answer(self, request: Request) -> Response:
        status = request.path_params["status"]
        if status == 599:
            raise ZeroDivisionError
        return Response(status_code=status, headers={"Vary": "Accept"})

    def token(self, request: Request) -> Response:
        return PlainTextResponse("x", 200 if "authorization" in request.headers else 401)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module", params=[("*",), (ORIGIN, "https://y.test"), ()], ids=["all", "some", "none"])
def origins(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture(scope="module")
def client(origins: tuple[str, ...]) -> Iterator[httpx.Client]:
    with in_thread(create_app([Statuses()], allow_origins=origins)) as url, closing(httpx.Client(base_url=url)) as one:
        yield one


def expected(origins: tuple[str, ...], origin: str | None) -> str | None:
    return "*" if "*" in origins else origin if origin in origins else None


@pytest.mark.parametrize("origin", [ORIGIN, "https://stranger.test", None])
def test_every_answer_says_who_may_read_it(client: httpx.Client, origins: tuple[str, ...], origin: str | None) -> None:
    headers = {"Connection": "close"} | ({} if origin is None else {"Origin": origin})
    paths = [(f"/status/{status}", status) for status in STATUSES]
    for path, status in [*paths, ("/status/599", 500), ("/nothing", 404), ("/a%2Fb", 404), ("/token", 401)]:
        answer = client.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.headers.get("access-control-allow-origin") == expected(origins, origin), path
        vary = [one.strip() for one in answer.headers.get("vary", "").split(",")]
        assert ("Origin" in vary) == ("*" not in origins)
        assert ("Accept" in vary) == (path in dict(paths)), "headers of the answer itself are kept"
    assert client.post("/token", headers=headers).headers.get("access-control-allow-origin") == expected(
        origins, origin
    )


@pytest.mark.parametrize("path", ["/token", "/status/200", "/nothing", "/a%2Fb", "/"])
def test_preflights_need_no_token_and_no_path(client: httpx.Client, origins: tuple[str, ...], path: str) -> None:
    answer = client.options(
        path,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range, Authorization,x-amz-meta-one, bad header",
        },
    )
    assert answer.status_code == 204
    assert answer.headers.get("access-control-allow-origin") == expected(origins, ORIGIN)
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "range", "if-match", "if-none-match", "if-range", "content-type"} <= set(allowed)
    assert {"x-amz-date", "x-amz-meta-one"} <= set(allowed)
    assert "bad header" not in allowed
    assert {"GET", "HEAD", "PUT", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert int(answer.headers["access-control-max-age"]) > 0


def test_scripts_see_lengths_ranges_and_validators(client: httpx.Client, origins: tuple[str, ...]) -> None:
    shown = client.get("/status/206", headers={"Origin": ORIGIN}).headers.get("access-control-expose-headers", "")
    names = {"content-length", "content-range", "accept-ranges", "etag", "cache-status", "retry-after"}
    assert (names <= set(shown.split(", "))) == (expected(origins, ORIGIN) is not None)
