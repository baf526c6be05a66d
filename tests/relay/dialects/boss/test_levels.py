"""Downsampling, and slices as images."""

from __future__ import annotations

import io
import time
from collections import Counter
from threading import Event

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from relay.dialects.boss.client import FRAME, Client
from standins.boss import Boss

from voxome.contracts.downsampling import Method
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.tools.common.cells.methods import downsample_array

pytestmark = pytest.mark.slow

PATH = "/v1/downsample/col/exp/raw"


def wait(client: Client, path: str = PATH) -> str:
    deadline = time.monotonic() + 120
    while (status := client.get(path)["status"]) == "IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(0.01)
    return status


def test_levels_halve_and_round_up(client: Client) -> None:
    client.project()
    client.channel("raw")
    assert client.get(PATH) == {
        "status": "NOT_DOWNSAMPLED",
        "num_hierarchy_levels": 3,
        "voxel_size": {"0": [4, 5, 40], "1": [8, 10, 40], "2": [16, 20, 40]},
        "extent": {"0": [130, 70, 21], "1": [65, 35, 21], "2": [33, 18, 21]},
        "cuboid_size": {"0": [512, 512, 16], "1": [512, 512, 16], "2": [512, 512, 16]},
    }
    client.request("GET", f"{PATH}?iso=true", status=400, code=1001)


def test_isotropic_levels_halve_along_z_too(client: Client) -> None:
    client.project(hierarchy_method="isotropic")
    client.channel("raw")
    found = client.get(f"{PATH}?iso=true")
    assert found["extent"] == {"0": [130, 70, 21], "1": [65, 35, 11], "2": [33, 18, 6]}
    assert found["voxel_size"]["2"] == [16, 20, 160]


def test_images_are_averaged(client: Client) -> None:
    client.project()
    client.channel("raw")
    data = np.random.default_rng(0).integers(0, 255, (21, 70, 130), dtype="uint8")
    client.write("raw/0/0:130/0:70/0:21", data)
    client.request("POST", PATH, status=201)
    assert wait(client) == "DOWNSAMPLED"
    client.request("POST", PATH, status=409, code=2006)
    mean = data.reshape(21, 35, 2, 65, 2).mean((2, 4))
    found = client.read("raw/1/0:65/0:35/0:21", "uint8", (21, 35, 65))
    assert np.abs(found - mean).max() <= 0.5
    assert client.read("raw/2/32:33/17:18/0:21", "uint8", (21, 1, 1)).any()


