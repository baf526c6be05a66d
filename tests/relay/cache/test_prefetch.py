"""Chunks beside those that are read are fetched when nobody waits; nobody notices otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import Store, open_cache, part
from relay.serving import serving, stored
from relay.test_chain import relay_at

from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.cache import prefetch
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.status import recording
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

EDGE, CELLS = 64, 5
DATA = noise((EDGE * CELLS,) * 3, "uint8")


def chunk(*cell: int) -> Box:
    start = tuple(EDGE * i for i in cell)
    return Box(start, tuple(i + EDGE for i in start))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing out, however slow this machine is."""
    monkeypatch.setattr(prefetch, "_PATIENCE_S", 1e9)


@contextmanager
def served(cache: ChunkCache, store: Store, *, prefetch: bool = True) -> Iterator[Sources]:
    with closing(cache):
        sources = Sources(cache)
        sources.add("em", store, caching=Caching(enabled=True, prefetch=prefetch))
        yield sources


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def total(sources: Sources, name: str) -> float:
    return sources.counters("em")[name]


def read(sources: Sources, *cell: int) -> str:
    """Read a chunk; return how it was found."""
    with recording() as results:
        assert_array_equal(
            sources.read("em", chunk(*cell)), DATA[tuple(slice(EDGE * i, EDGE * i + EDGE) for i in cell)]
        )
    return next(iter(results))


def test_a_read_beside_which_all_is_there_is_not_looked_at_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, real = list[object](), prefetch._beside

    def look(array: CachedArray, low: prefetch.Cell, high: prefetch.Cell, step: prefetch.Cell | None) -> object:
        looks.append(low)
        return real(array, low, high, step)

    monkeypatch.setattr(prefetch, "_beside", look)
    monkeypatch.setattr(prefetch, "_SETTLED_S", 1e9)
    with served(open_cache(memory=2**26), Store(DATA)) as sources:
        read(sources, 2, 2, 2)
        wait_until(lambda: total(sources, "prefetched") == 6)
        read(sources, 2, 2, 3)
        wait_until(lambda: total(sources, "prefetched") == 6 + 5)
        for _ in range(3):
            for cell in ((2, 2, 2), (2, 2, 3)):
                read(sources, *cell)
        assert len(looks) == 4
        before = len(looks)
        for _ in range(20):
            for cell in ((2, 2, 2), (2, 2, 3)):
                read(sources, *cell)
        assert len(looks) == before
        monkeypatch.setattr(prefetch, "_SETTLED_S", -1.0)
        sources._reader._cache._prefetcher._settled.clear()  # type: ignore[union-attr]
        read(sources, 2, 2, 2)
        assert len(looks) == before + 1


def test_neighbours_of_a_chunk_are_fetched_and_then_hits() -> None:
    store = Store(DATA)
    with served(open_cache(memory=2**26), store) as sources:
        assert read(sources, 2, 2, 2) == "stored"
        wait_until(lambda: total(sources, "prefetched") == 6)
        beside = {(1, 2, 2), (3, 2, 2), (2, 1, 2), (2, 3, 2), (2, 2, 1), (2, 2, 3)}
        assert set(store.boxes[1:]) == {chunk(*cell) for cell in beside}
        assert total(sources, "misses") == 1
        assert read(sources, 2, 2, 3) == "hit"
        assert 'voxome_relay_prefetches_total{source="em",result="fetched"}' in sources.metrics(["em"])


def test_a_direction_of_travel_is_followed() -> None:
    store = Store(DATA)
    with served(open_cache(memory=2**26), store) as sources:
        for x in range(3):
            read(sources, 2, 2, x)
            time.sleep(0.3)
        wait_until(lambda: chunk(2, 2, 4) in store.boxes)
        wait_until(lambda: total(sources, "prefetched") + total(sources, "misses") >= len(store.boxes))
        assert not {chunk(1, 2, 2), chunk(2, 1, 2)} & set(store.boxes)
        assert read(sources, 2, 2, 4) == "hit"


