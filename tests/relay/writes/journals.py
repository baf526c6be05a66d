"""Sources with a journal, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import numpy as np
from relay.cache.caches import SHAPE, Store

from voxome.geometry import Box
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.caching import Caching
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.writes.flusher import Flusher
from voxome.relay.writes.index import Backlog
from voxome.relay.writes.journal import Journal

LAB = Rights(writers=frozenset({"lab"}))
MIB = 2**20


class Upstream(Store):
    """A store that is there at times only, and remembers the boxes that were written."""

    def __init__(self, voxels: np.ndarray | None = None) -> None:
        super().__init__(np.zeros(SHAPE, "uint8") if voxels is None else voxels)
        self.error: Exception | None = None
        self.refuse: Callable[[Box], Exception | None] = lambda box: None
        self.written: list[Box] = []
        self.tries = 0

    def read(self, box: Box, *, out: np.ndarray | None = None) -> np.ndarray:
        self._answer(box)
        return super().read(box)

    def write(self, box: Box, data: np.ndarray) -> None:
        self.tries += 1
        self._answer(box)
        super().write(box, data)
        self.written.append(box)

    def _answer(self, box: Box) -> None:
        error = self.error or self.refuse(box)
        if error is not None:
            raise error


@contextmanager
def journaled(
    folder: Path, upstream: Store | str, cache: ChunkCache | None = None, *,
    budget: int = 64 * MIB, flush: bool = True, name: str = "em",
) -> Iterator[Sources]:  # fmt: skip
    """Yield a source which is written back; unless `flush`, nothing is replayed."""
    with closing(Journal(folder / "writes", budget, 0)) as journal:
        sources = Sources(cache, journal=journal)
        sources.add(name, upstream, LAB, Caching(cache is not None), write_back=True)
        with flushing(folder, sources) if flush else nullcontext():
            yield sources


@contextmanager
def flushing(folder: Path, sources: Sources) -> Iterator[Flusher]:
    """Replay the journal inside the context."""
    replay = sources.replay()
    flusher = Flusher(replay.journal, folder / "writes" / "flusher.lock", replay)
    flusher.start()
    try:
        yield flusher
    finally:
        flusher.close()


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def journal_of(sources: Sources) -> Journal:
    assert sources.writes is not None
    return sources.writes.journal


def backlogs(sources: Sources) -> list[Backlog]:
    return journal_of(sources).index.backlogs()


def waiting(sources: Sources) -> int:
    """Return the number of writes that the store does not have."""
    return sum(one.count for one in backlogs(sources))
