"""Sources with stores that wait, and clocks that tests move."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import numpy as np
import pytest
from relay.cache.caches import ONE, Store

import voxome
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.caching import Caching
from voxome.relay.origin import Origin
from voxome.relay.rights import Rights
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources

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


def served(cache: ChunkCache, store: Store, caching: Caching = CACHED, rights: Rights = ADMIN) -> Sources:
    sources = Sources(cache)
    sources.add("em", store, rights, caching)
    return sources


def zarr_uri(folder: Path, voxels: np.ndarray, **options) -> str:
    uri = f"zarr://{folder}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(voxels.shape, voxels.dtype, **options))[:] = voxels
    return uri


def wait_for(event: Event) -> None:
    event.wait(100)


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
