"""Files of a store: read by ranges, written atomically, and tables in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.errors import NotFound, StoreError
from voxome.resources.table import TableFile, write_table
from voxome.storage import path
from voxome.storage.find import storage_at
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath

COLUMNS = {"id": "uint64", "score": "float64"}


@pytest.fixture
def folder(any_store: str) -> StoragePath:
    return storage_at(any_store)


def test_the_address_of_a_path_gives_the_path(folder: StoragePath) -> None:
    below = folder / "a" / "b.json"
    assert storage_at(below.address).path == below.path
    assert storage_at(below.address).options == below.options


def test_a_file_is_written_read_and_removed(folder: StoragePath) -> None:
    file = folder / "deep" / "a.json"
    assert (file.read_bytes(), file.exists()) == (None, False)
    file.write_bytes(b"{}")
    file.write_bytes(b"[]")
    assert (file.read_bytes(), file.exists()) == (b"[]", True)
    assert (folder / "deep").names() == ["a.json"]
    file.unlink()
    file.unlink()
    assert file.read_bytes() is None
    with pytest.raises(NotFound, match=r"a\.json"):
        file.open_file()


def test_an_unfinished_file_does_not_appear(folder: StoragePath) -> None:
    file = folder / "a.json"
    file.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        _write_half(file)
    assert file.read_bytes() == b"old"
    assert folder.names() == ["a.json"]


def test_missing_files_are_found_among_any_number(folder: StoragePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path, "_LOOK_UPS", 2)
    for name in "acd":
        (folder / name).write_bytes(b"")
    assert folder.missing(iter("abcde")) == ["b", "e"]
    assert folder.lacks(iter("acdb"))
    assert not folder.lacks(iter("acd"))


def _write_half(file: StoragePath) -> None:
    with file.create_file() as opened:
        opened.write(b"new")
        raise ZeroDivisionError


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 65_537, 1_000_000])
def test_any_range_of_a_file_of_any_size_is_read(folder: StoragePath, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    file = folder / "noise"
    file.write_bytes(data)
    with file.open_file() as opened:
        for start in (0, size // 3, max(0, size - 10)):
            opened.seek(start)
            assert opened.read(min(5000, size - start)) == data[start : start + 5000]
        for back in (min(8, size), min(70_000, size)):
            opened.seek(-back, 2)
            assert opened.read(back) == data[size - back :]


@pytest.mark.parametrize("count", [0, 3, 50_000])
def test_tables_are_read_by_row_groups(folder: StoragePath, count: int) -> None:
    rows = {"id": np.arange(count, dtype=np.uint64), "score": np.random.default_rng(1).random(count)}
    address = (folder / "t.parquet").address
    write_table(address, rows, COLUMNS, row_group=1024)
    table = TableFile(address)
    assert len(table) == count
    assert np.array_equal(table.read()["score"], rows["score"])
    keys = np.array([2, 20_000, 10**9], np.uint64)
    assert np.array_equal(table.lookup("id", keys)["id"], [key for key in keys if key < count])
    assert sum(len(batch["id"]) for batch in table.batches(1000)) == count


def test_a_table_that_is_missing_is_named(folder: StoragePath) -> None:
    with pytest.raises(NotFound, match=r"the table .*none\.parquet.* does not exist"):
        TableFile((folder / "none.parquet").address)


def test_a_folder_cannot_be_written_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="taken"):
        storage_at(f"{tmp_path}/taken").write_bytes(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_two_writers_of_one_file_do_not_conflict(tmp_path: Path) -> None:
    path = LocalPath(str(tmp_path / "rows"))
    with path.create_file() as first, path.create_file() as second:
        first.write(b"rows")
        second.write(b"rows")
    assert [file.name for file in tmp_path.iterdir()] == ["rows"]
    assert path.read_bytes() == b"rows"


def test_partial_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    with LocalPath(str(tmp_path / "a" / "rows")).create_file():
        [part] = (tmp_path / "a").iterdir()
        (tmp_path / "a" / "kept.part").touch()
        LocalPath(str(tmp_path)).remove_stale_parts()
        assert not part.exists()
        part.touch()
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["kept.part", "rows"]


def test_lock_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / "c" / "0").mkdir(parents=True)
    (tmp_path / "c" / "0" / "0").touch()
    (tmp_path / "c" / "0" / "0.__lock").touch()
    LocalPath(str(tmp_path)).remove_stale_locks()
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["0"]
    LocalPath(str(tmp_path / "none")).remove_stale_locks()


def test_a_storage_class_must_say_how_its_bytes_are_read() -> None:
    class Incomplete(StoragePath):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?spec"):
        Incomplete("x://bucket")  # type: ignore[abstract]


def test_a_table_in_a_store_that_fails_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise StoreError("the server is down")

    monkeypatch.setattr(StoragePath, "read_range", fail)
    with pytest.raises(StoreError, match="the server is down"):
        TableFile("s3://voxels/rows.parquet?endpoint=http://127.0.0.1:9")
