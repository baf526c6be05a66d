"""Reads that do not fit into memory are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import voxome
from voxome.errors import OutOfMemory
from voxome.resources import memory

SHAPE = (20_000, 20_000, 20_000)


@pytest.mark.parametrize("scheme", ["zarr", "hdf5"])
def test_a_read_that_is_larger_than_memory_is_refused(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a.h5/raw" if scheme == "hdf5" else "a.zarr"
    volume = voxome.create(f"{scheme}://{tmp_path}/{name}", voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(64, 64, 64)))
    monkeypatch.setattr(memory, "free_memory_bytes", lambda: 4 * 10**9)
    message = r"6000,6000,6000 voxels of uint8 take 216 GB, but 4 GB of memory are free; read smaller boxes"
    with pytest.raises(OutOfMemory, match=message):
        volume[:6000, :6000, :6000]
    with pytest.raises(OutOfMemory, match=message):
        volume.cutout("0:6000,0:6000,0:6000")
    with pytest.raises(MemoryError, match="8e\\+03 GB"):
        volume.__array__()
    with pytest.raises(MemoryError, match="216 GB"):
        volume[:6000, :6000, :6000] = 1
    assert not volume[:2, :2, :2].any()


def test_memory_that_cannot_be_had_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((4, 5, 6), "uint8"))

    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr(volume.source, "read", fail)
    with pytest.raises(OutOfMemory, match=r"4,5,6 voxels of uint8 take .* GB, but that much memory cannot be had"):
        volume[...]


@pytest.mark.slow
def test_a_limit_of_the_address_space_is_kept(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(64, 64, 64)))
    code = f"""
import resource, voxome
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
voxome.open({uri!r})[:3000, :3000, :3000]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "OutOfMemory: zarr://" in done.stderr
