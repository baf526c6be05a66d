from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from relay.cache.caches import ONE, SHAPE, WHOLE, Store, open_cache

from voxome.relay.cache import states
from voxome.relay.cache.status import cache_status, recording
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise


class Edited(Store):
    """A store with versions that never change."""

    def at_version(self, version: str) -> Store:
        return Store(noise(SHAPE, "uint8"))

    def current_version(self) -> str:
        return "9"


def test_all_versions_of_a_source_are_fetched_in_the_threads_of_the_source() -> None:
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("em", Edited(noise(SHAPE, "uint8")), caching=Caching(enabled=True))
        for version in range(5):
            sources.read(f"em@{version}", WHOLE)
        assert set(cache._pools) == {sources.find("em").identity}


def test_a_version_has_one_state_and_its_chunks_after_each_start(tmp_path: Path) -> None:
    uri = "memory://the-same-after-a-start"
    results = []
    for _ in range(3):
        with closing(open_cache(tmp_path / "cache")) as cache:
            assert cache.disk is not None
            sources = Sources(cache)
            sources.add("em", Edited(noise(SHAPE, "uint8")), caching=Caching(enabled=True))
            sources._upstreams["em"].origin.identity = uri
            with recording() as result:
                sources.read("em@7", WHOLE)
            results.append(cache_status(result))
            rows = cache.disk.index.fetch("SELECT source FROM states")
    assert results == ["voxome; fwd=miss; stored", "voxome; hit", "voxome; hit"]
    assert len(rows) == 2


def test_states_that_nobody_needs_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_MOST_KEPT", 5)
    with closing(open_cache(tmp_path / "cache")) as cache:
        assert cache.disk is not None
        sources = Sources(cache)
        sources.add("em", Edited(noise(SHAPE, "uint8")), caching=Caching(enabled=True))
        for version in range(20):
            sources.read(f"em@{version}", ONE)
        assert len(cache.disk.index.fetch("SELECT source FROM states")) == 5
