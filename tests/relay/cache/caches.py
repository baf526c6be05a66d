"""Caches and sources for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.contracts.source import Version
from voxome.geometry import Box
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.disk import DiskTier
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.leases import Leases
from voxome.relay.cache.memory import MemoryTier
from voxome.testing.strategies import noise

SHAPE = (60, 70, 80)
EDGE = 64
WHOLE = Box.of_shape(SHAPE)
ONE = Box((0, 0, 0), (5, 6, 7))
"""Within one chunk."""


class Store:
    """A volume source whose reads are counted, and fail, wait or lie as a test wants."""

    concurrent_writers = True

    def __init__(self, voxels: NDArray[Any] | None = None, token: str = "first") -> None:
        self.voxels = noise(SHAPE, "uint8") if voxels is None else voxels
        self.spec = voxome.VolumeSpec.of(self.voxels.shape, self.voxels.dtype, chunk=(EDGE,) * 3)
        self.token, self.pinned, self.covers_voxels = token, False, False
        self.boxes: list[Box] = []
        self.before_read: Callable[[], None] = lambda: None
        self.after_read: Callable[[], None] = lambda: None
        self.check: Callable[[], None] = lambda: None
        self._lock = Lock()

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        with self._lock:
            self.boxes.append(box)
        self.before_read()
        voxels = self.voxels[box.within(self.spec.domain)].copy()
        self.after_read()
        return voxels

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.voxels[box.within(self.spec.domain)] = data

    def version(self) -> Version:
        self.check()
        return Version(self.token, self.pinned, self.covers_voxels)


def open_cache(folder: Path | None = None, memory: int = 2**24, disk: int = 2**24) -> ChunkCache:
    """Return a cache in memory and, if `folder` is given, on disk."""
    if folder is None:
        return ChunkCache(MemoryTier(memory), Generations())
    folder.mkdir(exist_ok=True)
    generations = Generations(folder / "generations")
    tier = DiskTier(folder, disk, generations.process)
    return ChunkCache(MemoryTier(memory), generations, tier, Leases(folder / "leases"))


def part(voxels: NDArray[Any], box: Box) -> NDArray[Any]:
    return voxels[box.within(Box.of_shape(voxels.shape))]


def zeros(box: Box) -> NDArray[Any]:
    return np.zeros(box.shape, "uint8")
