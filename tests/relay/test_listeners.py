"""Listeners hear of every write to a source, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from relay.cache.caches import ONE, open_cache
from relay.upstreams import filled, gated, give_up

from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.source_errors import SourceUnavailable


@pytest.fixture
def cache() -> Iterator[ChunkCache]:
    with closing(open_cache()) as opened:
        yield opened


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
