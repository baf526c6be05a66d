"""The disk tier keeps whole chunks only, within its budget, and survives kills, damage and full disks."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from voxome.errors import StoreError
from voxome.relay.cache.disk import DiskTier
from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.index import DiskIndex

SHAPE, DTYPE = (10, 10, 10), np.dtype("uint8")


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")[::-1]


def chunk(number: int) -> CachedChunk:
    return CachedChunk(np.full(SHAPE, number, DTYPE), 2**62 + number, 3)


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "chunks").glob("*/*") if path.is_file()]


def test_chunks_survive_a_restart(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 10**6)
    assert tier.put(key(1), chunk(1))
    tier.close()
    found = DiskTier(tmp_path, 10**6).get(key(1), DTYPE, SHAPE)
    assert found is not None
    assert (found.generation, found.epoch) == (2**62 + 1, 3)
    assert_array_equal(found.voxels, chunk(1).voxels)
    assert DiskTier(tmp_path, 10**6, process=1).get(key(2), DTYPE, SHAPE) is None


@pytest.mark.slow
def test_the_least_recently_used_are_removed(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 100_000)
    for number in range(100):
        tier.put(key(number), chunk(number))
        time.sleep(0.0001)
    assert tier.get(key(0), DTYPE, SHAPE) is not None
    tier.put(key(100), chunk(100))
    assert tier.get(key(0), DTYPE, SHAPE) is not None
    assert tier.get(key(1), DTYPE, SHAPE) is None
    assert tier.index.nbytes == 1000 * len(files(tmp_path)) <= 100_000


def test_a_chunk_that_is_kept_again_replaces_the_old_file(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))
    tier.put(key(1), chunk(2))
    found = tier.get(key(1), DTYPE, SHAPE)
    assert found is not None
    assert found.voxels.max() == 2
    assert len(files(tmp_path)) == 1
    assert tier.index.nbytes == 1000


def test_a_chunk_over_the_budget_is_not_kept(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 1500)
    assert tier.put(key(1), chunk(1))
    assert not DiskTier(tmp_path / "small", 999).put(key(1), chunk(1))
    assert tier.get(key(1), DTYPE, SHAPE) is not None


@pytest.mark.parametrize("content", [b"", bytes(1000), bytes([1]) * 999, bytes([1]) * 999 + b"\2"])
def test_a_damaged_file_is_noticed(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))
    (file,) = files(tmp_path)
    file.write_bytes(content)
    assert tier.get(key(1), DTYPE, SHAPE) is None
    assert "damaged" in caplog.text
    assert files(tmp_path) == []
    assert tier.index.nbytes == 0
    assert tier.put(key(1), chunk(1))


def test_a_file_that_somebody_removed_is_a_miss(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))
    files(tmp_path)[0].unlink()
    assert tier.get(key(1), DTYPE, SHAPE) is None
    assert tier.index.nbytes == 0


def test_files_of_a_process_that_was_killed_are_removed_and_their_bytes_freed(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))
    tier.index.begin("aa/unfinished", 500, 0, 10**6)
    (tmp_path / "chunks" / "aa").mkdir()
    (tmp_path / "chunks" / "aa" / "unfinished.part").write_bytes(b"half")
    (tmp_path / "chunks" / "aa" / "stray").write_bytes(b"of an index that was lost")
    assert tier.index.nbytes == 1500
    tier.close()
    again = DiskTier(tmp_path, 10**6)
    again._cleaner.join()
    assert len(files(tmp_path)) == 1
    assert DiskTier(tmp_path, 10**6).index.nbytes == 1000


def test_a_file_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    other = DiskTier(tmp_path, 10**6, process=1)
    other.index.begin("aa/unfinished", 500, 1, 10**6)
    (tmp_path / "chunks" / "aa").mkdir()
    (tmp_path / "chunks" / "aa" / "unfinished.part").write_bytes(b"half")
    DiskTier(tmp_path, 10**6, process=0)._cleaner.join()
    assert len(files(tmp_path)) == 1


def test_a_damaged_index_begins_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))
    tier.close()
    (tmp_path / "index.sqlite").write_bytes(b"not a database" * 1000)
    again = DiskTier(tmp_path, 10**6)
    assert "begins empty" in caplog.text
    assert again.get(key(1), DTYPE, SHAPE) is None
    assert again.put(key(1), chunk(1))
    again._cleaner.join()
    assert len(files(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="choose another cache folder"):
        DiskTier(tmp_path / "file", 10**6)


def test_a_full_disk_costs_no_read(tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    tier = DiskTier(tmp_path, 10**6)
    tier.put(key(1), chunk(1))

    def fail(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", fail)
        assert [tier.put(key(number), chunk(number)) for number in range(2, 9)] == [False] * 7
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert "No space" in caplog.text
    assert tier.index.nbytes == 1000
    assert tier.get(key(1), DTYPE, SHAPE) is not None
    assert tier.put(key(2), chunk(2))


def test_an_index_that_fails_costs_no_read(tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    tier = DiskTier(tmp_path, 10**6)

    def fail(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    for method in ("get", "begin"):
        monkeypatch.setattr(DiskIndex, method, fail)
    assert tier.get(key(1), DTYPE, SHAPE) is None
    assert not tier.put(key(1), chunk(1))
    assert "disk is full" in caplog.text


@pytest.mark.slow
def test_a_million_entries_are_ready_at_once_with_the_right_budget(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, 10**12)
    tier.put(key(0), chunk(0))
    with tier.index.transaction() as connection:
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999999) "
            "INSERT INTO entries "
            "SELECT CAST(printf('%016d', n) AS BLOB), printf('%02x/%d', n % 256, n), 1000, 0, 0, 0, n + 0.0 "
            "FROM numbers"
        )
    tier.close()
    begin = time.perf_counter()
    again = DiskTier(tmp_path, 10**9)
    assert again.index.nbytes == 10**9
    assert again.get(key(0), DTYPE, SHAPE) is not None
    assert again.put(key(10**6), chunk(1))
    assert again.index.nbytes <= 10**9
    assert time.perf_counter() - begin < 30
