"""The status of a relay, as JSON and as a page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers.chromium import Visit
from relay.cache.caches import Store, open_cache
from relay.serving import as_user, stored

from voxome.errors import StoreError
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.caching import Caching
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.operation import Operation
from voxome.relay.processes import ProcessTable
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

SECRET = "s3://key:password@store.example/em"
CUTOUT = "cutout?box=0:60,0:60,0:60"


def failing() -> Store:
    store = Store()

    def fail() -> None:
        raise StoreError(f"{SECRET} does not answer")

    store.before_read = fail
    return store


@contextmanager
def relay() -> Iterator[str]:
    """A relay with sources that are up, down, unused and private."""
    catalogue, processes = MemoryCatalogue(), ProcessTable()
    catalogue.write(add=[User(name="ann"), Token(digest=digest("ann-token"), user="ann")])
    catalogue.write(add=[Membership(group="lab", user="ann", rank="member")])
    with closing(open_cache()) as cache:
        cache.memory._gauge = processes.gauge
        sources = Sources(cache)
        cached = Caching(enabled=True)
        sources.add("lab/brain/em", Store(), caching=cached)
        sources.add("lab/brain/segments", failing(), caching=cached)
        sources.add("local", stored(noise((60, 60, 60), "uint8")))
        sources.add("private", Store(), Rights(frozenset({"lab"})), cached)
        app_relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
        operation = Operation(app_relay, cache, processes)
        with in_thread(create_app([operation, *open_dialects(app_relay, ["raw"])])) as url:
            for _ in range(4):
                httpx.get(f"{url}/raw/lab/brain/em/{CUTOUT}")
                httpx.get(f"{url}/raw/lab/brain/segments/{CUTOUT}")
            yield url


def status(url: str, **headers: str) -> dict[str, Any]:
    answer = httpx.get(f"{url}/status.json", headers=headers)
    assert answer.status_code == 200
    assert SECRET not in answer.text
    assert "password" not in answer.text
    return {**answer.json(), "by_name": {one["name"]: one for one in answer.json()["sources"]}}


@pytest.mark.slow
def test_the_status_has_health_and_load_of_each_source() -> None:
    with relay() as url:
        found = status(url)
    em, segments, local = (found["by_name"][name] for name in ("lab/brain/em", "lab/brain/segments", "local"))
    assert (em["state"], segments["state"], local["state"]) == ("up", "down", "unused")
    assert em["last_success"] is not None
    assert em["last_error"] is None
    assert (em["chunk_reads"], em["hit_rate"], em["errors"]) == (4, 0.75, 0)
    assert em["read_bytes"] == 4 * 60**3
    assert em["fetched_bytes"] > 60**3
    assert em["latency_s"]["mean"] >= 0
    assert segments["last_error"]["class"] == "StoreError"
    assert segments["errors"] == 4
    assert segments["hit_rate"] is None
    assert found["version"]
    assert found["uptime_s"] >= 0
    assert [one["pid"] for one in found["processes"]] == [os.getpid()]


@pytest.mark.slow
def test_a_caller_sees_the_sources_that_they_may_read() -> None:
    with relay() as url:
        assert "private" not in status(url)["by_name"]
        assert "private" in status(url, **as_user("ann"))["by_name"]
        page = httpx.get(f"{url}/status")
        assert "private" not in page.text
        assert "private" in httpx.get(f"{url}/status", headers=as_user("ann")).text
        assert page.headers["cache-control"] == "no-store"


def test_a_store_that_cannot_be_reached_is_named_when_the_relay_is_ready() -> None:
    with relay() as url:
        answer = httpx.get(f"{url}/ready")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        (warning,) = answer.json()["warnings"]
        assert warning.startswith("lab/brain/segments: its store could not be reached ")
        assert "StoreError" in warning
        assert SECRET not in answer.text
        assert status(url)["warnings"][0].startswith("lab/brain/segments: ")


def test_the_cache_has_sizes_and_budgets(tmp_path: Path) -> None:
    with closing(open_cache(tmp_path / "cache")) as cache:
        sources = Sources(cache)
        sources.add("em", Store(), caching=Caching(enabled=True))
        catalogue = MemoryCatalogue()
        one = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
        processes = ProcessTable(tmp_path / "processes")
        cache.memory._gauge = processes.gauge
        sources.read("em", sources.spec("em").domain)
        with in_thread(create_app([Operation(one, cache, processes)])) as url:
            found = status(url)["cache"]
    assert found["memory"] == {"bytes": cache.memory.nbytes, "budget_bytes": 2**24}
    assert found["memory"]["bytes"] > 0
    assert 0 < found["disk"]["bytes"] < found["disk"]["budget_bytes"] == 2**24


def test_processes_that_have_ended_are_left_out(tmp_path: Path) -> None:
    first = ProcessTable(tmp_path / "processes", 0)
    second = ProcessTable(tmp_path / "processes", 1)
    assert [one.pid for one in first.alive()] == [os.getpid()] * 2
    second._table[1, 0] = 2**22 + 1  # beyond the largest number of a process
    assert len(first.alive()) == 1


@pytest.mark.slow
def test_the_page_shows_everything_without_loading_anything_else(visit: Visit, tmp_path: Path) -> None:
    with relay() as url:
        visit.page.set_viewport_size({"width": 1300, "height": 560})
        visit.page.goto(f"{url}/status")
        assert visit.page.locator("tr").count() == 4
        assert visit.page.locator(".down").count() == 1
        assert "lab/brain/em" in visit.page.inner_text("body")
        assert "75.0 %" in visit.page.inner_text("body")
        assert visit.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        visit.page.screenshot(path=str(tmp_path / "status.png"))
    assert visit.errors == []
    assert visit.requests == [f"{url}/status"]
