"""Scan of a volume for its supervoxels."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from voxome.services.proofreading import scan as scanning
from voxome.services.proofreading.scan import Scan, ScannedChunk


def test_chunks_come_back_as_they_were_added_and_ids_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_UNSORTED", 3)
    scan, random = Scan(), np.random.default_rng(0)
    chunks = [np.unique(random.integers(1, 2**64 - 1, 5, np.uint64)) for _ in range(9)]
    chunks.append(chunks[0])
    for number, ids in enumerate(chunks):
        scan.add(ScannedChunk(number, ids, number.to_bytes(8, "big")))
    for _ in range(2):
        found = list(scan.chunks())
        assert [one.number for one in found] == list(range(10))
        assert [one.digest for one in found] == [number.to_bytes(8, "big") for number in range(10)]
        assert all(np.array_equal(one.ids, ids) for one, ids in zip(found, chunks, strict=True))
        assert np.array_equal(scan.ids, np.unique(np.concatenate(chunks)))


@pytest.mark.slow
def test_the_memory_of_a_scan_does_not_grow_with_the_number_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_UNSORTED", 256)
    scan, ids = Scan(), np.array([1, 2], np.uint64)
    tracemalloc.start()
    for number in range(5000):
        scan.add(ScannedChunk(number, ids, bytes(8)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50_000
    assert len(list(scan.chunks())) == 5000
