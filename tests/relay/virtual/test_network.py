"""The network over FIB-25 as a virtual layer."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.geometry import Box
from voxome.relay.config_file import parse_config
from voxome.relay.opening import opened, prepared
from voxome.relay.serve import in_thread

pytestmark = pytest.mark.slow

SHAPE = (24, 66, 70)


def test_chunks_of_the_network_are_bitwise_those_of_a_run(shared: Path, tmp_path: Path) -> None:
    raw = voxome.open(f"hdf5://{shared}/data/fib25/fib25.h5/volumes/raw", expect=voxome.Volume)
    uri = f"zarr://{tmp_path}/raw.zarr"
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(16, 32, 32), voxel_size_nm=raw.voxel_size_nm)
    voxome.create(uri, spec)[...] = raw.cutout(Box.of_shape(SHAPE, (40, 60, 80)))
    histogram = voxome.tool("common.statistics", {"image": uri}, out=tmp_path / "run", workers=1)["result"].uri
    inputs = {"raw": uri, "histogram": histogram}
    run = voxome.tool("em.network", inputs, out=tmp_path / "run", block=(16, 40, 48), workers=1)
    expected = {name: voxome.open(run[name].uri, expect=voxome.Volume)[...] for name in ("affinities", "membranes")}
    layers = {
        name: {"tool": "em.network", "source": "em", "inputs": {"histogram": histogram}, "output": name}
        for name in expected
    }
    config = parse_config({"sources": {**layers, "em": {"uri": uri}}, "compute_memory_mib": 320}, "test")
    with prepared(config) as prepared_config, opened(prepared_config) as app, in_thread(app) as url:
        for name, voxels in expected.items():
            info = httpx.get(f"{url}/precomputed/{name}/info").json()
            assert info["num_channels"] == (3 if name == "affinities" else 1)
            middle = np.load(_cutout(url, name, "" if name == "membranes" else "0:3,", "9:20,30:50,35:70"))
            assert_array_equal(middle, voxels[..., 9:20, 30:50, 35:70])
            whole = np.load(_cutout(url, name, "" if name == "membranes" else "0:3,", "0:24,0:66,0:70"))
            assert_array_equal(whole, voxels)


def _cutout(url: str, name: str, channels: str, box: str) -> io.BytesIO:
    answer = httpx.get(f"{url}/raw/{name}/cutout?box={channels}{box}", timeout=300).raise_for_status()
    return io.BytesIO(answer.content)
