"""Export: what is lost is named, compressed NIfTI, N5, and replacement of what exists."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.config.machine import Disk
from voxome.errors import AlreadyExists, InvalidBox, InvalidInput, StoreError
from voxome.remotes import hdf5_parts
from voxome.services import blockwise_copy, export
from voxome.storage import temporary_names
from voxome.storage.local import LocalPath
from voxome.storage.temporary_names import temporary_path
from voxome.testing.strategies import noise

SHAPE = (4, 5, 6)
NAMES = ["a.npy", "a.tif", "a.nii", "a.nii.gz", "a.zarr", "a.n5", "a/", "a.h5", "a.h5/deep/raw"]


@pytest.fixture
def volume() -> voxome.Volume:
    spec = voxome.VolumeSpec.of(
        SHAPE, "uint8", start=(1, 0, 0), voxel_size_nm=(40, 4, 4), offset_nm=(0, 2, 2), attributes={"author": "me"}
    )
    volume = voxome.create("memory://full", spec)
    volume[...] = noise(SHAPE, "uint8")
    yield volume
    voxome.rm("memory://full")


def contents(path: Path) -> NDArray[Any]:
    found: NDArray[Any] = np.asarray(voxome.open(path)[...])
    return found


@pytest.mark.parametrize(
    ("name", "lost", "kept"),
    [
        ("a.npy", ["voxel size 40,4,4 nm", "offset", "start 1,0,0", "attributes author"], []),
        ("a.tif", ["offset", "start 1,0,0", "attributes author"], ["voxel size"]),
        ("a.nii", ["attributes author"], ["voxel size", "offset", "start"]),
        ("a.nii.gz", ["attributes author"], ["voxel size", "offset", "start"]),
        ("a.h5", [], ["cannot store"]),
        ("a.zarr", [], ["cannot store"]),
        ("a.n5", [], ["cannot store"]),
        ("a/", [], ["cannot store"]),
    ],
)
def test_metadata_that_a_format_cannot_store_are_named(
    volume: voxome.Volume, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, lost: list[str], kept: list[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        voxome.get(volume, f"{tmp_path}/{name}")
    assert all(part in caplog.text for part in lost)
    assert not any(part in caplog.text for part in kept)
    assert_array_equal(contents(tmp_path / name), volume[...])


def test_compressed_nifti_is_read_by_nibabel(volume: voxome.Volume, tmp_path: Path) -> None:
    voxome.get(volume, tmp_path / "a.nii.gz")
    assert_array_equal(np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj).T, volume[...])
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_n5_keeps_the_position(volume: voxome.Volume, tmp_path: Path) -> None:
    voxome.get(volume, tmp_path / "a.n5", box="2:4,1:3,0:6")
    part = voxome.open(tmp_path / "a.n5")
    assert (str(part.domain), part.voxel_size_nm) == ("2:4,1:3,0:6", (40, 4, 4))
    assert_array_equal(part[...], volume[1:3, 1:3, 0:6])


@pytest.mark.parametrize("name", NAMES)
def test_what_exists_is_replaced_only_if_wanted(volume: voxome.Volume, tmp_path: Path, name: str) -> None:
    out = f"{tmp_path}/{name}"
    voxome.get(np.zeros((2, 3, 4), "uint8"), out)
    with pytest.raises(AlreadyExists):
        voxome.get(volume, out)
    assert_array_equal(contents(tmp_path / name), 0)
    before = [path.name for path in tmp_path.iterdir()]
    voxome.get(volume, out, overwrite=True)
    assert_array_equal(contents(tmp_path / name), volume[...])
    assert [path.name for path in tmp_path.iterdir()] == before


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a.nii"])
def test_what_exists_is_kept_if_the_new_one_fails(
    volume: voxome.Volume, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blockwise_copy, "BLOCK_BYTES", 1)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    voxome.get(np.full((2, 3, 4), 7, "uint8"), f"{tmp_path}/{name}")
    with pytest.raises(KeyboardInterrupt):
        voxome.get(volume, f"{tmp_path}/{name}", overwrite=True, progress=stop)
    assert_array_equal(contents(tmp_path / name), 7)
    assert len(list(tmp_path.iterdir())) == 1


_KILLED = """
import os, signal, sys, numpy, voxome
from voxome.services import blockwise_copy
from voxome.storage import temporary_names
from voxome.storage.local import LocalPath
from voxome.storage.temporary_names import temporary_path

