"""Sources are cached by identity and state, checked again in time, and kept while they cannot be reached."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
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

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.levels import Level
from voxome.contracts.source import MeshSource, VolumeSource
from voxome.contracts.spec import Scale
from voxome.errors import NotFound, StoreError
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.relay import source_checks, source_handles
from voxome.relay.cache import chunk_cache
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.status import cache_status, recording
from voxome.relay.caching import Caching
from voxome.relay.memory import MemoryBudget, MemoryExhausted, hold
from voxome.relay.origin import Origin
from voxome.relay.rights import Rights
from voxome.relay.source_checks import SourceChecks
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads
from voxome.resources.open import create_source
from voxome.storage.hops import hops, through
from voxome.testing.strategies import noise

ADMIN = Rights(writers=frozenset({"admin"}))
CACHED = Caching(enabled=True)
MIB = 2**20
TWO = Box((5, 0, 0), (10, 6, 7))
"""Beside `ONE`, in the same chunk."""


class Clock:
    """The time of `time.monotonic`, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s, self._real = 0.0, time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: self._real() + self.ahead_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as opened:
        yield opened


def served(cache: ChunkCache, store: Store, caching: Caching = CACHED, rights: Rights = ADMIN) -> Sources:
    sources = Sources(cache)
    sources.add("em", store, rights, caching)
    return sources


def zarr_uri(folder: Path, voxels: np.ndarray, **options) -> str:
    uri = f"zarr://{folder}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(voxels.shape, voxels.dtype, **options))[:] = voxels
    return uri


def test_sources_behind_a_network_are_cached_by_default(cache: ChunkCache, tmp_path: Path) -> None:
    sources = Sources(cache)
    uri = zarr_uri(tmp_path, noise(SHAPE, "uint8"))
    sources.add("local", uri)
    sources.add("forced", uri, caching=CACHED)
    sources.read("local", ONE)
    assert cache.memory.nbytes == 0
    sources.read("forced", ONE)
    assert cache.memory.nbytes > 0


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


def test_nobody_waits_long_for_a_check_of_what_can_be_served(cache: ChunkCache, clock: Clock) -> None:
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
        assert all(waiting.acquire(timeout=10) for _ in range(3))
        store.may_open.set()
        assert all(isinstance(read.exception(10), SourceUnavailable) for read in reads)
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
            assert isinstance(read.exception(10), SourceUnavailable)
    assert len(checks) <= 2


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


def wait_for(event: Event) -> None:
    event.wait(100)


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


class Gated(Store):
    """A store that takes a write when it may, and of which the order of writes is known."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_write, self.values = Semaphore(0), Event(), list[int]()

    def write(self, box: Box, data: np.ndarray) -> None:
        self.begun.release()
        assert self.may_write.wait(100)
        self.values.append(int(data.flat[0]))
        super().write(box, data)


class Queue(BoxLocks):
    """Locks of which is known that somebody comes to wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self.come = Semaphore(0)

    @contextmanager
    def hold(self, volume: Hashable, box: Box) -> Iterator[None]:
        self.come.release()
        with super().hold(volume, box):
            yield


class Prompt(ThreadPoolExecutor):
    """Threads in which an action is as far as a test wants before anyone waits for its end."""

    def __init__(self, reached: Semaphore) -> None:
        super().__init__()
        self._reached = reached

    def submit(self, *action: Any, **arguments: Any) -> Future[Any]:
        future = super().submit(*action, **arguments)
        assert self._reached.acquire(timeout=100)
        return future


def gated(cache: ChunkCache, monkeypatch: pytest.MonkeyPatch) -> tuple[Sources, Gated, Queue]:
    """Return sources with a store behind a network that was read, and is now to be written."""
    store, locks = Gated(), Queue()
    sources = Sources(cache, locks)
    monkeypatch.setattr(Origin, "is_remote", True)
    sources.add("em", store, ADMIN, CACHED)
    sources.read("em", ONE)
    return sources, store, locks


def give_up(sources: Sources, reached: Semaphore, write: Callable[[], None]) -> Prompt:
    """Let the time of a write end when it has come to a point, and return its thread."""
    upstream = sources._upstreams["em"]
    threads = upstream._writers
    prompt = upstream._writers = Prompt(reached)
    upstream.caching = Caching(True, timeout_s=0.001)
    with pytest.raises(SourceUnavailable) as raised:
        write()
    assert isinstance(raised.value.__cause__, TimeoutError)
    upstream._writers, upstream.caching = threads, CACHED
    prompt.shutdown(wait=False)
    return prompt


def filled(value: int) -> np.ndarray:
    return np.full(ONE.shape, value, "uint8")


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


def test_listeners_hear_of_a_write_that_fails_or_ends_late_too(
    cache: ChunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, store, _ = gated(cache, monkeypatch)
    heard = list[list[int]]()
    sources.on_write(lambda name, level: heard.append(list(store.values)))
    threads = give_up(sources, store.begun, lambda: sources.write("em", ONE, filled(1)))
    assert heard == [[]]
    store.may_write.set()
    threads.shutdown()
    assert heard == [[], [1]]

    def fail(box: Box, data: np.ndarray) -> None:
        store.values.append(2)
        raise StoreError("the store has the write, and its answer is lost")

    monkeypatch.setattr(store, "write", fail)
    with pytest.raises(SourceUnavailable):
        sources.write("em", ONE, filled(2))
    assert heard == [[], [1], [1], [1, 2]]


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


@contextmanager
def remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sources, Event]]:
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


def test_an_ability_that_a_remembered_store_has_to_tell_holds_up_no_other_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembered(tmp_path, monkeypatch) as (sources, release):
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


def test_an_ability_that_a_remembered_store_does_not_tell_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembered(tmp_path, monkeypatch) as (sources, _):
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
