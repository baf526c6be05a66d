"""The lock of a run folder, and its JSON files."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from voxome.errors import RunLocked, StoreError
from voxome.records.folder import lock_folder


def test_the_process_that_holds_a_lock_is_named(tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path),
        pytest.raises(RunLocked, match="in use by another run") as caught,
        lock_folder(tmp_path),
    ):
        pass
    assert caught.value.holder == f"process {os.getpid()}"


def test_a_lock_is_retried_if_its_file_is_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, flock = tmp_path / "run", fcntl.flock

    def remove_first(file: Any, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        shutil.rmtree(folder)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with lock_folder(folder), pytest.raises(RunLocked), lock_folder(folder):
        pass


def test_a_full_disk_is_named_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=f"Cannot write to {tmp_path}: No space left"), lock_folder(tmp_path):
            pass
    with lock_folder(tmp_path):
        pass
