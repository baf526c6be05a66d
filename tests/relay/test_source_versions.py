from __future__ import annotations

from contextlib import closing

from relay.cache.caches import SHAPE, WHOLE, Store, open_cache

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
