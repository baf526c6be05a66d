"""Precomputed volumes of a relay: names of chunks, metadata, and what other programs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from relay.serving import pyramid, serving, stored

import voxome
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

SHAPE = (219, 64, 806)
DATA = noise(SHAPE, "uint8")
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float16", "float32")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A relay of a volume with an origin and two levels, and of volumes of all types and axes."""
    sources, folder = Sources(), tmp_path_factory.mktemp("served")
    start, size = (1, 0, 0), (40, 4.5, 4.5)
    sources.add("em", pyramid(f"zarr://{folder}/em.zarr", DATA, start=start, voxel_size_nm=size, chunk=(64, 64, 64)))
    sources.add("negative", stored(DATA[:10], start=(0, 0, -10)))
    for dtype in DTYPES:
        sources.add(f"image/{dtype}", stored(noise((5, 6, 7), dtype)))
    for dtype in ("uint8", "uint16", "uint32", "uint64"):
        sources.add(f"labels/{dtype}", stored(noise((30, 70, 65), dtype) // 3, kind="labels"))
    sources.add("zeros", stored(np.zeros((3, 4, 5), "uint64"), kind="labels"))
    sources.add("channels", stored(noise((3, 4, 70, 80), "uint16"), axes="czyx"))
    sources.add("times", stored(noise((3, 4, 5, 6), "uint8"), axes="tzyx"))
    sources.add("plane", stored(noise((5, 6), "uint8"), axes="yx"))
    sources.add("double", stored(noise((5, 6, 7), "float64")))
    sources.add("filled", stored(np.full((3, 4, 5), 7, "uint8"), fill=7))
    with serving(sources, ["precomputed"]) as url:
        yield url


def read(url: str, name: str, scale: int = 0) -> np.ndarray:
    """Read a scale with tensorstore; the axes are c, z, y, x."""
    store = {"driver": "http", "base_url": f"{url}/precomputed/{name}/"}
    opened = ts.open({"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": scale}).result()
    found: np.ndarray = opened.read(order="C").result()
    return found.T


@pytest.mark.slow
def test_the_metadata_have_all_levels_with_their_sizes_and_offsets(url: str) -> None:
    info = httpx.get(f"{url}/precomputed/em/info").json()
    assert (info["@type"], info["type"], info["data_type"]) == ("neuroglancer_multiscale_volume", "image", "uint8")
    assert info["scales"] == [
        {
            "key": "0", "size": [806, 64, 219], "voxel_offset": [0, 0, 1], "resolution": [4.5, 4.5, 40],
            "chunk_sizes": [[64, 64, 64]], "encoding": "raw",
        },
        {
            "key": "1", "size": [403, 32, 219], "voxel_offset": [0, 0, 1], "resolution": [9, 9, 40],
            "chunk_sizes": [[64, 32, 64]], "encoding": "raw",
        },
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["em", "em/", "labels/uint8"])
def test_a_volume_that_is_read_as_a_file_leads_to_its_metadata(url: str, name: str) -> None:
    answer = httpx.get(f"{url}/precomputed/{name}")
    assert answer.status_code == 404
    assert answer.json()["message"].endswith(f"read /precomputed/{name.rstrip('/')}/info")
    assert "read /" not in httpx.get(f"{url}/precomputed/nothing").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("em/0/768-806_0-64_193-220", 200),
        ("em/0/768-806_0-64_192-219", 404),
        ("em/0/768-806_0-64_193-219", 404),
        ("em/0/0-64_0-64_0-64", 404),
        ("em/0/0-64_0-64_1-65", 200),
        ("em/1/384-403_0-32_193-220", 200),
        ("negative/0/-10-54_0-64_0-10", 200),
        ("negative/0/0-64_0-64_0-10", 404),
        ("negative/0/-0-54_0-64_0-10", 404),
    ],
)
def test_chunks_are_named_by_their_grid_which_begins_at_the_first_voxel(url: str, path: str, status: int) -> None:
    assert httpx.get(f"{url}/precomputed/{path}").status_code == status


