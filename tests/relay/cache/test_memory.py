"""The memory tier keeps files with their chunks, within one budget."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from starlette.responses import Response

from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.kept_file import KeptFile
from voxome.relay.cache.memory import MemoryTier

BOX = Box.of_shape((10, 10))


def chunk() -> CachedChunk:
    return CachedChunk(np.zeros(BOX.shape, "uint8"), 0, 0)


def file(of: CachedChunk, nbytes: int) -> KeptFile:
    nothing: Any = None
    return KeptFile("em", 1, cast(CachedArray, nothing), 0, BOX, of, nothing, Response(), nbytes)


def test_a_file_is_dropped_with_its_chunk() -> None:
    tier, one = MemoryTier(1000), chunk()
    tier.put(b"one", one)
    tier.keep_file(b"one", "/one", file(one, 50))
    assert tier.get_file("/one") is not None
    assert tier.nbytes == 150
    tier.drop(b"one")
    assert tier.get_file("/one") is None
    assert tier.nbytes == 0


def test_a_file_of_a_chunk_that_was_replaced_is_gone_and_not_kept_again() -> None:
    tier, one, two = MemoryTier(1000), chunk(), chunk()
    tier.put(b"one", one)
    tier.keep_file(b"one", "/one", file(one, 50))
    tier.put(b"one", two)
    assert tier.get_file("/one") is None
    tier.keep_file(b"one", "/one", file(one, 50))
    assert tier.get_file("/one") is None
    assert tier.nbytes == 100


def test_files_count_in_the_budget() -> None:
    tier, chunks = MemoryTier(300), [chunk(), chunk()]
    for number, one in enumerate(chunks):
        tier.put(bytes([number]), one)
    tier.keep_file(b"\1", "/1", file(chunks[1], 150))
    assert tier.get(b"\0") is None
    assert tier.nbytes == 250
    tier.keep_file(b"\1", "/1/again", file(chunks[1], 51))  # there is no room for both files
    assert tier.get_file("/1/again") is None
    tier.keep_file(b"\1", "/1", file(chunks[1], 120))
    assert tier.nbytes == 220


def test_a_chunk_whose_file_is_read_is_not_the_next_to_be_dropped() -> None:
    tier, chunks = MemoryTier(300), [chunk(), chunk(), chunk()]
    for number, one in enumerate(chunks[:2]):
        tier.put(bytes([number]), one)
    tier.keep_file(b"\0", "/0", file(chunks[0], 10))
    tier.get(b"\1")
    tier.get_file("/0")
    tier.put(b"\2", chunks[2])
    assert tier.get_file("/0") is not None
    assert tier.get(b"\1") is None
