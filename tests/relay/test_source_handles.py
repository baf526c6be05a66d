"""Handles of a source and its levels: opened once, and by the ways on which requests come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Semaphore

import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, Store, open_cache, part
from relay.upstreams import CACHED, Clock, served, zarr_uri

from voxome.contracts.levels import Level
from voxome.contracts.spec import Scale
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay import source_checks, source_handles
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.caching import Caching
from voxome.relay.origin import Origin
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.storage.hops import hops, through
from voxome.testing.strategies import noise


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as opened:
        yield opened


class Pyramid(Store):
    """A store with a coarser level, which is opened only when it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.opening, self.may_open, self.opened = Event(), Event(), 0

    @property
    def levels(self) -> Sequence[Level]:
        return [Level(None, scale=(1, 1, 1)), Level(None, scale=(2, 2, 2))]

    def level(self, number: int) -> Store:
        self.opened += 1
        self.opening.set()
        assert self.may_open.wait(100)
        if self.opened > 1:
            return Store(self.voxels[::2, ::2, ::2])
        raise StoreError("no answer")

    def create_level(self, scale: Scale) -> Store:
        raise AssertionError


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_level_that_is_opened_holds_up_no_other_and_no_check(
    is_checked: bool, cache: ChunkCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 0.05)
    store, release = Pyramid(), Event()
    sources = served(cache, store, Caching(True, ttl_s=10))
    sources.spec("em")  # and no array yet
    if is_checked:
        store.check = lambda: release.wait(100)
        clock.ahead_s = 11
    with ThreadPoolExecutor(4) as pool:
        try:
            pool.submit(sources._upstreams["em"].open_level, 1)
            assert store.opening.wait(100)
            assert_array_equal(pool.submit(sources.read, "em", ONE).result(100), part(store.voxels, ONE))
            assert_array_equal(pool.submit(sources.read_at_hand, "em", ONE).result(100), part(store.voxels, ONE))
        finally:
            release.set()
            store.may_open.set()


def test_a_level_is_opened_once_for_all_who_wait_and_again_after_an_error(
    cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Semaphore(0)

    class Opening(Future[ReadableSource]):
        def result(self, timeout: float | None = None) -> ReadableSource:
            waiting.release()
            return super().result(timeout)

    monkeypatch.setattr(source_handles, "Future", Opening)
    store, one = Pyramid(), Box((0, 0, 0), (3, 3, 3))
    sources = served(cache, store)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(sources.read, "em", one, level=1)]
        assert store.opening.wait(100)
        reads += [pool.submit(sources.read, "em", one, level=1) for _ in range(3)]
        assert all(waiting.acquire(timeout=100) for _ in range(3))
        store.may_open.set()
        assert all(isinstance(read.exception(100), SourceUnavailable) for read in reads)
    assert store.opened == 1
    assert_array_equal(sources.read("em", one, level=1), store.voxels[:5:2, :5:2, :5:2])


def test_relays_that_are_made_up_take_the_handles_of_no_other(cache: ChunkCache, tmp_path: Path) -> None:
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources = Sources(cache)
    sources.add("em", uri, caching=CACHED)
    upstream, kept = sources._upstreams["em"], {}
    real = [("own",), ("relay", "own")]
    for way in real:
        with through(way):
            kept[way] = upstream._current()[0]
    handles = set()
    for number in range(200):
        with through([f"{number:08x}"] * (number % 3) + [f"made-up-{number}", "own"]):
            handles.add(id(upstream._current()[0]))
    assert len(upstream._handles._by_hops) == len(handles) + len(real) <= 8 + 15
    for way, opened in kept.items():
        with through(way):
            assert upstream._current()[0] is opened


def test_handles_that_are_shared_name_no_relay_but_this_one(
    cache: ChunkCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, sent = zarr_uri(tmp_path, noise(SHAPE, "uint8")), []
    real = Origin.open

    def open_source(self: Origin, *, writable: bool) -> ReadableSource:
        sent.append(hops())
        return real(self, writable=writable)

    monkeypatch.setattr(Origin, "open", open_source)
    sources = Sources(cache)
    sources.add("em", uri, caching=CACHED)
    for number in range(20):
        with through([f"{number:08x}", "f" * 8, "own"]):
            sources.spec("em")
    assert [len(one) for one in sent] == [3] * 9
    assert sent[-1] == ("00000000", "00000000", "own")
