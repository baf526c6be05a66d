"""What sessions and readers of one process share."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

import voxome
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.state import State

LABELS = np.repeat(np.arange(1, 65, dtype=np.uint64), 8).reshape(8, 8, 8)


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many operations each state that followed the database has applied."""
    counts: list[int] = []
    follow = State.follow

    def counting(state: State, connection: object) -> object:
        news = follow(state, connection)  # type: ignore[arg-type]
        counts.append(len(news.operations))
        return news

    monkeypatch.setattr(State, "follow", counting)
    return counts


@pytest.mark.slow
def test_levels_and_readers_apply_each_operation_once(tmp_path: Path, replayed: list[int]) -> None:
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.transfer(LABELS, uri, levels=3)
    session = voxome.proofread(uri, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    session.merge([1, 2, 9, 10])
    replayed.clear()
    volumes = [voxome.open(session.uri, expect=voxome.Volume), session.volume]
    volumes += [volume.level(number) for volume in volumes for number in range(1, len(volume.levels))]
    assert sum(replayed) == 1
    session.merge([1, 64])
    replayed.clear()
    for volume in volumes:
        assert set(np.unique(volume[...]).tolist()).isdisjoint({2, 9, 10, 64})
    assert sum(replayed) == 1


def test_a_store_at_the_address_of_another_one_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "edits.sqlite"
    first = voxome.proofread(LABELS, file, author="ann")
    assert isinstance(first, Session)
    first.merge([1, 2])
    old = first.volume
    assert 2 not in np.unique(old[...])
    first.close()
    for path in tmp_path.glob("edits.sqlite*"):
        path.unlink()
    second = voxome.proofread(LABELS, file, author="ann", mapping=([3], [70]))
    assert np.unique(second.volume[...]).tolist() == [1, 2, *range(4, 65), 70]


def test_an_older_state_that_is_put_back_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "edits.sqlite"
    session = voxome.proofread(LABELS, file, author="ann")
    assert isinstance(session, Session)
    session.close()
    before = file.read_bytes()
    session = voxome.proofread(LABELS, file, author="ann")
    session.merge([1, 2])
    kept = session.volume
    assert 2 not in np.unique(kept[...])
    session.close()
    file.write_bytes(before)
    assert 2 in np.unique(voxome.proofread(LABELS, file, author="ann").volume[...])


@pytest.mark.slow
def test_what_nobody_uses_is_forgotten(tmp_path: Path) -> None:
    session = voxome.proofread(LABELS, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    contents = session.store._contents
    volume = session.volume
    assert len(contents._lookups) == 1
    del volume, session
    gc.collect()
    assert not len(contents._lookups)


@pytest.mark.slow
def test_readers_in_threads_see_states_that_existed(tmp_path: Path) -> None:
    labels = np.kron(LABELS, np.ones((6, 6, 6), np.uint64))
    session = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    seen: list[set[int]] = []
    ended = Event()

    def read() -> None:
        volume = voxome.proofread(labels, tmp_path / "edits.sqlite").volume
        while not ended.is_set():
            seen.append(set(np.unique(volume[...]).tolist()))

    readers = [Thread(target=read) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        for other in range(2, 32):
            if other % 5 == 0:
                _, new = session.split(64, [[47, 42, 0]], [[47, 42, 47]]).segments
                session.merge([64, new])
            session.merge([1, other, other + 31])
    finally:
        ended.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(interval)
    source = {one: SegmentsSource(session.store, "main", one) for one in range(len(session.history()) + 1)}
    states = [set(np.unique(one.read(session.store.domain)).tolist()) for one in source.values()]
    assert len(seen) > 4
    assert all(one in states for one in seen)