blockwise_copy.BLOCK_BYTES = 1
name, most = sys.argv[1], int(sys.argv[2])
voxome.get(
    numpy.arange(120, dtype="uint8").reshape(4, 5, 6), name, overwrite=True,
    progress=lambda done, total: done < most or os.kill(os.getpid(), signal.SIGKILL),
)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("most", "libver"), [(1, None), (2, "latest"), (4, None)])
def test_a_dataset_is_kept_if_a_process_that_overwrites_it_is_killed(
    tmp_path: Path, most: int, libver: str | None
) -> None:
    out = f"{tmp_path}/a.h5"
    h5py.File(out, "w", libver=libver).close()
    voxome.get(np.full((2, 3, 4), 7, "uint8"), out)
    ended = subprocess.run([sys.executable, "-c", _KILLED, out, str(most)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert_array_equal(contents(tmp_path / "a.h5"), 7)
    voxome.get(np.full((2, 3, 4), 8, "uint8"), out, overwrite=True)
    assert_array_equal(contents(tmp_path / "a.h5"), 8)
    with h5py.File(out) as h5:
        assert list(h5) == ["volume"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_files_that_are_marked_while_they_are_written_are_replaced_by_a_copy(tmp_path: Path) -> None:
    """HDF5 opens no file that a killed process was writing, if it has this version."""
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as h5:
        h5["volume"], h5["other"] = np.ones((2, 3, 4), np.uint8), np.arange(5)
    before = (tmp_path / "a.h5").read_bytes()

    def check(done: int, total: int) -> None:
        assert (tmp_path / "a.h5").read_bytes() == before

    voxome.get(np.full((4, 5, 6), 7, "uint8"), tmp_path / "a.h5", overwrite=True, progress=check)
    assert_array_equal(contents(tmp_path / "a.h5"), 7)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert sorted(h5) == ["other", "volume"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_what_others_write_while_a_dataset_is_replaced_is_kept(tmp_path: Path, libver: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as h5:
        h5["volume"], h5["other"] = np.ones((2, 3, 4), np.uint8), np.zeros(5)

    def change(done: int, total: int) -> None:
        with h5py.File(tmp_path / "a.h5", "r+", libver=libver) as h5:
            h5["other"][:] = 7

    new = np.full((2, 3, 4), 2, "uint8")
    if libver == "latest":
        with pytest.raises(StoreError, match=r"a\.h5 was changed while volume was written in a copy of it"):
            voxome.get(new, tmp_path / "a.h5", overwrite=True, progress=change)
    else:
        voxome.get(new, tmp_path / "a.h5", overwrite=True, progress=change)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert_array_equal(h5["other"], 7)
        assert_array_equal(h5["volume"], 1 if libver == "latest" else 2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_link_to_a_file_stays_when_a_dataset_is_replaced(tmp_path: Path, libver: str) -> None:
    file, link = tmp_path / "real" / "a.h5", tmp_path / "b.h5"
    file.parent.mkdir()
    with h5py.File(file, "w", libver=libver) as h5:
        h5["volume"] = np.ones((2, 3, 4), np.uint8)
    link.symlink_to(file)
    voxome.get(np.full((2, 3, 4), 7, "uint8"), link, overwrite=True)
    assert link.is_symlink()
    assert_array_equal(contents(file), 7)
    assert [path.name for path in file.parent.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.nii"])
def test_a_link_to_a_file_stays_when_the_file_is_replaced(tmp_path: Path, name: str) -> None:
    file, link = tmp_path / "real" / name, tmp_path / f"b{Path(name).suffix}"
    file.parent.mkdir()
    voxome.get(np.ones((2, 3, 4), "uint8"), file)
    link.symlink_to(file)
    voxome.get(np.full((2, 3, 4), 7, "uint8"), link, overwrite=True)
    assert link.is_symlink()
    assert_array_equal(contents(file), 7)
    assert [path.name for path in file.parent.iterdir()] == [name]


def test_a_file_that_others_may_not_read_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    voxome.get(np.zeros((2, 3, 4), "uint8"), file)
    file.chmod(0o600)
    voxome.get(np.ones((2, 3, 4), "uint8"), file, overwrite=True)
    assert_array_equal(contents(file), 1)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["a.npy", "a.zarr"])
def test_what_killed_processes_left_is_removed_by_the_next(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxome.get(np.zeros((2, 3, 4), "uint8"), tmp_path / name)
    new = temporary_path(tmp_path / name)
    voxome.get(np.ones((2, 3, 4), "uint8"), new)
    monkeypatch.setattr(temporary_names, "has_ended", lambda process, started: True)
    voxome.get(np.full((2, 3, 4), 7, "uint8"), tmp_path / name, overwrite=True)
    assert_array_equal(contents(tmp_path / name), 7)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.zarr", "a.n5"])
def test_a_volume_is_replaced_at_once_and_removed_afterwards(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(path: LocalPath) -> None:
        assert_array_equal(contents(tmp_path / name), 1)
        raise Killed

    voxome.get(np.zeros((2, 3, 4), "uint8"), tmp_path / name)
    with monkeypatch.context() as patch:
        patch.setattr(LocalPath, "delete", kill)
        with pytest.raises(Killed):
            voxome.get(np.ones((2, 3, 4), "uint8"), tmp_path / name, overwrite=True)
    monkeypatch.setattr(temporary_names, "has_ended", lambda process, started: True)
    voxome.get(np.full((2, 3, 4), 7, "uint8"), tmp_path / name, overwrite=True)
    assert_array_equal(contents(tmp_path / name), 7)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.zarr", "a.n5"])
def test_what_others_write_into_a_folder_while_it_is_replaced_is_kept(tmp_path: Path, name: str) -> None:
    voxome.get(np.zeros((2, 3, 4), "uint8"), tmp_path / name)
    notes = tmp_path / name / "notes.txt"
    with pytest.raises(InvalidInput, match=r"notes\.txt"):
        voxome.get(
            np.ones((2, 3, 4), "uint8"),
            tmp_path / name,
            overwrite=True,
            progress=lambda done, total: notes.write_text("mine") and None,
        )
    assert notes.read_text() == "mine"
    assert_array_equal(contents(tmp_path / name), 0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_dataset_is_kept_if_its_replacement_cannot_be_read_back(
    volume: voxome.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("damaged")

    voxome.get(np.full((2, 3, 4), 7, "uint8"), tmp_path / "a.h5/x/raw")
    monkeypatch.setattr(hdf5_parts, "_read_all", fail)
    with pytest.raises(StoreError, match="damaged"):
        voxome.get(volume, tmp_path / "a.h5/x/raw", overwrite=True)
    assert_array_equal(contents(tmp_path / "a.h5"), 7)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert list(h5["x"]) == ["raw"]


def test_nothing_but_volumes_is_overwritten(volume: voxome.Volume, tmp_path: Path) -> None:
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "notes.txt").write_text("mine")
    (tmp_path / "folder.npy").mkdir()
    for name in ("mine.zarr", "folder.npy"):
        with pytest.raises(voxome.VoxomeError):
            voxome.get(volume, tmp_path / name, overwrite=True)
    assert (tmp_path / "mine.zarr" / "notes.txt").read_text() == "mine"
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["other"] = np.ones(3)
    voxome.get(volume, tmp_path / "a.h5", overwrite=True)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert sorted(h5) == ["other", "volume"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_free_space_is_looked_at_before(
    volume: voxome.Volume,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    overwrite: bool,
) -> None:
    monkeypatch.setattr(export, "disk_at", lambda path: Disk(str(path.parent), 100, 1000))
    if name in ("a.tif", "a.zarr", "a.n5", "a/"):
        voxome.get(volume, f"{tmp_path}/{name}", overwrite=overwrite)
        assert "take up to 1.2e-07 GB before compression, and the disk of" in caplog.text
        return
    with pytest.raises(StoreError, match=r"take 1\.2e-07 GB, and the disk of .* has 1e-07 GB free"):
        voxome.get(volume, f"{tmp_path}/{name}", overwrite=overwrite)
    assert not list(tmp_path.iterdir())
    voxome.get(volume, f"{tmp_path}/{name}", box="1:2,:,:", overwrite=overwrite)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("0:9,:,:", "is not inside the volume: z is 0:9, but the volume has 1:5"),
        (
            "2:3,0:6,-1:4",
            "is not inside the volume: y is 0:6, but the volume has 0:5; x is -1:4, but the volume has 0:6",
        ),
        ("2:2,:,3:3", "is empty: it has no voxels along z, x"),
        (voxome.Box((2, 0), (3, 2)), "has 2 axes, not 3"),
    ],
)
def test_a_box_that_is_no_part_of_the_volume_is_explained(
    volume: voxome.Volume, tmp_path: Path, box: voxome.Box | str, message: str
) -> None:
    with pytest.raises(InvalidBox, match=message):
        voxome.get(volume, tmp_path / "a.npy", box=box)
