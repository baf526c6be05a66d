"""Sources are cached by identity and state, checked again in time, and kept while they cannot be reached."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import anyio.to_thread
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, Store, open_cache, part, zeros
from relay.upstreams import ADMIN, CACHED, Clock, served, wait_for, zarr_uri

from voxome.contracts.source import MeshSource, VolumeSource
from voxome.errors import NotFound, StoreError
from voxome.geometry import Box
from voxome.relay import source_checks
from voxome.relay.cache import chunk_cache
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.status import cache_status, recording
from voxome.relay.caching import Caching
from voxome.relay.origin import Origin
from voxome.relay.source_checks import SourceChecks
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads
from voxome.testing.strategies import noise


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as opened:
        yield opened


def test_sources_behind_a_network_are_cached_by_default(cache: ChunkCache, tmp_path: Path) -> None:
    sources = Sources(cache)
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources.add("local", uri)
    sources.add("forced", uri, caching=CACHED)
    sources.read("local", ONE)
    assert cache.memory.nbytes == 0
    sources.read("forced", ONE)
    assert cache.memory.nbytes > 0


def test_a_source_that_was_replaced_shows_nothing_of_the_old_one(
    cache: ChunkCache, tmp_path: Path, clock: Clock
) -> None:
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources = Sources(cache)
    sources.add("em", uri, caching=CACHED)
    sources.read("em", WHOLE)
    old = sources.version("em")
    shutil.rmtree(tmp_path / "a.zarr")
    zarr_uri(tmp_path, np.zeros((30, 30, 30), "uint64"), chunk=(10, 10, 10))
    clock.ahead_s = 601
    assert sources.spec("em").dtype == np.uint64
    read = sources.read("em", Box.of_shape((30, 30, 30)))
    assert read.dtype == np.uint64
    assert not read.any()
    assert sources.version("em") != old


@pytest.mark.slow
def test_new_metadata_are_found_when_a_read_fails(cache: ChunkCache, tmp_path: Path) -> None:
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"), chunk=(64, 64, 64))
    sources = Sources(cache)
    sources.add("em", uri, caching=CACHED)
    sources.read("em", ONE)
    shutil.rmtree(tmp_path / "a.zarr")
    again = noise((60, 70, 80), "uint64")
    zarr_uri(tmp_path, again, chunk=(10, 10, 10))
    far = Box((59, 69, 79), (60, 70, 80))
    assert_array_equal(sources.read("em", far), part(again, far))


@pytest.mark.parametrize("covers_voxels", [False, True])
def test_a_source_is_checked_after_its_ttl(cache: ChunkCache, clock: Clock, covers_voxels: bool) -> None:
    store = Store()
    store.covers_voxels = covers_voxels
    sources = served(cache, store, Caching(True, ttl_s=10))
    before = sources.version("em")
    sources.read("em", ONE)
    clock.ahead_s = 9
    sources.read("em", ONE)
    assert len(store.boxes) == 1
    clock.ahead_s = 11
    sources.read("em", ONE)
    assert len(store.boxes) == (1 if covers_voxels else 2)
    assert (sources.version("em") == before) == covers_voxels
    store.token = "second"
    clock.ahead_s = 22
    sources.read("em", ONE)
    assert len(store.boxes) == (2 if covers_voxels else 3)
    assert sources.version("em") != before


@pytest.mark.parametrize("failure", [StoreError, OSError, TimeoutError, ConnectionRefusedError])
def test_a_source_that_cannot_be_reached_is_served_as_it_was(
    cache: ChunkCache, clock: Clock, failure: type[Exception]
) -> None:
    def fail() -> None:
        raise failure("no answer")

    store = Store()
    sources = served(cache, store, Caching(True, ttl_s=10, stale_s=100))
    sources.read("em", ONE)
    store.before_read = store.check = fail
    clock.ahead_s = 60
    with recording() as results:
        assert_array_equal(sources.read("em", ONE), part(store.voxels, ONE))
    assert cache_status(results) == 'voxome; hit; detail="stale"'
    with pytest.raises(SourceUnavailable):
        sources.read("em", WHOLE)
    clock.ahead_s = 111
    with pytest.raises(SourceUnavailable):
        sources.read("em", ONE)
    store.before_read = store.check = lambda: None
    store.covers_voxels = True
    clock.ahead_s = 113
    assert_array_equal(sources.read("em", ONE), part(store.voxels, ONE))
    assert len([box for box in store.boxes if ONE in box]) <= 2


def test_a_source_that_is_gone_is_not_served(cache: ChunkCache, clock: Clock) -> None:
    def gone() -> None:
        raise NotFound("deleted")

    store = Store()
    sources = served(cache, store, Caching(True, ttl_s=10))
    sources.read("em", ONE)
    store.check = gone
    clock.ahead_s = 11
    with pytest.raises(SourceUnavailable):
        sources.read("em", ONE)


@pytest.mark.parametrize("days", [-1, 1])
def test_the_wall_clock_may_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    store, wall = Store(), time.time
    for start in range(3):
        if start:
            monkeypatch.setattr(time, "time", lambda: wall() + days * 86400)
        with closing(open_cache(tmp_path / "cache")) as cache:
            sources = Sources(cache)
            sources.add("em", store, caching=Caching(True, ttl_s=10))
            sources._upstreams["em"].origin.identity = "the same at each start"
            sources.read("em", ONE)
            sources.read("em", ONE)
    assert len(store.boxes) == 1


def test_after_a_start_of_the_machine_time_goes_by_the_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, wall, monotonic = Store(), time.time, time.monotonic
    ages, reads = (0, -86400, 5, 20), []
    for boot, age in enumerate(ages):
        monkeypatch.setattr("voxome.relay.cache.states._boot", lambda boot=boot: str(boot))
        monkeypatch.setattr(time, "time", lambda age=age: wall() + age)
        monkeypatch.setattr(time, "monotonic", lambda boot=boot: monotonic() + 1000 * boot)
        with closing(open_cache(tmp_path / "cache")) as cache:
            sources = Sources(cache)
            sources.add("em", store, caching=Caching(True, ttl_s=10))
            sources._upstreams["em"].origin.identity = "the same at each start"
            sources.read("em", ONE)
        reads.append(len(store.boxes))
    assert reads == [1, 1, 1, 2]


def test_nobody_waits_long_for_a_check_of_what_can_be_served(
    cache: ChunkCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 0.2)
    store, release = Store(), Event()
    sources = served(cache, store, Caching(True, ttl_s=10))
    sources.read("em", ONE)
    store.check = lambda: release.wait(100)
    clock.ahead_s = 11
    begin = time.perf_counter()
    for _ in range(20):
        assert_array_equal(sources.read("em", ONE), part(store.voxels, ONE))
    assert time.perf_counter() - begin < 40
    release.set()


def test_a_source_that_does_not_answer_holds_up_no_other(cache: ChunkCache) -> None:
    release, dead, living = Event(), Store(np.zeros((64, 64, 64 * 40), "uint8")), Store()
    dead.before_read = lambda: release.wait(100)
    sources = served(cache, dead)
    sources.add("living", living, caching=CACHED)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sources.read, "em", dead.spec.domain)
        assert_array_equal(sources.read("living", WHOLE), living.voxels)
        assert not waiting.done()
        release.set()
        waiting.result(100)


def test_one_check_is_made_for_all_who_wait(cache: ChunkCache) -> None:
    store, release, checks = Store(), Event(), []

    def check() -> None:
        checks.append(1)
        release.wait(100)
        raise StoreError("refused")

    store.check = check
    sources = served(cache, store)
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(sources.read, "em", ONE) for _ in range(8)]
        Event().wait(0.2)
        release.set()
        for read in reads:
            assert isinstance(read.exception(100), SourceUnavailable)
    assert len(checks) <= 2


def limit(sources: Sources, seconds: float) -> None:
    """Give the store so much time for each read from now on."""
    upstream = sources._upstreams["em"]
    upstream.caching = replace(upstream.caching, timeout_s=seconds)
    upstream._current()[0].arrays.clear()


@pytest.mark.parametrize("cached", [True, False])
def test_a_read_of_a_store_that_does_not_answer_is_given_up_in_time(
    cached: bool, cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, release = Store(), Event()
    store.before_read = lambda: wait_for(release)
    sources = Sources(cache)
    monkeypatch.setattr(Origin, "is_remote", True)
    sources.add("em", store, caching=Caching(cached))
    limit(sources, 0.01)
    with pytest.raises(SourceUnavailable) as raised:
        sources.read("em", ONE)
    assert isinstance(raised.value.__cause__, OSError)
    limit(sources, 100)
    release.set()
    assert_array_equal(sources.read("em", ONE), part(store.voxels, ONE))


def test_each_chunk_of_those_that_come_one_after_the_other_has_the_whole_time(
    cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, may_come, limits = Store(), Semaphore(0), list[float | None]()

    def wait_for_one(pending: set[Future[Any]], most_s: float | None, until: str) -> Any:
        limits.append(most_s)
        may_come.release()
        return futures.wait(pending, None, until)

    monkeypatch.setattr(chunk_cache, "wait", wait_for_one)
    store.before_read = lambda: may_come.acquire(timeout=100) and None
    sources = served(cache, store, Caching(True, timeout_s=3))
    cache._pools[sources.identity("em")] = ThreadPoolExecutor(1)
    assert_array_equal(sources.read("em", WHOLE), store.voxels)
    assert limits == [3] * 4


def test_a_stale_chunk_is_served_instead_of_one_that_does_not_come(cache: ChunkCache, clock: Clock) -> None:
    store, release = Store(), Event()
    sources = served(cache, store, Caching(True, ttl_s=10, stale_s=100))
    sources.read("em", ONE)
    clock.ahead_s = 11
    limit(sources, 0.01)
    store.before_read = lambda: wait_for(release)
    assert_array_equal(sources.read("em", ONE), part(store.voxels, ONE))
    release.set()


@contextmanager
def recalled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sources, Event]]:
    """Yield sources with a store that was open before they were, and now does not open until an event is set."""
    monkeypatch.setattr(Origin, "is_remote", True)
    monkeypatch.setattr(Origin, "identity", "em")
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 0.01)
    with closing(open_cache(folder)) as cache:
        sources = Sources(cache)
        sources.add("em", Store(), caching=CACHED)
        sources.read("em", ONE)
    opens, release = Origin.open, Event()

    def open_late(origin: Origin, *, writable: bool) -> ReadableSource:
        wait_for(release)
        return opens(origin, writable=writable)

    monkeypatch.setattr(Origin, "open", open_late)
    with closing(open_cache(folder)) as cache:
        sources = Sources(cache)
        sources.add("em", Store(), caching=CACHED)
        assert sources.spec("em").domain == WHOLE
        try:
            yield sources, release
        finally:
            release.set()


def test_an_ability_that_a_recalled_store_has_to_tell_holds_up_no_other_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recalled(tmp_path, monkeypatch) as (sources, release):
        arrived, found = Event(), list[bool | None]()
        open_level = SourceChecks._open_level

        def ask(checks: SourceChecks, incarnation: str, number: int) -> VolumeSource:
            arrived.set()
            return open_level(checks, incarnation, number)

        monkeypatch.setattr(SourceChecks, "_open_level", ask)

        async def run() -> None:
            threads = RequestThreads(1)

            async def use() -> None:
                found.append(await threads.run(sources.use, "em", MeshSource, lambda meshes: True))

            async with anyio.create_task_group() as group:
                group.start_soon(use)
                await anyio.to_thread.run_sync(wait_for, arrived)
                try:
                    with anyio.fail_after(10):
                        await threads.run(lambda: None)
                    assert not found
                finally:
                    release.set()

        anyio.run(run)
        assert found == [None]


def test_an_ability_that_a_recalled_store_does_not_tell_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recalled(tmp_path, monkeypatch) as (sources, _):
        sources._upstreams["em"]._checks.caching = Caching(True, timeout_s=0.01)
        with pytest.raises(SourceUnavailable) as raised:
            sources.use("em", MeshSource, lambda meshes: True)
        assert isinstance(raised.value.__cause__, TimeoutError)


def test_names_of_one_volume_that_are_cached_and_not_take_each_other_for_no_change(
    cache: ChunkCache, tmp_path: Path, clock: Clock
) -> None:
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources = Sources(cache)
    sources.add("cached", uri, caching=Caching(True, ttl_s=10))
    sources.add("direct", uri, ADMIN, Caching(False, ttl_s=10))
    for name in sources:
        sources.read(name, ONE)
    sources.read("cached", WHOLE)
    before = sources.version("cached")
    for seconds, name in enumerate(["direct", "cached"] * 2, 1):
        clock.ahead_s = 11 * seconds
        sources.read(name, ONE)
    with recording() as results:
        assert_array_equal(sources.read("cached", WHOLE), noise(SHAPE, "uint8"))
    assert (cache_status(results), sources.version("cached")) == ("voxome; hit", before)
    sources.write("direct", ONE, zeros(ONE))
    assert not sources.read("cached", ONE).any()