@pytest.mark.parametrize(("name", "dtype"), [("raw", "uint8"), ("seg", "uint64")])
def test_every_level_is_computed_from_the_finest(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    monkeypatch.setattr("voxome.relay.dialects.boss.downsample._BLOCK", (1, 4, 8, 16))
    client.project(hierarchy_method="isotropic", num_hierarchy_levels=4)
    client.channel("raw")
    if name == "seg":
        client.channel("seg", "uint64", sources=["raw"])
    data = np.random.default_rng(0).integers(1, 5, (21, 70, 130)).astype(dtype)
    client.write(f"{name}/0/0:130/0:70/0:21", data)
    client.request("POST", f"/v1/downsample/col/exp/{name}", status=201)
    assert wait(client, f"/v1/downsample/col/exp/{name}") == "DOWNSAMPLED"
    for level in (1, 2, 3):
        z, y, x = shape = tuple(-(-n // 2**level) for n in data.shape)
        found = client.read(f"{name}/{level}/0:{x}/0:{y}/0:{z}", dtype, shape)
        method: Method = "mean" if name == "raw" else "mode"
        expected = downsample_array(data, Box.of_shape(data.shape), (2**level,) * 3, method)
        assert_array_equal(found, expected)


def test_labels_get_the_most_frequent_id(client: Client) -> None:
    client.project(hierarchy_method="isotropic", num_hierarchy_levels=2)
    client.channel("raw")
    client.channel("seg", "uint64", sources=["raw"])
    labels = np.random.default_rng(0).choice(np.array([0, 1, 2**63], "uint64"), (20, 70, 130), p=[0.2, 0.3, 0.5])
    client.write("seg/0/0:130/0:70/0:20", labels)
    client.request("POST", "/v1/downsample/col/exp/seg", status=201)
    assert wait(client, "/v1/downsample/col/exp/seg") == "DOWNSAMPLED"
    found = client.read("seg/1/0:65/0:35/0:10", "uint64", (10, 35, 65))
    cells = labels.reshape(10, 2, 35, 2, 65, 2).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 8)
    for cell, one in zip(cells[:500].tolist(), found.ravel()[:500].tolist(), strict=True):
        counts = Counter(cell)
        assert counts[one] == max(counts.values())


def test_downsampling_again_follows_an_erasure(client: Client) -> None:
    client.project()
    client.channel("raw")
    client.write("raw/0/0:130/0:70/0:21", np.full((21, 70, 130), 8, "uint8"))
    for expected in (8, 0):
        client.request("POST", PATH, status=201)
        assert wait(client) == "DOWNSAMPLED"
        assert_array_equal(client.read("raw/2/0:33/0:18/0:21", "uint8", (21, 18, 33)), expected)
        client.request("PUT", "/v1/cutout/to_black/col/exp/raw/0/0:130/0:70/0:21")


def test_a_failure_is_reported(fresh: Boss, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.project()
    client.channel("raw")

    def fail(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(fresh.state.voxels, "read", fail)
    client.request("POST", PATH, status=201)
    assert wait(client) == "FAILED"
    client.request("GET", "/v1/cutout/col/exp/raw/0/0:1/0:1/0:1", status=503, code=9002)


def test_downsampling_can_be_stopped(fresh: Boss, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.project()
    client.channel("raw")
    client.write("raw/0/0:130/0:70/0:21", np.full((21, 70, 130), 8, "uint8"))
    go, put = Event(), fresh.state.voxels.put

    def slow(*args: object) -> None:
        go.wait(100)
        put(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(fresh.state.voxels, "put", slow)
    client.request("POST", PATH, status=201)
    client.request("POST", PATH, status=409, code=2006)
    client.request("DELETE", PATH, status=204)
    go.set()
    assert wait(client) == "NOT_DOWNSAMPLED"


@pytest.fixture
def slices(client: Client) -> np.ndarray:
    client.project()
    client.channel("raw")
    client.channel("wide", "uint16")
    client.channel("seg", "uint64", sources=["raw"])
    data = np.random.default_rng(0).integers(0, 255, (21, 70, 130), dtype="uint8")
    client.write("raw/0/0:130/0:70/0:21", data)
    client.write("wide/0/0:130/0:70/0:21", data.astype("uint16") * 200)
    return data


def fetch_image(client: Client, path: str, media_type: str = "image/png") -> np.ndarray:
    answer = client.request("GET", path, headers={"Accept": media_type})
    assert answer.headers["content-type"] == media_type
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_images_are_slices(client: Client, slices: np.ndarray) -> None:
    image = "/v1/image/col/exp/raw"
    assert_array_equal(fetch_image(client, f"{image}/xy/0/3:99/5:70/7/"), slices[7, 5:70, 3:99])
    assert_array_equal(fetch_image(client, f"{image}/xz/0/3:99/5/7:21/"), slices[7:21, 5, 3:99])
    assert_array_equal(fetch_image(client, f"{image}/yz/0/3/5:70/7:21/0"), slices[7:21, 5:70, 3])
    assert fetch_image(client, f"{image}/xy/0/3:99/5:70/7", "image/jpeg").shape == (65, 96)
    assert_array_equal(fetch_image(client, "/v1/image/col/exp/wide/xy/0/0:9/0:8/7"), slices[7, :8, :9] * np.uint16(200))


def test_tiles_are_black_beyond_the_volume(client: Client, slices: np.ndarray) -> None:
    tile = fetch_image(client, "/v1/tile/col/exp/raw/xy/64/0/2/1/20/")
    assert tile.shape == (64, 64)
    assert_array_equal(tile[:6, :2], slices[20, 64:, 128:])
    assert not tile[6:].any()
    assert not tile[:, 2:].any()
    assert_array_equal(fetch_image(client, "/v1/tile/col/exp/raw/yz/16/0/9/2/1")[:5], slices[16:, 32:48, 9])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/image/col/exp/raw/zz/0/0:1/0:1/0", 400, 1001),
        ("/v1/image/col/exp/raw/xy/0/0:1/0:1/0:1", 400, 1001),
        ("/v1/image/col/exp/raw/xy/0/0:1/0:1/21", 400, 1001),
        ("/v1/image/col/exp/seg/xy/0/0:1/0:1/0", 400, 2003),
        ("/v1/tile/col/exp/raw/xy/0/0/0/0/0", 400, 1001),
        ("/v1/tile/col/exp/raw/xy/64/0/3/0/0", 400, 1001),
        ("/v1/tile/col/exp/none/xy/64/0/3/0/0", 404, 4000),
    ],
)
def test_wrong_images_are_refused(admin: Client, path: str, status: int, code: int) -> None:
    admin.request("GET", path, status=status, code=code)


def test_the_frame_has_the_extent_that_these_tests_assume() -> None:
    assert (FRAME["x_stop"], FRAME["y_stop"], FRAME["z_stop"]) == (130, 70, 21)
