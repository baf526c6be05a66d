"""Requests that wait for a store hold up no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

import anyio
import httpx
import pytest
from relay.cache.caches import Store, open_cache
from relay.serving import serving, stored
from standins.faulty_proxy import FaultyProxy, Stall

import voxome
from voxome.errors import StoreError
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads, waiting
from voxome.testing.strategies import noise

DATA = noise((32, 32, 32), "uint8")
BOX = "cutout?box=0:32,0:32,0:32"
CLIENTS = 60


@contextmanager
def many(get: Callable[[], httpx.Response]) -> Iterator[list[Future[httpx.Response]]]:
    """Send requests from as many clients as wait for a store that does not answer."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        yield [pool.submit(get) for _ in range(CLIENTS)]


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_clients_that_wait_for_a_chunk_do_not_hold_up_another_source() -> None:
    store, go = Store(DATA), Event()
    store.before_read = lambda: go.wait(100) and None
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("stalled", store, caching=Caching(enabled=True))
        sources.add("em", stored(DATA))
        limits = httpx.Limits(max_connections=None)
        with serving(sources, ["raw"]) as url, httpx.Client(timeout=60, limits=limits) as client:
            with many(lambda: client.get(f"{url}/raw/stalled/{BOX}")) as answers:
                wait_until(lambda: bool(store.boxes))
                time.sleep(0.3)
                assert client.get(f"{url}/raw/em/{BOX}").status_code == 200
                assert not any(answer.done() for answer in answers)
                go.set()
            assert {answer.result().status_code for answer in answers} == {200}
    assert len(store.boxes) == 1


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_clients_that_wait_for_a_store_to_open_do_not_hold_up_another_source(cached: bool) -> None:
    voxome.configure(retries=0, stall_s=100)
    behind = Sources()
    behind.add("em", stored(DATA))
    try:
        with serving(behind, ["zarr"]) as store, FaultyProxy(store) as proxy, closing(open_cache()) as cache:
            proxy.script("zarr", *[Stall()] * 300)
            sources = Sources(cache)
            sources.add("stalled", f"zarr://{proxy.url}/zarr/em/0", caching=Caching(enabled=cached))
            sources.add("em", stored(DATA))
            limits = httpx.Limits(max_connections=None)
            with serving(sources, ["raw"]) as url, httpx.Client(timeout=60, limits=limits) as client:
                with many(lambda: client.get(f"{url}/raw/stalled/info")) as answers:
                    wait_until(lambda: bool(proxy.seen))
                    time.sleep(0.3)
                    assert client.get(f"{url}/raw/em/{BOX}").status_code == 200
                    assert not any(answer.done() for answer in answers)
                    proxy.over.set()  # stalled connections end
                assert {answer.result().status_code for answer in answers} == {503}
    finally:
        voxome.configure(retries=None, stall_s=None)


def test_handlers_that_work_are_limited_and_those_that_wait_are_refused_beyond_a_limit() -> None:
    working, most, go = set(), [0], Event()

    def work(number: int) -> None:
        working.add(number)
        most[0] = max(most[0], len(working))
        time.sleep(0.05)
        working.discard(number)

    def wait_for(source: str) -> None:
        with waiting(source):
            go.wait(100)
        assert len(working) <= 1

    async def run() -> None:
        threads = RequestThreads(2, 3)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(threads.run, wait_for, "a")
            group.start_soon(threads.run, wait_for, "b")
            while threads._waiting != {"a": 3, "b": 1}:
                await anyio.sleep(0.01)
            with pytest.raises(StoreError, match="3 requests wait"):
                await threads.run(wait_for, "a")
            async with anyio.create_task_group() as others:
                for number in range(6):
                    others.start_soon(threads.run, work, number)
            go.set()
        await threads.run(wait_for, "a")

    anyio.run(run)
    assert most == [2]


def test_waiting_outside_a_handler_does_nothing() -> None:
    with waiting("a"):
        pass
