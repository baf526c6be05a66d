"""A volume whose creation failed is removed, even if other writes were under way."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import voxome
from voxome.services import rollback
from voxome.services.rollback import created_or_removed

SPEC = voxome.VolumeSpec.of((8, 8, 8), "uint8")


def test_writes_that_end_after_the_removal_are_removed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "_QUIET_LOOKS", 50)  # a busy machine may write late

    def write() -> None:
        for number in range(15):
            chunk = tmp_path / f"a/0/c/0/0/{number}"
            with suppress(FileNotFoundError, FileExistsError):  # the folder may be removed meanwhile
                chunk.parent.mkdir(parents=True, exist_ok=True)
                chunk.write_bytes(b"voxels")
            time.sleep(0.01)

    late = threading.Thread(target=write)

    def fail() -> None:
        with created_or_removed(f"zarr://{tmp_path}/a", SPEC):
            late.start()
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError) as failed:
        fail()
    late.join()
    assert failed.value.__notes__ == [f"zarr://{tmp_path}/a was removed"]
    assert not list(tmp_path.iterdir())
