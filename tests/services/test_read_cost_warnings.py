"""Warnings of transfers that read much more than they need."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import voxome
from voxome.services.transfer import copy


def create_thin(path: Path, chunk: tuple[int, int, int]) -> voxome.Volume:
    """Create an image of 4 x 256 x 256 voxels, all 100, in chunks of that shape."""
    spec = voxome.VolumeSpec.of((4, 256, 256), "uint8", chunk=chunk, voxel_size_nm=(40, 4, 4))
    volume = voxome.create(f"zarr://{path}", spec)
    volume[...] = 100
    return volume


@pytest.mark.parametrize(("chunk", "warned"), [((1, 16, 16), False), ((4, 256, 256), True)])
def test_a_transfer_warns_of_blocks_that_read_large_chunks_again_and_again(
    tmp_path: Path,
    chunk: tuple[int, int, int],
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(copy, "COVER_BYTES", 1)
    monkeypatch.setenv("VOXOME_TRANSFER_BLOCK_BYTES", "1")
    source = create_thin(tmp_path / "a.zarr", chunk)
    with caplog.at_level(logging.WARNING, "voxome"):
        voxome.transfer(source.uri, f"zarr://{tmp_path}/b.zarr", chunk=(4, 64, 64), state=tmp_path / "state")
    found = [one.getMessage() for one in caplog.records if "for each byte wanted" in one.getMessage()]
    assert len(found) == warned
    if warned:
        assert "copies in blocks of 4,64,64 voxels read 16 bytes" in found[0]
        assert "chunks have 4,256,256 voxels" in found[0]
