from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from voxome.errors import StoreError
from voxome.storage import durable
from voxome.storage.durable import sync_files


def test_files_and_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"1")
    sync_files(tmp_path)
    sync_files(tmp_path / "file")
    sync_files(tmp_path / "file" / "inside")

    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "_sync", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        sync_files(tmp_path)
