"""Writes to sources: nothing older is served afterwards, none is lost, and none comes over a newer one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Semaphore

import anyio.to_thread
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, Store, open_cache, part, zeros
from relay.upstreams import ADMIN, CACHED, MIB, TWO, filled, gated, give_up, served, wait_for, zarr_uri

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.geometry import Box
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.memory import MemoryBudget, MemoryExhausted, hold
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads
from voxome.resources.create import create_source
from voxome.testing.strategies import noise


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as opened:
        yield opened


def test_a_write_is_read_at_once_under_all_names_of_a_volume(cache: ChunkCache, tmp_path: Path) -> None:
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources = Sources(cache)
    sources.add("one", uri, ADMIN, CACHED)
    sources.add("other", f"{tmp_path}/./a.zarr", caching=CACHED)
    before = [sources.version(name) for name in sources]
    for name in sources:
        sources.read(name, WHOLE)
    sources.write("one", ONE, zeros(ONE))
    for name in sources:
        assert not sources.read(name, ONE).any()
        assert_array_equal(sources.read(name, WHOLE)[:, 10:], noise(SHAPE, "uint8")[:, 10:])
    assert all(sources.version(name) != old for name, old in zip(sources, before, strict=True))


def test_coarser_levels_are_read_again_where_a_write_may_change_them(cache: ChunkCache, tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    spec = voxome.VolumeSpec.of((256, 128, 128), "uint8", chunk=(64, 64, 64), voxel_size_nm=(4, 4, 4))
    pyramid = ability(create_source(uri, spec), SupportsLevels)
    assert pyramid is not None
    coarse = pyramid.create_level((2, 2, 2))
    sources = Sources(cache)
    sources.add("em", uri, ADMIN, CACHED)
    whole = Box.of_shape((128, 64, 64))
    sources.read("em", whole, level=1)
    coarse.write(whole, np.full(whole.shape, 9, "uint8"))  # as a store does that computes its levels itself
    sources.write("em", ONE, zeros(ONE))
    read = sources.read("em", whole, level=1)
    assert (read[:64] == 9).all()
    assert not read[64:].any()


@pytest.mark.slow
@pytest.mark.parametrize("chunks", ["own", "none"])
def test_boxes_that_share_a_chunk_are_written_at_the_same_time(chunks: str, cache: ChunkCache) -> None:
    class WholeChunks(Store):
        """A store that writes whole chunks, and so needs one writer at a time."""

        def write(self, box: Box, data: np.ndarray) -> None:
            before = self.voxels.copy()
            before[box.within(WHOLE)] = data
            Event().wait(0.01)
            self.voxels = before

    store = WholeChunks(np.full(SHAPE, 1, "uint8"))
    if chunks == "none":
        store.spec = store.spec.replace(read_chunk=None, write_chunk=None)
    sources = served(cache, store)
    boxes = [Box((z, y, 0), (z + 5, y + 10, 10)) for z in range(0, 60, 5) for y in range(0, 60, 10)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda box: sources.write("em", box, np.full(box.shape, 2, "uint8")), boxes))
    assert (sources.read("em", Box((0, 0, 0), (60, 60, 10))) == 2).all()
    assert (sources.read("em", Box((0, 0, 10), SHAPE)) == 1).all()


def test_a_write_during_a_fetch_wins(cache: ChunkCache) -> None:
    store, fetched, release = Store(), Event(), Event()
    sources = served(cache, store)

    def hold() -> None:
        fetched.set()
        release.wait(100)

    store.after_read = hold
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(sources.read, "em", ONE)
        assert fetched.wait(100)
        store.after_read = lambda: None
        sources.write("em", ONE, zeros(ONE))
        release.set()
        early.result(100)
    assert not sources.read("em", ONE).any()


def test_merges_of_the_same_voxels_at_the_same_time_lose_nothing(cache: ChunkCache) -> None:
    class Slow(Store):
        """A store in which another write could come between a read and the write that depends on it."""

        def write(self, box: Box, data: np.ndarray) -> None:
            Event().wait(0.01)
            super().write(box, data)

    store = Slow(np.zeros(SHAPE, "uint8"))
    sources = served(cache, store)

    def write(number: int) -> None:
        data = np.zeros(ONE.shape, "uint8")
        data[number % 5, number // 5] = number + 1
        sources.write("em", ONE, data, where=data != 0)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(30)))
    expected = np.arange(1, 31).reshape(6, 5).T[..., np.newaxis]
    assert (sources.read("em", ONE) == expected).all()
    assert (store.voxels[ONE.within(WHOLE)] == expected).all()


def test_a_write_that_a_store_does_not_take_in_time_is_given_up_and_seen_if_it_comes(
    cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, store, _ = gated(cache, monkeypatch)
    before = sources.version("em")
    give_up(sources, store.begun, lambda: sources.write("em", ONE, filled(1)))
    assert_array_equal(sources.read("em", ONE), part(noise(SHAPE, "uint8"), ONE))
    store.may_write.set()
    sources.write("em", TWO, filled(2))  # which waits for the other
    assert store.values == [1, 2]
    assert_array_equal(sources.read("em", ONE), filled(1))
    assert sources.version("em") != before


@pytest.mark.parametrize("waits_for", ["the box", "its check", "the voxels that it keeps"])
def test_a_write_that_was_given_up_before_it_began_never_comes_over_a_newer_one(
    waits_for: str, cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, store, locks = gated(cache, monkeypatch)
    reached, release, some = Semaphore(0), Event(), filled(2) == 2
    some[0] = False

    def wait() -> None:
        reached.release()
        wait_for(release)

    with ThreadPoolExecutor() as pool:
        if waits_for == "the box":
            first = pool.submit(sources.write, "em", ONE, filled(1))
            assert store.begun.acquire(timeout=100)
            assert locks.come.acquire(timeout=100)
            give_up(sources, locks.come, lambda: sources.write("em", ONE, filled(2)))
        elif waits_for == "its check":
            give_up(sources, reached, lambda: sources.write("em", ONE, filled(2), check=wait))
        else:
            store.before_read = wait
            give_up(sources, reached, lambda: sources.write("em", ONE, filled(2), where=some))
        newer = pool.submit(sources.write, "em", ONE, filled(3))
        release.set()
        store.may_write.set()
        newer.result(100)
        if waits_for == "the box":
            first.result(100)
    with locks.hold((sources.identity("em"), 0), WHOLE):
        pass  # all have ended
    assert store.values == ([1, 3] if waits_for == "the box" else [3])
    assert_array_equal(sources.read("em", ONE), filled(3))


def test_a_write_that_outlasts_its_request_keeps_its_memory(cache: ChunkCache, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, store, _ = gated(cache, monkeypatch)
    budget = MemoryBudget(10 * MIB)
    with budget.request():
        hold(6 * MIB)
        threads = give_up(sources, store.begun, lambda: sources.write("em", ONE, filled(1)))
    with budget.request(), pytest.raises(MemoryExhausted):
        hold(6 * MIB)
    store.may_write.set()
    threads.shutdown()
    with budget.request():
        hold(6 * MIB)
        with budget.request():
            hold(4 * MIB)


def test_a_write_for_which_too_many_wait_is_to_be_repeated(cache: ChunkCache, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, store, _ = gated(cache, monkeypatch)

    async def run() -> None:
        threads = RequestThreads(4, 1)
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, sources.write, "em", ONE, filled(1))
            try:
                assert await anyio.to_thread.run_sync(store.begun.acquire, True, 100)
                with pytest.raises(SourceUnavailable, match="the source em cannot be written"):
                    await threads.run(sources.write, "em", TWO, filled(2))
            finally:
                store.may_write.set()

    anyio.run(run)
    assert store.values == [1]