def test_a_chunk_at_the_border_is_cut(url: str) -> None:
    content = httpx.get(f"{url}/precomputed/em/0/768-806_0-64_193-220").content
    assert_array_equal(np.frombuffer(content, "u1").reshape(27, 64, 38), DATA[192:219, :, 768:806])


@pytest.mark.slow
def test_tensorstore_reads_every_level(url: str) -> None:
    assert_array_equal(read(url, "em")[0], DATA)
    assert_array_equal(read(url, "em", 1)[0], DATA[:, ::2, ::2])
    assert_array_equal(read(url, "negative")[0], DATA[:10])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_data_type_keeps_its_numbers(url: str, dtype: str) -> None:
    found = read(url, f"image/{dtype}")[0]
    assert found.dtype == {"bool": "uint8", "float16": "float32"}.get(dtype, dtype)
    assert_array_equal(found, noise((5, 6, 7), dtype))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_labels_are_segmentations(url: str, dtype: str) -> None:
    info = httpx.get(f"{url}/precomputed/labels/{dtype}/info").json()
    compressed = dtype in ("uint32", "uint64")
    assert (info["type"], info["scales"][0]["encoding"]) == (
        "segmentation",
        "compressed_segmentation" if compressed else "raw",
    )
    assert_array_equal(read(url, f"labels/{dtype}")[0], noise((30, 70, 65), dtype) // 3)


def test_background_is_a_chunk_too(url: str) -> None:
    assert httpx.get(f"{url}/precomputed/zeros/0/0-5_0-4_0-3").status_code == 200
    assert not read(url, "zeros").any()


def test_channels_are_in_one_chunk(url: str) -> None:
    assert httpx.get(f"{url}/precomputed/channels/info").json()["num_channels"] == 3
    assert_array_equal(read(url, "channels"), noise((3, 4, 70, 80), "uint16"))


def test_a_fill_value_is_voxels(url: str) -> None:
    assert (read(url, "filled") == 7).all()


@pytest.mark.parametrize(("name", "reason"), [("times", "t/z/y/x"), ("plane", "y/x"), ("double", "float64")])
def test_other_volumes_are_refused_with_the_reason(url: str, name: str, reason: str) -> None:
    answer = httpx.get(f"{url}/precomputed/{name}/info")
    assert answer.status_code == 404
    assert reason in answer.json()["message"]


@pytest.mark.slow
def test_compressed_chunks_are_the_same_bytes_whenever_they_are_computed(url: str) -> None:
    path = f"{url}/precomputed/labels/uint64/0/0-64_0-64_0-30"
    etags = {httpx.get(path).headers["etag"] for _ in range(3)}
    assert len(etags) == 1


@pytest.mark.slow
def test_voxome_opens_the_volume_again(url: str) -> None:
    for level, part in ((0, DATA), (1, DATA[:, ::2, ::2])):
        volume = voxome.open(f"precomputed://{url}/precomputed/em", level=level)
        assert (volume.spec.voxel_size_nm, volume.spec.domain.start) == (
            (40, 4.5 * 2**level, 4.5 * 2**level),
            (1, 0, 0),
        )
        assert_array_equal(volume[...], part)


@pytest.mark.slow
def test_cloud_volume_reads_it(url: str, tmp_path: Path) -> None:
    cloudvolume = pytest.importorskip("cloudvolume")
    volume = cloudvolume.CloudVolume(f"precomputed://{url}/precomputed/em", progress=False)
    assert_array_equal(np.asarray(volume[0:806, 0:64, 1:220])[..., 0].T, DATA)
    labels = cloudvolume.CloudVolume(f"precomputed://{url}/precomputed/labels/uint64", progress=False)
    assert_array_equal(np.asarray(labels[:])[..., 0].T, noise((30, 70, 65), "uint64") // 3)
