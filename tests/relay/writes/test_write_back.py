"""Writes that are confirmed before the store has them: read at once, replayed in order, never given up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, Store, open_cache, part
from relay.writes.journals import LAB, Upstream, backlogs, flushing, journal_of, journaled, wait_until, waiting

import voxome
from voxome.errors import AccessDenied, InvalidInput, NotFound, ReadOnly, StoreError
from voxome.geometry import Box
from voxome.relay.accounts import ADMIN, Caller
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.source_errors import SourceUnavailable, StorageFull
from voxome.relay.sources import Sources
from voxome.relay.writes import flusher
from voxome.relay.writes.flusher import LEASE_FILE, Flusher
from voxome.relay.writes.journal import Journal, TooLargeForJournal
from voxome.relay.writes.operate import describe_write
from voxome.relay.writes.report import gauges, warnings_of
from voxome.testing.strategies import noise

AWAY = StoreError("the store is away")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look, and try again, at once."""
    monkeypatch.setattr(flusher, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(flusher, "_LOOK_S", 0.02)


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as cache:
        yield cache


def filled(box: Box, value: int) -> np.ndarray:
    return np.full(box.shape, value, "uint8")


def test_a_write_is_read_while_the_store_is_away_and_gets_there_later(tmp_path: Path) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with journaled(tmp_path, store) as sources:
        version = sources.version("em")
        store.error = AWAY
        sources.write("em", ONE, filled(ONE, 7))
        assert sources.version("em") != version
        assert (sources.read("em", ONE) == 7).all()
        with pytest.raises(SourceUnavailable):
            sources.read("em", WHOLE)
        assert_array_equal(store.voxels, noise(SHAPE, "uint8"))
        store.error = None
        expected = noise(SHAPE, "uint8")
        expected[ONE.within(WHOLE)] = 7
        assert_array_equal(sources.read("em", WHOLE), expected)
        wait_until(lambda: not waiting(sources))
        assert_array_equal(store.voxels, expected)
        assert_array_equal(sources.read("em", WHOLE), expected)


def test_cached_chunks_are_served_under_writes_while_the_store_is_away(tmp_path: Path, cache: ChunkCache) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with journaled(tmp_path, store, cache) as sources:
        sources.read("em", WHOLE)
        store.error = AWAY
        sources.write("em", ONE, filled(ONE, 7))
        expected = noise(SHAPE, "uint8")
        expected[ONE.within(WHOLE)] = 7
        assert_array_equal(sources.read("em", WHOLE), expected)
        store.error = None
        wait_until(lambda: not waiting(sources))
        assert_array_equal(sources.read("em", WHOLE), expected)


def test_only_voxels_of_the_mask_are_written_and_the_others_are_those_of_the_store(tmp_path: Path) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with journaled(tmp_path, store, flush=False) as sources:
        data = noise(ONE.shape, "uint8", seed=3)
        where = data % 2 == 0
        sources.write("em", ONE, data, where=where)
        expected = np.where(where, data, part(store.voxels, ONE))
        assert_array_equal(sources.read("em", ONE), expected)
        with flushing(tmp_path, sources):
            wait_until(lambda: not waiting(sources))
    assert_array_equal(part(store.voxels, ONE), expected)


@pytest.mark.slow
def test_writes_survive_a_restart_and_are_replayed_in_order(tmp_path: Path) -> None:
    random, expected = np.random.default_rng(0), np.zeros(SHAPE, "uint8")
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))
    with journaled(tmp_path, uri, flush=False) as sources:
        for value in range(1, 30):
            start = [int(random.integers(0, n - 1)) for n in SHAPE]
            stop = [int(random.integers(a + 1, n + 1)) for a, n in zip(start, SHAPE, strict=True)]
            box = Box(tuple(start), tuple(stop))
            where = random.random(box.shape) < 0.5 if value % 3 else None
            sources.write("em", box, filled(box, value), where=where)
            np.copyto(expected[box.within(WHOLE)], value, where=True if where is None else where)
        assert_array_equal(sources.read("em", WHOLE), expected)
    with journaled(tmp_path, uri, flush=False) as sources:
        assert waiting(sources) == 29
        assert_array_equal(sources.read("em", WHOLE), expected)
    with journaled(tmp_path, uri) as sources:
        wait_until(lambda: not waiting(sources))
        assert_array_equal(sources.read("em", WHOLE), expected)
    assert_array_equal(voxome.open(uri)[...], expected)
    assert not list((tmp_path / "writes" / "entries").iterdir())


