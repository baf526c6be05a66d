"""Chunks are fetched once for all who wait, kept only when whole, and never served after a write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, Store, open_cache, part

from voxome.errors import AccessDenied, CorruptData, InvalidBox, NotFound, StoreError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.grid import chunk_grid
from voxome.relay.cache.status import cache_status, recording


def array_of(store: Store, **changes) -> CachedArray:
    array = CachedArray("source", "first", 0, chunk_grid(store, store.spec), store.spec.dtype, store.read)
    return replace(array, **changes)


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChunkCache]:
    """A cache that keeps everything; the one on disk keeps nothing in memory."""
    opened = open_cache() if request.param == "memory" else open_cache(tmp_path / "cache", memory=0)
    with closing(opened):
        yield opened


def wait_for(event: Event) -> None:
    assert event.wait(100)


def status_of(call: Callable[[], object]) -> str | None:
    with recording() as results:
        call()
    return cache_status(results)


def together(number: int, call: Callable[[], object]) -> list[object]:
    """Return the results, or errors, of a function that many threads call at once."""

    def result(_: int) -> object:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(result, range(number)))


def test_a_box_is_read_once_by_whole_chunks(cache: ChunkCache) -> None:
    store = Store()
    array = array_of(store)
    for _ in range(2):
        assert_array_equal(cache.read(array, WHOLE), store.voxels)
        assert_array_equal(cache.read(array, Box((3, 60, 1), (9, 70, 80))), store.voxels[3:9, 60:70, 1:80])
        assert_array_equal(cache.read(array, ONE), part(store.voxels, ONE))
    assert sorted(map(str, store.boxes)) == ["0:60,0:64,0:64", "0:60,0:64,64:80", "0:60,64:70,0:64", "0:60,64:70,64:80"]
    assert array.counters["misses"] == 4
    assert array.counters["fetched_bytes"] == store.voxels.nbytes


def test_the_status_tells_how_chunks_were_found(cache: ChunkCache) -> None:
    store = Store()
    array = array_of(store)
    assert status_of(lambda: cache.read(array, ONE)) == "voxome; fwd=miss; stored"
    assert status_of(lambda: cache.read(array, ONE)) == "voxome; hit"
    assert status_of(lambda: cache.read(array, WHOLE)) == "voxome; fwd=partial; stored"


def test_chunks_survive_a_restart_on_disk(tmp_path: Path) -> None:
    store = Store()
    with closing(open_cache(tmp_path / "cache")) as cache:
        cache.read(array_of(store), WHOLE)
    with closing(open_cache(tmp_path / "cache")) as cache:
        assert_array_equal(cache.read(array_of(store), WHOLE), store.voxels)
    assert len(store.boxes) == 4


def test_what_is_larger_than_the_budget_is_read_from_the_source(tmp_path: Path) -> None:
    store = Store()
    with closing(open_cache(tmp_path / "cache", memory=1000, disk=1000)) as cache:
        for _ in range(2):
            assert_array_equal(cache.read(array_of(store), WHOLE), store.voxels)
            assert status_of(lambda: cache.read(array_of(store), ONE)) == "voxome; fwd=miss"
        assert cache.memory.nbytes == 0


def test_memory_stays_within_its_budget() -> None:
    store = Store()
    with closing(open_cache(memory=2**18)) as cache:
        for _ in range(3):
            assert_array_equal(cache.read(array_of(store), WHOLE), store.voxels)
            assert 0 < cache.memory.nbytes <= 2**18


def test_the_source_may_change_its_own_array_afterwards(cache: ChunkCache) -> None:
    store = Store()
    shown = store.voxels
    array = array_of(store, read=lambda box: shown[box.within(WHOLE)])
    before = part(store.voxels, ONE).copy()
    cache.read(array, ONE)
    store.voxels[:] = 0
    assert_array_equal(cache.read(array, ONE), before)
    assert not cache.read(array, ONE).flags.writeable


@pytest.mark.parametrize("sent", [np.zeros((2, 2, 2), "uint8"), np.zeros((60, 64, 64), "uint16")])
def test_voxels_of_another_shape_or_dtype_are_refused_and_not_kept(cache: ChunkCache, sent: np.ndarray) -> None:
    store = Store()
    array = array_of(store)
    with pytest.raises(StoreError, match="expected uint8 voxels of shape"):
        cache.read(replace(array, read=lambda box: sent), ONE)
    assert_array_equal(cache.read(array, ONE), part(store.voxels, ONE))


def test_one_fetch_serves_all_who_wait(cache: ChunkCache) -> None:
    store, release = Store(), Event()
    store.before_read = lambda: release.wait(100)
    threading.Timer(0.3, release.set).start()
    results = together(21, lambda: cache.read(array_of(store), ONE))
    for result in results:
        assert_array_equal(result, part(store.voxels, ONE))
    assert len(store.boxes) == 1


def test_an_error_goes_to_all_who_wait_and_is_not_kept(cache: ChunkCache) -> None:
    store, release = Store(), Event()

    def fail() -> None:
        release.wait(100)
        raise StoreError("503")

    store.before_read = fail
    threading.Timer(0.3, release.set).start()
    assert {str(error) for error in together(21, lambda: cache.read(array_of(store), ONE))} == {"503"}
    assert len(store.boxes) == 1
    store.before_read = lambda: None
    assert_array_equal(cache.read(array_of(store), ONE), part(store.voxels, ONE))


def test_one_chunk_that_fails_fails_the_whole_box(cache: ChunkCache) -> None:
    store = Store()

    def read(box: Box) -> np.ndarray:
        if box.start == (0, 64, 64):
            raise StoreError("reset")
        return store.read(box)

    with pytest.raises(StoreError, match="reset"):
        cache.read(array_of(store, read=read), WHOLE)
    assert_array_equal(cache.read(array_of(store), WHOLE), store.voxels)


def test_a_fetch_under_way_during_a_write_is_not_served_after_it(cache: ChunkCache) -> None:
    store, fetched, release = Store(), Event(), Event()
    array = array_of(store)

    def hold() -> None:
        fetched.set()
        release.wait(100)

    store.after_read = hold
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(cache.read, array, ONE)
        assert fetched.wait(100)
        with cache.generations.writing("source", array.names(ONE)):
            store.voxels = np.full(SHAPE, 9, "uint8")
        store.after_read = lambda: None
        late = pool.submit(cache.read, array, ONE)
        assert (late.result(100) == 9).all()
        release.set()
        early.result(100)
    for _ in range(2):
        assert (cache.read(array, ONE) == 9).all()


def test_a_box_beyond_the_array_is_refused(cache: ChunkCache) -> None:
    for box in (Box((0, 0, 0), (61, 1, 1)), Box((-1, 0, 0), (1, 1, 1)), Box((100, 0, 0), (101, 1, 1))):
        with pytest.raises(InvalidBox):
            cache.read(array_of(Store()), box)


def test_another_incarnation_shares_nothing(cache: ChunkCache) -> None:
    cache.read(array_of(Store()), WHOLE)
    again = Store(np.zeros(SHAPE, "uint64"))
    assert not cache.read(array_of(again, incarnation="second"), WHOLE).any()
    assert len(again.boxes) == 4


def test_a_stale_chunk_is_fetched_again_or_served_if_that_fails(cache: ChunkCache) -> None:
    store = Store()
    cache.read(array_of(store), ONE)
    old, store.voxels = part(store.voxels, ONE), np.full(SHAPE, 9, "uint8")
    expired = array_of(store, epoch=1, oldest_epoch=0)

    def fail() -> None:
        raise StoreError("refused")

    store.before_read = fail
    assert_array_equal(cache.read(expired, ONE), old)
    assert status_of(lambda: cache.read(expired, ONE)) == 'voxome; hit; detail="stale"'
    with pytest.raises(StoreError, match="refused"):
        cache.read(replace(expired, epoch=2, oldest_epoch=1), ONE)
    store.before_read = lambda: None
    assert (cache.read(expired, ONE) == 9).all()


def test_a_stale_chunk_of_a_store_that_is_known_to_be_away_is_served_at_once(cache: ChunkCache) -> None:
    store, release = Store(), Event()
    cache.read(array_of(store), ONE)
    old, store.voxels = part(store.voxels, ONE), np.full(SHAPE, 9, "uint8")
    expired = array_of(store, epoch=1, oldest_epoch=0)
    expired.counters.observe_error(StoreError("refused"))
    store.before_read = lambda: wait_for(release)
    try:
        for _ in range(3):
            assert_array_equal(cache.read(expired, ONE), old)
        assert len(store.boxes) == 2  # one fetch at a time finds out when it is back
    finally:
        release.set()
    while cache.read_at_hand(expired, ONE) is None:
        time.sleep(0.01)
    assert (cache.read(expired, ONE) == 9).all()


@pytest.mark.parametrize("refusal", [NotFound, AccessDenied, CorruptData])
def test_a_stale_chunk_is_not_served_against_the_word_of_the_source(
    cache: ChunkCache, refusal: type[Exception]
) -> None:
    store = Store()
    cache.read(array_of(store), ONE)

    def refuse() -> None:
        raise refusal("no")

    store.before_read = refuse
    with pytest.raises(refusal):
        cache.read(array_of(store, epoch=1), ONE)


def test_two_processes_fetch_a_chunk_once(tmp_path: Path) -> None:
    store, release = Store(), Event()
    store.before_read = lambda: release.wait(100)
    threading.Timer(0.3, release.set).start()
    with closing(open_cache(tmp_path / "cache")) as first, closing(open_cache(tmp_path / "cache")) as second:
        caches = iter([first, second] * 4)
        for result in together(8, lambda: next(caches).read(array_of(store), ONE)):
            assert_array_equal(result, part(store.voxels, ONE))
    assert len(store.boxes) == 1


def test_a_write_by_one_process_is_seen_by_the_other(tmp_path: Path) -> None:
    store = Store()
    array = array_of(store)
    with closing(open_cache(tmp_path / "cache")) as first, closing(open_cache(tmp_path / "cache")) as second:
        for cache in (first, second):
            cache.read(array, WHOLE)
        with first.generations.writing("source", array.names(ONE)):
            store.voxels = np.full(SHAPE, 9, "uint8")
        assert (second.read(array, ONE) == 9).all()
        assert (first.read(array, ONE) == 9).all()


@pytest.mark.slow
def test_many_readers_of_one_slow_chunk_get_it_whole(tmp_path: Path) -> None:
    store = Store()
    store.after_read = lambda: Event().wait(0.2)
    with closing(open_cache(tmp_path / "cache")) as cache, ThreadPoolExecutor(80) as pool:
        reads = []
        for _ in range(80):
            reads.append(pool.submit(cache.read, array_of(store), WHOLE))
            Event().wait(0.005)
        for read in reads:
            assert_array_equal(read.result(), store.voxels)
    assert len(store.boxes) == 4
