"""Temporary names of processes, and what those that were killed leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.storage import processes
from voxome.storage.temporary_names import (
    is_abandoned,
    new_owner,
    part_path,
    remove_abandoned,
    temporary_path,
)

CODE = """
import sys, pathlib
from voxome.storage.temporary_names import part_path, temporary_path
path = pathlib.Path(sys.argv[1])
temporary_path(path).touch()
part_path(path).touch()
folder = part_path(path)
folder.mkdir()
(folder / "x").touch()
"""


def leave_parts(path: Path) -> None:
    """Create temporary files and a folder of a process that has ended."""
    subprocess.run([sys.executable, "-c", CODE, str(path)], check=True)


def test_only_what_ended_processes_left_of_the_same_name_is_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "a-1.npy", tmp_path / "b-a-1.npy"
    leave_parts(other)
    kept = {path, temporary_path(path), part_path(path), tmp_path / ".12-a-1.npy", *tmp_path.iterdir()}
    for one in kept:
        if not one.exists():
            one.touch()
    leave_parts(path)
    remove_abandoned(path)
    assert set(tmp_path.iterdir()) == kept


@pytest.mark.parametrize("name", ["a.zarr", "a.npy", "a.tif"])
def test_a_file_or_a_volume_that_is_written_again_leaves_no_parts_of_killed_processes(
    tmp_path: Path, name: str
) -> None:
    leave_parts(tmp_path / name)
    volume = voxome.create(f"zarr://{tmp_path}/volume", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
    voxome.get(volume, str(tmp_path / name))
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["volume", name])


@pytest.mark.parametrize("name", ["a" * 247 + ".nii.gz", "\u6d77" * 83 + ".npy"])
def test_the_longest_names_of_files_leave_nothing_either(tmp_path: Path, name: str) -> None:
    leave_parts(tmp_path / name)
    assert temporary_path(tmp_path / name).name.endswith(name[-7:])
    voxome.get(np.zeros((2, 3, 4), np.uint8), str(tmp_path / name), overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_process_of_another_machine_may_run() -> None:
    host, process, started, letters = new_owner().split("-")
    assert not is_abandoned("-".join([host, process, started, letters]))
    assert is_abandoned("-".join([host, process, f"{started}0", letters]))
    assert not is_abandoned("-".join(["00000000", process, f"{started}0", letters]))


def test_a_process_whose_start_is_hidden_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option ``hidepid`` of ``/proc`` hides the processes of other users."""
    owner = new_owner()
    monkeypatch.setattr(processes, "start_time", lambda process: "")
    assert not is_abandoned(owner)
