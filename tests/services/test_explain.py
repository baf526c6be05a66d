"""What reading a box costs, for volumes of several stores."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from standins.dvid import serving

import voxome
from voxome.errors import InvalidBox


@pytest.fixture
def volume(tmp_path: Path) -> voxome.Volume:
    """A zarr volume in chunks of 16 x 32 x 32 voxels."""
    spec = voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(16, 32, 32), encoding={"format": "zarr3"})
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", spec)
    volume[...] = 1
    return volume


def test_chunks_and_bytes_of_a_box_are_counted(volume: voxome.Volume) -> None:
    cost = voxome.explain(volume.uri, box="8:24,0:32,31:33")
    assert (cost.box, cost.chunk, cost.shard, cost.shards) == ("8:24,0:32,31:33", (16, 32, 32), None, 0)
    assert (cost.chunks, cost.requests) == (4, 4)
    assert (cost.wanted_bytes, cost.read_bytes) == (16 * 32 * 2, 4 * 16 * 32 * 32)
    assert cost.amplification == 64
    assert cost.estimated_s > 0
    assert "read 64 bytes for each byte wanted" in cost.warnings[0]
    assert voxome.explain(volume).warnings == ()


def test_shards_need_a_request_for_their_index(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(16, 16, 16), write_chunk=(32, 32, 32))
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", spec)
    cost = voxome.explain(volume, box="0:16,0:16,0:40")
    assert (cost.shard, cost.chunks, cost.shards, cost.requests) == ((32, 32, 32), 3, 2, 5)


def test_only_a_few_chunks_are_read(volume: voxome.Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    read, sizes = volume.source.read, []
    monkeypatch.setattr(volume.source, "read", lambda box, **options: sizes.append(box.size) or read(box, **options))
    cost = voxome.explain(volume)
    assert cost.sampled_chunks == 8 == sizes[0] // (16 * 32 * 32)
    assert cost.chunks == 16
    assert len(sizes) == 1


def test_a_level_and_an_array_are_explained(volume: voxome.Volume) -> None:
    volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    assert voxome.explain(volume.uri, level=1).wanted_bytes == 64 * 32 * 32
    cost = voxome.explain(np.zeros((4, 5, 6), "uint16"))
    assert (cost.chunk, cost.amplification, cost.read_bytes) == (None, 1, 240)
    with pytest.raises(InvalidBox):
        voxome.explain(volume, box="0:65,:,:")


@pytest.mark.slow
def test_requests_to_a_server_are_those_of_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_REQUEST_VOXELS", str(2 * 32**3))
    with serving("secret") as url:
        root = httpx.post(f"{url}/api/repos", params={"admintoken": "secret"}, json={}).json()["root"]
        uri = f"dvid://{url.removeprefix('http://')}/{root}/em"
        spec = voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(32, 32, 32), start=(16, 0, 0))
        voxome.create(uri, spec)
        cost = voxome.explain(uri, box="16:33,0:64,0:64")
    assert (cost.chunks, cost.requests) == (8, 4)
    assert cost.read_bytes == (64 - 16) * 64 * 64
