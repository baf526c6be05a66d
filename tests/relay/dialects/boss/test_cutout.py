"""Cutouts: reading, merging writes, erasing, encodings, limits."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import blosc
from numpy.testing import assert_array_equal
from PIL import Image
from relay.dialects.boss.client import CHANNEL, Client
from standins.boss import Boss

from voxome.geometry import Box
from voxome.relay.dialects.boss.records import Channel
from voxome.testing.strategies import boxes, noise

pytestmark = pytest.mark.slow

DOMAIN = Box((0, 0, 0), (21, 70, 130))
NAMES = (f"ch{i}" for i in count())


def path_of(channel: str, box: Box, level: int = 0) -> str:
    ranges = [f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True)]
    return "/".join([channel, str(level), *reversed(ranges)])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtype=st.sampled_from(["uint8", "uint16", "uint32", "uint64"]))
def test_merging_and_erasing_match_numpy(admin: Client, data: st.DataObject, dtype: str) -> None:
    name = next(NAMES)
    admin.channel(name, dtype)
    expected = np.zeros(DOMAIN.shape, dtype)
    for seed in range(data.draw(st.integers(1, 3))):
        box = data.draw(boxes(DOMAIN, empty=False))
        if data.draw(st.booleans()):
            values = noise(box.shape, dtype, seed) * noise(box.shape, "bool", seed)
            admin.write(path_of(name, box), values)
            expected[box.within(DOMAIN)] = np.where(values, values, expected[box.within(DOMAIN)])
        else:
            admin.request("PUT", f"/v1/cutout/to_black/col/exp/{path_of(name, box)}/")
            expected[box.within(DOMAIN)] = 0
    box = data.draw(boxes(DOMAIN, empty=False))
    assert_array_equal(admin.read(path_of(name, box), dtype, box.shape), expected[box.within(DOMAIN)])


def test_concurrent_overlapping_writes_lose_nothing(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint16")
    parts = [np.where(np.arange(DOMAIN.size) % 12 == i, i + 1, 0).reshape(DOMAIN.shape) for i in range(12)]
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda part: admin.write(path_of(name, DOMAIN), part.astype("uint16")), parts))
    assert_array_equal(admin.read(path_of(name, DOMAIN), "uint16", DOMAIN.shape), sum(parts))


def test_a_time_range_makes_four_axes(client: Client) -> None:
    client.project(num_time_samples=4)
    client.channel("raw", "uint16", default_time_sample=2)
    movie = noise((4, 3, 5, 7), "uint16")
    client.write("raw/0/0:7/0:5/0:3/0:4", movie)
    assert_array_equal(client.read("raw/0/0:7/0:5/0:3/0:4", "uint16", (4, 3, 5, 7)), movie)
    assert_array_equal(client.read("raw/0/0:7/0:5/0:3/1:2", "uint16", (1, 3, 5, 7)), movie[1:2])
    assert_array_equal(client.read("raw/0/0:7/0:5/0:3", "uint16", (3, 5, 7)), movie[2])
    client.request("GET", "/v1/cutout/col/exp/raw/0/0:7/0:5/0:3/3:5", status=400, code=1001)


def test_a_frame_may_start_anywhere(client: Client) -> None:
    edges = {"x_start": 7, "x_stop": 20, "y_start": 3, "y_stop": 9, "z_start": 1, "z_stop": 4}
    client.project({**edges, "x_voxel_size": 1, "y_voxel_size": 1, "z_voxel_size": 1})
    client.channel("raw")
    data = noise((3, 6, 13), "uint8")
    client.write("raw/0/7:20/3:9/1:4", data)
    assert_array_equal(client.read("raw/0/7:20/3:9/1:4", "uint8", (3, 6, 13)), data)
    client.request("GET", "/v1/cutout/col/exp/raw/0/6:20/3:9/1:4", status=400, code=1001)
    coarse = noise((3, 4, 7), "uint8", 1)
    client.write("raw/1/3:10/1:5/1:4", coarse)
    assert_array_equal(client.read("raw/1/3:10/1:5/1:4", "uint8", (3, 4, 7)), coarse)
    client.request("GET", "/v1/cutout/col/exp/raw/1/2:10/1:5/1:4", status=400, code=1001)
    tile = client.request("GET", "/v1/tile/col/exp/raw/xy/16/0/0/0/2", headers={"Accept": "image/png"})
    picture = np.asarray(Image.open(io.BytesIO(tile.content)))
    assert_array_equal(picture[3:9, 7:], data[1, :, :9])
    assert picture.sum() == data[1, :, :9].sum()
    client.request("GET", "/v1/tile/col/exp/raw/xy/16/0/2/0/2", status=400, code=1001)
    client.request("GET", "/v1/tile/col/exp/raw/xy/16/0/0/0/0", status=400, code=1001)


WRONG = [
    ("raw/0/0:131/0:1/0:1", 400, 1001),
    ("raw/0/0:1/0:71/0:1", 400, 1001),
    ("raw/0/0:1/0:1/0:22", 400, 1001),
    ("raw/0/1:1/0:1/0:1", 400, 1001),
    ("raw/0/2:1/0:1/0:1", 400, 1001),
    ("raw/0/-1:1/0:1/0:1", 400, 1001),
    ("raw/0/a:1/0:1/0:1", 400, 1001),
    ("raw/0/0:1/0:1/0:1/0:2", 400, 1001),
    ("raw/3/0:1/0:1/0:1", 400, 1002),
    ("raw/x/0:1/0:1/0:1", 400, 1002),
    ("none/0/0:1/0:1/0:1", 404, 4000),
    ("raw/0/0:1/0:1/0:1?access-mode=fast", 400, 1001),
    ("raw/0/0:1/0:1/0:1?access-mode=cache&no-cache=true", 400, 1001),
    ("raw/0/0:1/0:1/0:1?no-cache=yes", 400, 1001),
    ("raw/0/0:1/0:1/0:1?iso=true", 400, 1001),
    ("raw/0/0:1/0:1/0:1?filter=1", 400, 2003),
    ("seg/0/0:1/0:1/0:1?filter=one", 400, 1001),
]


@pytest.mark.parametrize(("path", "status", "code"), WRONG)
def test_wrong_requests_are_refused(admin: Client, path: str, status: int, code: int) -> None:
    admin.request("GET", f"/v1/cutout/col/exp/{path}", status=status, code=code)


@pytest.mark.parametrize("query", ["", "?access-mode=raw", "?access-mode=no-cache", "?no-cache=true", "?iso=false"])
def test_access_modes(admin: Client, query: str) -> None:
    assert not admin.read("raw/0/120:130/60:70/20:21", "uint8", (1, 10, 10), query).any()


def test_the_bounds_of_every_level_are_those_of_the_frame(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name)
    low = noise((21, 18, 33), "uint8")
    admin.write(f"{name}/2/0:33/0:18/0:21", low)
    whole = admin.read(f"{name}/2/0:130/0:70/0:21", "uint8", DOMAIN.shape)
    assert_array_equal(whole[:, :18, :33], low)
    assert whole.sum() == low.sum(dtype=np.int64)
    beyond = np.zeros((1, 19, 34), "uint8")
    admin.write(f"{name}/2/0:34/0:19/0:1", beyond)
    beyond[0, 18, 33] = 1
    admin.write(f"{name}/2/0:34/0:19/0:1", beyond, status=400, code=1001)


def test_base_resolution_is_the_first_level(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, base_resolution=1)
    for level, status in ((0, 400), (1, 200), (3, 200), (4, 400)):
        admin.request("GET", f"/v1/cutout/col/exp/{name}/{level}/0:1/0:1/0:1", status=status)


def test_sizes_of_cutouts_and_bodies_are_limited(admin: Client) -> None:
    """The limit of this server is 1 MiB, of 64-bit voxels 4 MiB."""
    for path in ("seg/0/0:130/0:70/0:21", "raw/0/0:130/0:70/0:21"):
        admin.request("GET", f"/v1/cutout/col/exp/{path}", status=200)
    name = next(NAMES)
    admin.channel(name, "uint64")
    assert 8 * DOMAIN.size / 4 < 2**20 < 8 * DOMAIN.size
    admin.channel(name + "-32", "uint32")
    admin.request("GET", f"/v1/cutout/col/exp/{path_of(name + '-32', DOMAIN)}", status=200)
    headers = {"Content-Type": "application/blosc"}
    path = "/v1/cutout/col/exp/raw/0/0:1/0:1/0:1"
    admin.request("POST", path, content=bytes(4 * 2**20 + 1), headers=headers, status=413, code=2000)
    parts = (bytes(2**20) for _ in range(5))
    admin.request("POST", path, content=parts, headers=headers, status=413, code=2000)


def test_a_cutout_over_the_limit_is_refused(client: Client) -> None:
    edges = {f"{axis}_start": 0 for axis in "xyz"} | {f"{axis}_stop": 10_000 for axis in "xyz"}
    client.project({**edges, **{f"{axis}_voxel_size": 1 for axis in "xyz"}})
    client.channel("raw", "uint16")
    for method in ("GET", "POST"):
        client.request(method, "/v1/cutout/col/exp/raw/0/0:10000/0:10000/0:3", status=413, code=2000)


def test_malformed_bodies_are_refused(admin: Client) -> None:
    path, blosc_type = "raw/0/0:4/0:4/0:4", {"Content-Type": "application/blosc"}
    admin.write(path, np.ones((4, 4, 5), "uint8"), status=400, code=2002)
    admin.write(path, np.ones((4, 4, 4), "uint16"), status=400, code=2001)
    packed = blosc.compress(np.arange(64, dtype="uint8"), b"lz4", 5, blosc.SHUFFLE)
    for body in (b"", packed[:-1], packed + b"x", packed[:16]):
        admin.request("POST", f"/v1/cutout/col/exp/{path}", content=body, headers=blosc_type, status=404, code=5003)
    broken = bytearray(blosc.compress(np.zeros(16**3, "uint8"), b"lz4", 5, blosc.SHUFFLE))
    broken[16:] = b"\xff" * (len(broken) - 16)
    larger = "/v1/cutout/col/exp/raw/0/0:16/0:16/0:16"
    admin.request("POST", larger, content=bytes(broken), headers=blosc_type, status=404, code=5003)
    for media_type in ("", "text/plain"):
        headers = {"Content-Type": media_type}
        admin.request("POST", f"/v1/cutout/col/exp/{path}", content=packed, headers=headers, status=415, code=5001)
    assert not admin.read(path, "uint8", (4, 4, 4)).any()


def test_npygz_is_read_and_written(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint16")
    data = noise((3, 4, 5), "uint16")
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(data))
    headers = {"Content-Type": "application/npygz", "Accept": "application/npygz"}
    path = f"/v1/cutout/col/exp/{name}/0/0:5/0:4/0:3"
    admin.request("POST", path, content=zlib.compress(stream.getvalue()), headers=headers, status=201)
    answer = admin.request("GET", path, headers=headers)
    assert answer.headers["content-type"] == "application/npygz"
    assert_array_equal(np.load(io.BytesIO(zlib.decompress(answer.content))), data)
    bomb = zlib.compress(bytes(10**8))
    for body, status, code in ((b"x", 404, 5003), (bomb, 404, 5003)):
        admin.request("POST", path, content=body, headers=headers, status=status, code=code)
    wrong = io.BytesIO()
    np.save(wrong, data.astype("uint8"))
    admin.request("POST", path, content=zlib.compress(wrong.getvalue()), headers=headers, status=400, code=2001)


def test_no_pickle_is_read_or_sent(admin: Client) -> None:
    path = "/v1/cutout/col/exp/raw/0/0:4/0:4/0:4"
    media_type = "application/blosc-python"
    for method, headers, status in (("GET", {"Accept": media_type}, 406), ("POST", {"Content-Type": media_type}, 415)):
        found = admin.request(method, path, headers=headers, content=b"x", status=status, code=5001).json()
        assert "pickle" in found["message"]
    stream = io.BytesIO()
    np.save(stream, np.array([Exception("ran")], object), allow_pickle=True)
    assert b"ran" in pickle.dumps(Exception("ran"))
    body = zlib.compress(stream.getvalue())
    admin.request("POST", path, content=body, headers={"Content-Type": "application/npygz"}, status=404, code=5003)


def test_jpeg_is_a_strip_of_slices(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name)
    data = np.broadcast_to(np.linspace(10, 250, 130).astype("uint8"), (3, 70, 130)).copy()
    admin.write(f"{name}/0/0:130/0:70/0:3", data)
    path = f"/v1/cutout/col/exp/{name}/0/0:130/0:70/0:3"
    answer = admin.request("GET", path, headers={"Accept": "image/jpeg"})
    strip = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert strip.shape == (210, 130)
    assert np.abs(strip.reshape(data.shape).astype(int) - data).max() < 10
    for wrong in ("seg/0/0:1/0:1/0:1", f"{name}/0/0:1/0:1/0:1/0:1"):
        admin.request("GET", f"/v1/cutout/col/exp/{wrong}", headers={"Accept": "image/jpeg"}, status=400, code=2003)
    admin.request("GET", path, headers={"Accept": "text/html"}, status=406, code=5001)


def test_filter_keeps_the_requested_ids(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint64", sources=["raw"])
    labels = np.array([[[1, 2, 2**63], [0, 2, 5]]], "uint64")
    admin.write(f"{name}/0/0:3/0:2/0:1", labels)
    kept = admin.read(f"{name}/0/0:3/0:2/0:1", "uint64", labels.shape, f"?filter=2,{2**63}&")
    assert_array_equal(kept, np.where((labels == 2) | (labels == 2**63), labels, 0))


def test_a_write_outdates_the_coarser_levels(fresh: Boss, client: Client) -> None:
    client.project()
    client.channel("raw")

    def statuses(change: Callable[[], object]) -> list[str]:
        channel = fresh.state.catalogue.get(Channel, "col", "exp", "raw")
        fresh.state.change(channel.uid, downsample_status="DOWNSAMPLED")
        before = client.get(f"{CHANNEL}/raw")["downsample_status"]
        change()
        return [before, client.get(f"{CHANNEL}/raw")["downsample_status"]]

    old = ["DOWNSAMPLED", "NOT_DOWNSAMPLED"]
    assert statuses(lambda: client.write("raw/0/0:1/0:1/0:1", np.ones((1, 1, 1), "uint8"))) == old
    assert statuses(lambda: client.request("PUT", "/v1/cutout/to_black/col/exp/raw/0/0:1/0:1/0:1")) == old


def test_a_window_makes_grey_values_of_any_channel(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint16")
    values = np.repeat(np.array([1, 100, 2050, 4000, 65535], "uint16"), 16)
    admin.write(f"{name}/0/0:80/0:16/0:1", np.broadcast_to(values, (1, 16, 80)).copy())
    path = f"/v1/cutout/col/exp/{name}/0/0:80/0:16/0:1/"
    headers = {"Accept": "image/jpeg"}
    answer = admin.request("GET", f"{path}?window=100,4000", headers=headers)
    strip = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert strip.dtype == np.uint8
    assert np.abs(strip[8, 8::16].astype(int) - [0, 0, 128, 255, 255]).max() <= 3
    for query in ("window=4000,100", "window=1", "window=a,b", "window=1,2,3"):
        admin.request("GET", f"{path}?{query}", headers=headers, status=400, code=1001)
    read = admin.read(f"{name}/0/0:80/0:16/0:1", "uint16", (1, 16, 80), "?window=100,4000")
    assert_array_equal(read[0, 0], values)
    admin.request("GET", path, headers=headers, status=400, code=2003)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 3, 3), (1, 1, 1)])
def test_tiff_has_all_slices(client: Client, shape: tuple[int, ...]) -> None:
    client.project(num_time_samples=2)
    client.channel("raw", "uint64")
    data = noise(shape, "uint64")
    path = "raw/0/" + "/".join(f"0:{n}" for n in (*shape[:-4:-1], *shape[:-3]))
    client.write(path, data)
    answer = client.request("GET", f"/v1/cutout/col/exp/{path}", headers={"Accept": "image/tiff"})
    assert answer.headers["content-type"] == "image/tiff"
    found = tifffile.imread(io.BytesIO(answer.content))
    assert found.dtype == np.uint64
    assert_array_equal(found.reshape(shape), data)
