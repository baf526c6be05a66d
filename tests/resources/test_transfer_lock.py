"""The file that locks the destination of a transfer."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from voxome.contracts.uri import Uri
from voxome.resources.transfer_lock import lock_path, unfinished_transfer
from voxome.storage.lock import lock_file


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """Folder with a folder and an HDF5 file, and links to them."""
    (tmp_path / "real/v").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "l").symlink_to(tmp_path / "real/v")
    with h5py.File(tmp_path / "real/a.h5", "w") as h5:
        h5["d"] = np.zeros((2, 3, 4), np.uint8)
    (tmp_path / "b.h5").symlink_to(tmp_path / "real/a.h5")
    return tmp_path


@pytest.mark.parametrize(
    ("scheme", "spellings"),
    [
        ("zarr", ["real/v", "link/v", "l", "l/", "real/../l", "real/./v"]),
        ("n5", ["real/new", "link/new"]),
        ("hdf5", ["real/a.h5/d", "b.h5/d", "link/a.h5/d", "b.h5//d", "b.h5"]),
    ],
)
def test_one_volume_has_one_lock_by_any_link_to_it(scheme: str, spellings: list[str], links: Path) -> None:
    assert len({str(lock_path(Uri.parse(f"{scheme}://{links}/{name}"))) for name in spellings}) == 1


def test_a_level_in_any_number_of_folders_is_unfinished_with_its_volume(links: Path) -> None:
    lock = lock_path(Uri.parse(f"zarr://{links}/real/v"))
    assert lock is not None
    with lock_file(lock, "v", "transfer", owner="A", holder="A") as held:
        held.keep(["0:1"])
        for name in ("real/v", "l/0", "link/v/a/b/c/d"):
            assert unfinished_transfer(f"zarr://{links}/{name}") is not None
