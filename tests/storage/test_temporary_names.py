"""Temporary names of processes, and what those that were killed leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from voxome.storage import processes
from voxome.storage.temporary_names import is_abandoned, new_owner, remove_abandoned, temporary_path

CODE = """
import sys, pathlib
from voxome.storage.temporary_names import temporary_path
print(temporary_path(pathlib.Path(sys.argv[1])))
"""


def left_by_another(path: Path) -> Path:
    """Return a temporary path of a process that has ended."""
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_only_what_ended_processes_left_of_the_same_name_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a-1.npy"
    file, folder, other = left_by_another(path), left_by_another(path), left_by_another(tmp_path / "b-a-1.npy")
    own = temporary_path(path)
    for one in (path, file, other, own, tmp_path / ".12-a-1.npy"):
        one.touch()
    folder.mkdir()
    (folder / "x").touch()
    remove_abandoned(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other, own, tmp_path / ".12-a-1.npy"])


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
