"""Rates of callers: 429 with Retry-After, by user or address, over several tables of one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from relay.serving import as_user, stored
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voxome.relay.access_log import note
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.limits import Limits
from voxome.relay.rates import LimitedRates, RateTable
from voxome.relay.relay import Relay
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources

PATH = "/raw/em/cutout?box=0:10,0:10,0:10"


@contextmanager
def limited(table: RateTable | None = None, instance: str = "a", **limits: float) -> Iterator[str]:
    """The URL of a relay with these limits, whose users are ann and bob."""
    catalogue, sources = MemoryCatalogue(), Sources()
    sources.add("em", stored(np.zeros((10, 10, 10), "uint8")))
    for name in ("ann", "bob"):
        catalogue.write(add=[User(name=name), Token(digest=digest(f"{name}-token"), user=name)])
    catalogue.write(add=[Membership(group="lab", user="ann", rank="member")])
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
    dialects = open_dialects(relay, ["raw", "api"])
    app = create_app(dialects, allow_origins=["*"], limits=Limits(**limits), rates=table, instance=instance)
    with in_thread(app) as url:
        yield url


def statuses(url: str, count: int, path: str = PATH, **headers: str) -> list[int]:
    with httpx.Client(headers=headers) as client:
        return [client.get(url + path).status_code for _ in range(count)]


@pytest.mark.slow
def test_requests_above_the_rate_wait() -> None:
    with limited(requests_per_s=0.5, burst_s=10) as url:
        assert statuses(url, 7) == [200] * 5 + [429] * 2
        answer = httpx.get(url + PATH, headers={"Origin": "https://x.test"})
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json()["message"]
        assert httpx.get(f"{url}/ready").status_code != 429


@pytest.mark.slow
def test_a_rate_that_is_kept_to_is_permitted() -> None:
    with limited(requests_per_s=10_000, burst_s=1) as url:
        assert statuses(url, 200) == [200] * 200


def test_bytes_count_too() -> None:
    with limited(bytes_per_s=100, burst_s=20) as url:
        assert statuses(url, 4) == [200] * 2 + [429] * 2  # of 1128 bytes each


@pytest.mark.slow
def test_users_have_rates_of_their_own_and_wrong_tokens_none() -> None:
    with limited(requests_per_s=0.1, burst_s=100) as url:
        assert statuses(url, 1, **as_user("ann")) == [200]  # counted by address, until the token is known to be valid
        assert statuses(url, 1, **as_user("bob")) == [200]
        assert statuses(url, 9) == [200] * 8 + [429]
        assert [statuses(url, 1, Authorization=f"Token wrong{number}") for number in range(3)] == [[429]] * 3
        assert statuses(url, 11, **as_user("ann")) == [200] * 10 + [429]
        assert statuses(url, 1, **as_user("bob")) == [200]


@pytest.mark.slow
def test_a_wrong_token_on_a_path_that_needs_none_gains_nothing() -> None:
    with limited(requests_per_s=0.1, burst_s=30) as url:
        found = [statuses(url, 1, "/api/openapi.json", Authorization=f"Token w{number // 2}")[0] for number in range(6)]
        assert found == [200] * 3 + [429] * 3


@pytest.mark.slow
def test_processes_share_a_file(tmp_path: Path) -> None:
    tables = [RateTable(tmp_path / "rates") for _ in range(2)]
    with (
        limited(tables[0], requests_per_s=0.5, burst_s=10) as one,
        limited(tables[1], requests_per_s=0.5, burst_s=10) as other,
    ):
        assert statuses(one, 3) + statuses(other, 3) == [200] * 5 + [429]


@pytest.mark.slow
def test_without_rates_nothing_is_counted() -> None:
    with limited() as url:
        assert statuses(url, 50) == [200] * 50


def test_a_login_of_one_browser_does_not_bind_other_callers_without_a_token() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        note(caller="ann" if "authorization" in headers or "cookie" in headers else "")
        await Response()(scope, receive, send)

    async def run() -> list[int]:
        limited = LimitedRates(app, Limits(requests_per_s=0.01, burst_s=500), RateTable(), "salt")
        transport = httpx.ASGITransport(limited)
        async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
            ann = {"Authorization": "Bearer ann-token"}
            found = [
                (await client.get("/a", headers=headers)).status_code for headers in (ann, {"Cookie": "session=1"})
            ]
            found += [(await client.get("/a")).status_code for _ in range(6)]
            return [*found, (await client.get("/a", headers=ann)).status_code]

    statuses = anyio.run(run)
    assert statuses[:2] == [200, 200]
    assert statuses[-2:] == [429, 200]


def test_a_table_takes_its_room_on_the_disk_at_once(tmp_path: Path) -> None:
    RateTable(tmp_path / "rates")
    stat = (tmp_path / "rates").stat()
    assert stat.st_blocks * 512 >= stat.st_size > 0
