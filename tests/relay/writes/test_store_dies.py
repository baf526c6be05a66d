"""What a store has from the journal is read when it dies before anybody has read it again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, open_cache, part
from relay.writes.journals import LAB, Upstream, flushing, journal_of, wait_until, waiting

from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay import source_checks
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.status import cache_status, recording
from voxome.relay.caching import Caching
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.writes import flusher
from voxome.relay.writes.journal import Journal
from voxome.testing.strategies import noise

CHUNK = Box((0, 0, 0), (60, 64, 64))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look, and try again, at once."""
    monkeypatch.setattr(flusher, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(flusher, "_LOOK_S", 0.02)


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChunkCache]:
    opened = open_cache() if request.param == "memory" else open_cache(tmp_path / "cache", memory=0)
    with closing(opened):
        yield opened


@pytest.fixture
def store() -> Upstream:
    return Upstream(noise(SHAPE, "uint8"))


@pytest.fixture
def sources(tmp_path: Path, cache: ChunkCache, store: Upstream) -> Iterator[Sources]:
    with closing(Journal(tmp_path / "writes", 2**26, 0)) as journal:
        sources = Sources(cache, journal=journal)
        sources.add("em", store, LAB, Caching(True, prefetch=False), write_back=True)
        yield sources


def pass_on(tmp_path: Path, sources: Sources, *writes: tuple[Box, int]) -> None:
    """Write boxes, and wait until the store has them."""
    for box, value in writes:
        sources.write("em", box, np.full(box.shape, value, "uint8"))
    with flushing(tmp_path, sources):
        wait_until(lambda: not waiting(sources))


def test_cached_chunks_are_known_with_what_was_written_over_them(
    tmp_path: Path, sources: Sources, store: Upstream
) -> None:
    sources.read("em", WHOLE)
    beside = Box((2, 60, 1), (9, 70, 3))
    for value in (7, 8):  # over what was cached, and over what is known after a write
        pass_on(tmp_path, sources, (ONE, value), (beside, value + 1))
        store.error = StoreError("the store is away")
        with recording() as results:
            assert_array_equal(sources.read("em", WHOLE), store.voxels)
        assert (part(store.voxels, ONE) != 7 + 8 - value).all()
        assert cache_status(results) == 'voxome; hit; detail="stale"'
        store.error = None


def test_chunks_that_were_written_as_a_whole_are_known_though_none_was_cached(
    tmp_path: Path, sources: Sources, store: Upstream
) -> None:
    pass_on(tmp_path, sources, (CHUNK, 7))
    store.error = StoreError("the store is away")
    assert (sources.read("em", CHUNK) == 7).all()
    with pytest.raises(SourceUnavailable):
        sources.read("em", WHOLE)


def test_what_is_not_known_is_fetched_while_the_store_is_there(
    tmp_path: Path, cache: ChunkCache, store: Upstream
) -> None:
    with closing(Journal(tmp_path / "writes", 2**26, 0)) as journal:
        sources = Sources(cache, journal=journal)
        sources.add("em", store, LAB, Caching(True, prefetch=True), write_back=True)
        pass_on(tmp_path, sources, (ONE, 7))
        wait_until(lambda: sources.read_at_hand("em", ONE) is not None)
        store.error = StoreError("the store is away")
        assert (sources.read("em", ONE) == 7).all()


def test_the_word_of_a_store_that_is_there_counts(tmp_path: Path, sources: Sources, store: Upstream) -> None:
    sources.read("em", WHOLE)
    pass_on(tmp_path, sources, (ONE, 7))
    store.voxels[ONE.within(WHOLE)] = 6  # as a lossy codec may store it
    assert (sources.read("em", ONE) == 6).all()
    store.error = StoreError("the store is away")
    assert (sources.read("em", ONE) == 6).all()


def test_a_chunk_that_was_renewed_during_the_write_is_not_known(
    tmp_path: Path, sources: Sources, store: Upstream
) -> None:
    sources.read("em", WHOLE)
    write = store.write

    def write_and_renew(box: Box, data: np.ndarray) -> None:
        write(box, data)
        sources.renew("em")  # the store has changed more

    store.write = write_and_renew  # type: ignore[method-assign]
    pass_on(tmp_path, sources, (ONE, 7))
    store.error = StoreError("the store is away")
    with pytest.raises(SourceUnavailable):
        sources.read("em", ONE)


def test_nobody_writes_the_chunks_while_they_are_put_together(
    tmp_path: Path, sources: Sources, store: Upstream
) -> None:
    held: list[Box] = []
    locks = sources._locks

    class Locks:
        def hold(self, volume: object, box: Box) -> object:
            held.append(box)
            return locks.hold(volume, box)

    sources._locks = Locks()  # type: ignore[assignment]
    store.spec = store.spec.replace(write_chunk=(8, 8, 8))
    sources.read("em", WHOLE)
    pass_on(tmp_path, sources, (ONE, 7))
    assert all(CHUNK in box for box in held)
    assert journal_of(sources).index.nbytes == 0


def test_a_write_through_is_known_where_whole_chunks_were_written(cache: ChunkCache, store: Upstream) -> None:
    sources = Sources(cache)
    sources.add("em", store, LAB, Caching(True, prefetch=False))
    sources.read("em", WHOLE)
    sources.write("em", CHUNK, np.full(CHUNK.shape, 7, "uint8"))
    sources.write("em", Box((0, 0, 64), (1, 1, 65)), np.full((1, 1, 1), 7, "uint8"))
    store.error = StoreError("the store is away")
    assert (sources.read("em", CHUNK) == 7).all()
    with pytest.raises(SourceUnavailable):  # others may have written the same chunk meanwhile
        sources.read("em", Box((0, 0, 64), (1, 1, 65)))


@pytest.mark.parametrize("is_known", [False, True])
def test_nobody_waits_for_the_check_of_a_store_that_is_not_needed_or_known_to_be_away(
    is_known: bool, cache: ChunkCache, store: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 100)
    monkeypatch.setattr(source_checks, "_SHORT_PATIENCE_S", 0.01)
    release = Event()
    with closing(Journal(tmp_path / "writes", 2**26, 0)) as journal:
        sources = Sources(cache, journal=journal)
        sources.add("em", store, LAB, Caching(True, ttl_s=0.01), write_back=not is_known)
        sources.read("em", WHOLE)
        store.check = lambda: waited(release)
        time.sleep(0.02)  # until a check is due
        if is_known:
            sources.counters("em").observe_error(StoreError("the store is away"))
        begin = time.monotonic()
        try:
            if not is_known:
                sources.write("em", ONE, np.full(ONE.shape, 7, "uint8"))
                assert (sources.read("em", ONE) == 7).all()
            assert_array_equal(sources.read("em", WHOLE)[10:], store.voxels[10:])
        finally:
            release.set()
        assert time.monotonic() - begin < 50


def waited(event: Event) -> None:
    assert event.wait(100)
