"""Folders on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.source import Mode
from voxome.errors import InvalidBox, StoreError, UnsupportedFormat, VoxomeError
from voxome.storage.find import storage_at
from voxome.storage.local import LocalPath

SPEC = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(8, 8, 8))
CHUNKED = ("zarr", "n5", "precomputed")


@pytest.mark.parametrize("scheme", CHUNKED)
def test_a_volume_is_not_created_at_a_path_with_a_backslash(tmp_path: Path, scheme: str) -> None:
    voxome.create(f"{scheme}://{tmp_path}/a/b", SPEC)[...] = 1
    with pytest.raises(UnsupportedFormat, match="has a backslash in its path"):
        voxome.create(f"{scheme}://{tmp_path}/a\\b", SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (voxome.open(f"{scheme}://{tmp_path}/a/b", expect=voxome.Volume)[...] == 1).all()


@pytest.mark.parametrize("scheme", CHUNKED)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_volume_at_a_path_with_a_backslash_is_refused_not_read_as_zeros(
    tmp_path: Path, scheme: str, mode: Mode
) -> None:
    voxome.create(f"{scheme}://{tmp_path}/a", SPEC)[...] = 1
    (tmp_path / "a").rename(tmp_path / "a\\b")
    for uri in (tmp_path / "a\\b", f"{scheme}://{tmp_path}/a\\b"):
        with pytest.raises(UnsupportedFormat, match="has a backslash in its path"):
            voxome.open(uri, mode=mode)


def test_a_folder_that_is_gone_is_removed_already(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    storage_at(str(tmp_path / "gone")).delete()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_ranges_of_files_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(100)))
    (tmp_path / "b").write_bytes(b"voxels")
    folder = LocalPath(str(tmp_path))
    ranges = [("a", 90, 100), ("a", 0, 3), ("none", 0, 1), ("b", 3, 6), ("a", 5, 5), ("b/c", 0, 1)]
    assert folder.read_ranges(ranges) == [bytes(range(90, 100)), bytes(range(3)), None, b"els", b"", None]
    with pytest.raises(InvalidBox, match="not all inside the file"):
        folder.read_ranges([("b", 3, 7)])
    with pytest.raises(StoreError, match="cannot read"):
        folder.read_ranges([("", 0, 1)])


@pytest.mark.parametrize("range", [(0, 1 << 45), (1 << 62, (1 << 62) + 5), (-5, 5), (5, -5), (3, 6)])
def test_no_memory_is_taken_for_ranges_that_a_file_does_not_have(tmp_path: Path, range: tuple[int, int]) -> None:
    (tmp_path / "a").write_bytes(b"voxel")
    folder = LocalPath(str(tmp_path))
    with pytest.raises(InvalidBox, match="not all inside the file"):
        folder.read_ranges([("a", *range)])
    assert folder.read_ranges([("a", 0, 5), ("a", 5, 5)]) == [b"voxel", b""]


@pytest.mark.timeout(120)
def test_a_pipe_is_no_file_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "info")
    folder = LocalPath(str(tmp_path))
    with pytest.raises(StoreError, match="a pipe or a device"):
        folder.read("info")
    with pytest.raises(StoreError, match="a pipe or a device"):
        folder.read_ranges([("info", 0, 1)])
    with pytest.raises(VoxomeError):
        voxome.open(f"precomputed://{tmp_path}")


def test_a_path_that_is_not_utf8_is_read_or_refused(tmp_path: Path) -> None:
    array, file = tmp_path / "a\udcff.zarr", tmp_path / "a\udcff.npy"
    voxome.put(np.ones((2, 3, 4), np.uint8), f"zarr://{tmp_path}/a.zarr")
    (tmp_path / "a.zarr").rename(array)
    np.save(file, np.ones((2, 3, 4), np.uint8))
    read, refused = (one.description for one in voxome.ls(tmp_path))
    assert "not UTF-8: rename it" in (refused or "")
    assert read == "uint8 2,3,4"
    voxome.get(str(file), str(tmp_path / "b.zarr"))
    with pytest.raises(UnsupportedFormat, match="not UTF-8: rename it"):
        voxome.transfer(tmp_path / "b.zarr", f"zarr://{tmp_path}/c\udcff.zarr")
    with pytest.raises(UnsupportedFormat, match="not UTF-8: rename it"):
        voxome.open(array)
    with pytest.raises(UnsupportedFormat, match="not UTF-8: rename it"):
        voxome.create(f"zarr://{tmp_path}/b\udcff.zarr", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