def test_chunks_beyond_the_border_are_no_neighbours() -> None:
    store = Store(DATA)
    with served(open_cache(memory=2**26), store) as sources:
        read(sources, 0, 0, 0)
        wait_until(lambda: total(sources, "prefetched") == 3)
        time.sleep(0.2)
        assert len(store.boxes) == 4


def test_errors_are_counted_and_seen_by_nobody_not_even_by_those_who_wait_for_the_same_chunk() -> None:
    store, go = Store(DATA), Event()

    def fail_second() -> None:
        if len(store.boxes) in (2, 3):
            go.wait(100)
            raise StoreError("no")

    with served(open_cache(memory=2**26), store) as sources:
        store.before_read = fail_second
        read(sources, 2, 2, 2)
        wait_until(lambda: len(store.boxes) == 3)
        waiting = store.boxes[1]
        reader = Thread(target=lambda: results.append(sources.read("em", waiting)))
        results: list[np.ndarray] = []
        reader.start()
        time.sleep(0.2)
        go.set()
        reader.join(100)
        assert_array_equal(results[0], part(DATA, waiting))
        wait_until(lambda: total(sources, "prefetch_errors") == 2)
        assert total(sources, "errors") == 0
        read(sources, 4, 4, 4)
        time.sleep(0.3)
        assert total(sources, "prefetched") == 0  # it pauses after an error


def test_clients_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, go = Store(DATA), Event()
    with served(open_cache(tmp_path / "cache", memory=2**26, disk=2**26), store) as sources:
        read(sources, 0, 0, 0)
        wait_until(lambda: total(sources, "prefetched") == 3)
        store.before_read = lambda: go.wait(100) and None
        threads = [Thread(target=read, args=(sources, 4, y, 4)) for y in (0, 2, 4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(store.boxes) == 7)
        monkeypatch.setattr(prefetch, "_PATIENCE_S", 0.2)
        read(sources, 0, 0, 1)  # a hit, with neighbours
        wait_until(lambda: total(sources, "prefetch_dropped") == 4)
        assert len(store.boxes) == 7
        go.set()
        for thread in threads:
            thread.join(100)


@pytest.mark.parametrize(("memory", "prefetch"), [(2**22, True), (2**26, False)])
def test_nothing_is_prefetched_into_a_small_cache_or_if_it_is_not_wanted(memory: int, prefetch: bool) -> None:
    store = Store(DATA)
    with served(open_cache(memory=memory), store, prefetch=prefetch) as sources:
        read(sources, 2, 2, 2)
        time.sleep(0.3)
        assert len(store.boxes) == 1


def test_large_cutouts_have_no_neighbours() -> None:
    store = Store(DATA)
    with served(open_cache(memory=2**26), store) as sources:
        sources.read("em", Box((0, 0, 0), (3 * EDGE,) * 3))
        time.sleep(0.3)
        assert len(store.boxes) == 27


def test_only_sources_behind_a_network_are_prefetched_by_default() -> None:
    sources = Sources()
    for name, uri in {"near": stored(noise((9, 9, 9), "uint8")), "far": "zarr://http://store.example/em"}.items():
        sources.add(name, uri)
    assert [sources.find(name).prefetches for name in ("near", "far")] == [False, True]


@pytest.mark.slow
def test_in_a_row_of_relays_only_the_first_prefetches() -> None:
    behind = Sources()
    behind.add("em", stored(DATA, chunk=(EDGE,) * 3))
    with ExitStack() as stack:
        url = stack.enter_context(serving(behind, ["zarr"]))
        for _ in range(3):
            url = stack.enter_context(relay_at(0, "em", f"zarr://{url}/zarr/em/0", memory=2**26))
        read_bytes = behind.counters("em")
        answer = httpx.get(f"{url}/raw/em/cutout?box=128:192,128:192,128:192", timeout=30)
        assert answer.status_code == 200
        wait_until(lambda: read_bytes["read_bytes"] == 7 * EDGE**3)
        time.sleep(0.5)
        assert read_bytes["read_bytes"] == 7 * EDGE**3