def test_boxes_that_fill_a_box_of_chunks_are_written_together_and_no_others(tmp_path: Path) -> None:
    store = Upstream()
    boxes = [Box((0, 0, x), (32, 32, x + 8)) for x in range(0, 64, 8)]
    alone = [Box((40, 0, 0), (41, 1, 1)), Box((42, 0, 0), (43, 1, 1)), Box((0, 64, 0), (1, 65, 1))]
    with journaled(tmp_path, store, flush=False) as sources:
        for value, box in enumerate(boxes + alone):
            sources.write("em", box, filled(box, value + 1))
        expected = sources.read("em", WHOLE)
        with flushing(tmp_path, sources):
            wait_until(lambda: not waiting(sources))
    assert_array_equal(store.voxels, expected)
    assert store.written[-3:] == alone
    assert len(store.written) <= 6


def test_a_source_that_is_an_object_has_another_identity_after_a_restart(tmp_path: Path) -> None:
    """Its writes are kept, and shown as those of a source that is no longer served."""
    store = Upstream()
    with journaled(tmp_path, store, flush=False) as sources:
        sources.write("em", ONE, filled(ONE, 1))
    with journaled(tmp_path, store) as sources:
        wait_until(lambda: bool(sum(one.failing for one in backlogs(sources))))
        assert waiting(sources) == 1
        assert not sources.read("em", ONE).any()


@pytest.mark.parametrize("error", [ReadOnly, AccessDenied, InvalidInput, StoreError, NotFound, OSError, RuntimeError])
def test_a_write_that_a_store_does_not_take_is_kept_and_others_go_on(error: type[Exception], tmp_path: Path) -> None:
    store, bad = Upstream(), Box((0, 0, 0), (5, 5, 5))
    store.refuse = lambda box: error("no room") if not (box & bad).empty else None
    with journaled(tmp_path, store) as sources:
        sources.write("em", bad, filled(bad, 1))
        wait_until(lambda: store.tries > 0)
        over = Box((4, 4, 4), (6, 6, 6))
        sources.write("em", over, filled(over, 2))
        for z in range(20, 60, 10):
            sources.write("em", Box((z, 0, 64), (z + 10, 9, 70)), filled(Box((0, 0, 0), (10, 9, 6)), 3))
        wait_until(lambda: waiting(sources) == 2)
        store.refuse = lambda box: None
        (backlog,) = backlogs(sources)
        assert backlog.failing + backlog.refused >= 1
        assert (backlog.refused > 0) == issubclass(error, ReadOnly | AccessDenied | InvalidInput)
        assert (sources.read("em", over) == 2).all()
        wait_until(lambda: not waiting(sources))
        assert (part(store.voxels, over) == 2).all()
        assert (part(store.voxels, bad)[:4] == 1).all()


def rows_of_chunks(count: int) -> list[Box]:
    """Return boxes of which each is in a chunk of its own."""
    return [Box((64 * z, 0, 0), (64 * z + 2, 2, 2)) for z in range(count)]


@pytest.mark.parametrize("count", [3, 60])
def test_writes_that_a_store_refuses_hold_up_no_others(tmp_path: Path, count: int) -> None:
    *refused, good = rows_of_chunks(count + 1)
    store = Upstream(np.zeros((64 * count + 64, 64, 64), "uint8"))
    store.refuse = lambda box: None if box == good else ReadOnly("no")
    with journaled(tmp_path, store, flush=False) as sources:
        for box in (*refused, good):
            sources.write("em", box, filled(box, 1))
        with flushing(tmp_path, sources):
            wait_until(lambda: waiting(sources) == count, 60)
            assert store.written


def test_writes_that_fail_again_and_again_let_those_behind_them_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "_LONGEST_WAIT_S", 0.0)  # else those behind go while the others rest
    *failing, good = rows_of_chunks(11)
    store = Upstream(np.zeros((64 * 11, 64, 64), "uint8"))
    store.refuse = lambda box: None if box == good else StoreError("this chunk is away")
    with journaled(tmp_path, store, flush=False) as sources:
        for box in (*failing, good):
            sources.write("em", box, filled(box, 1))
        with flushing(tmp_path, sources):
            wait_until(lambda: bool(store.written), 60)
            store.refuse = lambda box: None
            wait_until(lambda: not waiting(sources), 60)


@pytest.mark.slow
def test_nothing_is_written_to_a_chunk_that_a_store_may_still_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "_FIRST_WAIT_S", 1.0)
    store, other = Upstream(), Box((30, 30, 30), (32, 32, 32))
    store.error = AWAY
    with journaled(tmp_path, store) as sources:
        sources.write("em", ONE, filled(ONE, 1))
        wait_until(lambda: store.tries == 2)  # the third try is later than the next look at the others
        store.error = None
        sources.write("em", other, filled(other, 2))
        wait_until(lambda: not waiting(sources))
    assert store.written == [ONE, other]


def test_the_flusher_continues_when_no_thread_can_be_started_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([RuntimeError("can't start new thread"), MemoryError()])

    class FailingThread(Thread):
        def start(self) -> None:
            if self.name == "voxome-relay-flush" and (error := next(failures, None)) is not None:
                raise error
            super().start()

    monkeypatch.setattr(flusher, "Thread", FailingThread)
    store = Upstream()
    with journaled(tmp_path, store) as sources:
        sources.write("em", ONE, filled(ONE, 1))
        wait_until(lambda: not waiting(sources))
    assert next(failures, None) is None


def test_operators_see_that_no_process_passes_writes_on(tmp_path: Path) -> None:
    store = Upstream()
    store.error = AWAY
    with journaled(tmp_path, store, flush=False) as sources:
        sources.write("em", ONE, filled(ONE, 1))
        admin, late = Caller("admin", frozenset({ADMIN})), "no process of the relay looks at them"
        assert late in "".join(warnings_of(sources, admin))
        assert "voxome_relay_writes_looked_seconds inf" in gauges(sources, ["em"])
        with flushing(tmp_path, sources):
            wait_until(lambda: late not in "".join(warnings_of(sources, admin)))
        lease = tmp_path / "writes" / LEASE_FILE
        os.utime(lease, (0, time.time() - 100))
        assert late in "".join(warnings_of(sources, admin))
        assert "voxome_relay_writes_looked_seconds 100" in gauges(sources, ["em"])


def test_writes_of_two_sources_do_not_wait_for_each_other(tmp_path: Path) -> None:
    slow, quick, release = Upstream(), Upstream(), Event()

    def stall(box: Box) -> None:
        release.wait(100)

    slow.refuse = stall
    with journaled(tmp_path, slow) as sources:
        sources.add("quick", quick, LAB, write_back=True)
        sources.write("em", ONE, filled(ONE, 1))
        sources.write("quick", ONE, filled(ONE, 2))
        wait_until(lambda: bool(quick.written))
        wait_until(lambda: waiting(sources) == 1)  # a write is removed once its replay has ended
        assert (sources.read("quick", ONE) == 2).all()
        release.set()


def test_a_full_journal_refuses_writes_and_serves_reads(tmp_path: Path) -> None:
    store = Upstream()
    store.error = AWAY
    with journaled(tmp_path, store, budget=200_000) as sources:
        box = Box((0, 0, 0), (60, 70, 20))
        sources.write("em", box, filled(box, 1))
        sources.write("em", box, filled(box, 2))
        with pytest.raises(StorageFull, match="no room"):
            sources.write("em", box, filled(box, 3))
        with pytest.raises(TooLargeForJournal):
            sources.write("em", WHOLE, filled(WHOLE, 3))
        assert (sources.read("em", box) == 2).all()
        store.error = None
        wait_until(lambda: not waiting(sources))
        sources.write("em", box, filled(box, 3))
        assert (sources.read("em", box) == 3).all()


def test_operators_see_why_a_store_does_not_take_a_write(tmp_path: Path) -> None:
    store, masked = Upstream(), SourceUnavailable("the source em cannot be opened; see the log of the server")
    masked.__cause__ = StoreError("https://me:secret@host/em is away")
    store.error = masked
    with journaled(tmp_path, store) as sources:
        sources.write("em", ONE, filled(ONE, 7))
        wait_until(lambda: bool(journal_of(sources).index.queue()[0].problem))
        assert describe_write(journal_of(sources).index.queue()[0])["problem"] == "https://host/em is away"
        store.error = None
        wait_until(lambda: not waiting(sources))


@pytest.mark.slow
def test_a_source_of_another_shape_under_the_same_address_gets_nothing_of_the_old_writes(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))
    with journaled(tmp_path, uri, flush=False) as sources:
        sources.write("em", ONE, filled(ONE, 1))
    voxome.rm(uri)
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint16"))
    with journaled(tmp_path, uri) as sources:
        assert not sources.read("em", ONE).any()
        wait_until(lambda: bool(sum(one.refused for one in backlogs(sources))))
        (queued,) = journal_of(sources).index.queue()
        assert "replaced" in queued.problem
        assert not voxome.open(uri)[...].any()


def test_a_write_through_waits_behind_writes_that_the_store_does_not_have(tmp_path: Path) -> None:
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))
    with journaled(tmp_path, uri, flush=False) as sources:
        sources.add("through", uri, LAB)
        sources.write("em", ONE, filled(ONE, 1))
        sources.write("through", ONE, filled(ONE, 2))
        assert waiting(sources) == 2
        assert (sources.read("through", ONE) == 2).all()
    with journaled(tmp_path, uri) as sources:
        wait_until(lambda: not waiting(sources))
    assert (voxome.open(uri)[0:5, 0:6, 0:7] == 2).all()


@pytest.mark.slow
def test_many_writers_of_boxes_that_share_chunks_lose_nothing(tmp_path: Path, cache: ChunkCache) -> None:
    store = Upstream()
    boxes = [Box((z, y, 0), (z + 5, y + 7, 10)) for z in range(0, 60, 5) for y in range(0, 35, 7)]
    with journaled(tmp_path, store, cache) as sources, ThreadPoolExecutor(8) as pool:
        for value in (1, 2):
            for _ in pool.map(lambda box, value=value: sources.write("em", box, filled(box, value)), boxes):
                pass
            assert (sources.read("em", Box((0, 0, 0), (60, 35, 10))) == value).all()
        wait_until(lambda: not waiting(sources))
        assert (sources.read("em", Box((0, 0, 0), (60, 35, 10))) == 2).all()
    assert (store.voxels[:, :35, :10] == 2).all()
    assert not store.voxels[:, :, 10:].any()


@pytest.mark.slow
def test_readers_see_a_write_at_every_moment_of_its_replay(tmp_path: Path, cache: ChunkCache) -> None:
    store, ended = Upstream(), Event()
    with journaled(tmp_path, store, cache) as sources, ThreadPoolExecutor(3) as pool:
        confirmed = [0]

        def read() -> int:
            reads = 0
            while not ended.is_set():
                least = confirmed[0]
                assert sources.read("em", ONE).min() >= least
                reads += 1
            return reads

        readers = [pool.submit(read) for _ in range(3)]
        for value in range(1, 40):
            sources.write("em", ONE, filled(ONE, value))
            confirmed[0] = value
        ended.set()
        assert all(reader.result(100) > 0 for reader in readers)


def test_another_process_takes_over_when_a_flusher_is_gone(tmp_path: Path) -> None:
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))
    lease = tmp_path / "writes" / "flusher.lock"
    with journaled(tmp_path, uri) as first, closing(Journal(tmp_path / "writes", 2**20, 1)) as journal:
        sources = Sources(journal=journal)
        sources.add("em", uri, LAB, write_back=True)
        second = Flusher(journal, lease, sources.replay())
        second.start()
        sources.write("em", ONE, filled(ONE, 1))
        assert (first.read("em", ONE) == 1).all()
        wait_until(lambda: not waiting(sources))
    with closing(Journal(tmp_path / "writes", 2**20, 1)) as journal:
        sources = Sources(journal=journal)
        sources.add("em", uri, LAB, write_back=True)
        third = Flusher(journal, lease, sources.replay())
        second.close()
        third.start()
        sources.write("em", ONE, filled(ONE, 2))
        wait_until(lambda: not waiting(sources))
        third.close()


def test_a_source_is_written_back_only_with_a_journal() -> None:
    with pytest.raises(InvalidInput, match=r"cache\.folder"):
        Sources().add("em", Store(), LAB, write_back=True)
