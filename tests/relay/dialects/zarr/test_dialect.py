"""OME-Zarr of a relay: metadata, chunks at the border, and what other programs read."""

from __future__ import annotations

import json
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

DATA = noise((70, 64, 100), "uint8")
DTYPES = ("bool", "uint8", "int8", "uint16", "int32", "uint64", "int64", "float16", "float32", "float64")
PREFIX = {"zarr": "", "zarr3": "c/"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A relay of a volume with an origin, an offset and two levels, and of volumes of all data types and axes."""
    sources, folder = Sources(), tmp_path_factory.mktemp("served")
    options = {"start": (1, 0, -10), "voxel_size_nm": (40, 4.5, 4.5), "offset_nm": (1000, 0, 0.5)}
    sources.add("em", pyramid(f"zarr://{folder}/em.zarr", DATA, chunk=(64, 64, 64), fill=3, **options))
    for dtype in DTYPES:
        sources.add(f"image/{dtype}", stored(noise((5, 6, 7), dtype)))
    sources.add("labels", stored(noise((30, 70, 65), "uint64"), kind="labels"))
    sources.add("movie", stored(noise((3, 2, 4, 70, 80), "uint16"), axes="tczyx"))
    sources.add("plane", stored(noise((5, 6), "uint8"), axes="yx"))
    sources.add("other", stored(noise((5, 6, 7), "uint8"), axes=("angle", "y", "x")))
    with serving(sources, ["zarr", "zarr3"]) as url:
        yield url


@pytest.fixture(params=["zarr", "zarr3"])
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(url: str, format: str, path: str) -> np.ndarray:
    store = {"driver": "http", "base_url": f"{url}/{format}/{path}/"}
    found: np.ndarray = ts.open({"driver": format, "kvstore": store}).result().read().result()
    return found


def multiscales(url: str, format: str, name: str) -> dict[str, object]:
    if format == "zarr":
        entries = httpx.get(f"{url}/zarr/{name}/.zattrs").json()["multiscales"]
    else:
        entries = httpx.get(f"{url}/zarr3/{name}/zarr.json").json()["attributes"]["ome"]["multiscales"]
    (entry,) = entries
    assert isinstance(entry, dict)
    return entry


def test_the_multiscales_have_sizes_and_translations_of_all_levels(url: str, format: str) -> None:
    entry = multiscales(url, format, "em")
    assert [axis["name"] for axis in entry["axes"]] == list("zyx")  # type: ignore[attr-defined]
    assert {axis["unit"] for axis in entry["axes"]} == {"nanometer"}  # type: ignore[attr-defined]
    assert entry["datasets"] == [
        {
            "path": "0",
            "coordinateTransformations": [
                {"type": "scale", "scale": [40, 4.5, 4.5]},
                {"type": "translation", "translation": [1040, 0, -44.5]},
            ],
        },
        {
            "path": "1",
            "coordinateTransformations": [
                {"type": "scale", "scale": [40, 9, 9]},
                {"type": "translation", "translation": [1040, 2.25, -42.25]},
            ],
        },
    ]


@pytest.mark.slow
def test_consolidated_metadata_are_those_of_the_files(url: str) -> None:
    consolidated = httpx.get(f"{url}/zarr/em/.zmetadata").json()["metadata"]
    assert set(consolidated) == {
        ".zgroup",
        ".zattrs",
        *(f"{n}/{file}" for n in "01" for file in (".zarray", ".zattrs")),
    }
    for file, content in consolidated.items():
        assert httpx.get(f"{url}/zarr/em/{file}").json() == content
    nodes = httpx.get(f"{url}/zarr3/em/zarr.json").json()["consolidated_metadata"]["metadata"]
    assert nodes == {level: httpx.get(f"{url}/zarr3/em/{level}/zarr.json").json() for level in "01"}


def test_chunks_at_the_border_are_whole(url: str, format: str) -> None:
    content = httpx.get(f"{url}/{format}/em/0/{PREFIX[format]}1/0/1").content
    chunk = np.frombuffer(content, "u1").reshape(64, 64, 64)
    assert_array_equal(chunk[:6, :, :36], DATA[64:, :, 64:])
    assert (chunk[6:] == 3).all()
    assert (chunk[:, :, 36:] == 3).all()


def test_tensorstore_reads_every_level(url: str, format: str) -> None:
    assert_array_equal(read(url, format, "em/0"), DATA)
    assert_array_equal(read(url, format, "em/1"), DATA[:, ::2, ::2])


@pytest.mark.parametrize("dtype", [one for one in DTYPES if one != "float16"] + ["float16"])
def test_every_data_type_keeps_its_numbers(url: str, format: str, dtype: str) -> None:
    found = read(url, format, f"image/{dtype}/0")
    assert found.dtype == dtype
    assert_array_equal(found, noise((5, 6, 7), dtype))


@pytest.mark.slow
def test_byte_order_is_named(url: str) -> None:
    dtypes = [json.loads(httpx.get(f"{url}/zarr/image/{one}/0/.zarray").content)["dtype"] for one in DTYPES]
    assert dtypes == ["|b1", "|u1", "|i1", "<u2", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"]


@pytest.mark.slow
def test_all_axes_of_ome_are_served(url: str, format: str) -> None:
    for name, shape, dtype in (("movie", (3, 2, 4, 70, 80), "uint16"), ("plane", (5, 6), "uint8")):
        assert len(multiscales(url, format, name)["axes"]) == len(shape)  # type: ignore[arg-type]
        assert_array_equal(read(url, format, f"{name}/0"), noise(shape, dtype))


def test_a_volume_with_other_axes_is_a_plain_array(url: str, format: str) -> None:
    assert_array_equal(read(url, format, "other"), noise((5, 6, 7), "uint8"))
    assert httpx.get(f"{url}/{format}/other/.zgroup").status_code == 404


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", ">u8"])
def test_big_endian_stores_give_the_same_numbers(tmp_path: Path, dtype: str) -> None:
    data = np.array([1, 256, 4660], dtype).reshape(1, 1, 3)
    path = str(tmp_path / "big.zarr")
    metadata = {"shape": data.shape, "chunks": data.shape, "dtype": dtype, "compressor": None}
    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": path}, "metadata": metadata}
    ts.open(spec, create=True).result().write(data).result()
    assert (tmp_path / "big.zarr/0.0.0").read_bytes() == data.tobytes()
    sources = Sources()
    sources.add("big", path)
    with serving(sources, ["zarr", "zarr3", "precomputed"]) as url:
        for found in (read(url, "zarr", "big/0"), read(url, "zarr3", "big/0")):
            assert found.ravel().tolist() == [1, 256, 4660]
        content = httpx.get(f"{url}/zarr/big/0/0/0/0").content
        assert content == data.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
        if dtype != ">u8":
            assert httpx.get(f"{url}/precomputed/big/0/0-3_0-1_0-1").content == content


def test_voxome_opens_the_volume_again(url: str, format: str) -> None:
    for level, part in ((0, DATA), (1, DATA[:, ::2, ::2])):
        volume, factor = voxome.open(f"zarr://{url}/{format}/em", level=level), 2**level
        assert volume.spec.voxel_size_nm == (40, 4.5 * factor, 4.5 * factor)
        assert volume.spec.domain.start == ((1, 0, -10) if level == 0 else (1, 0, -5))
        assert_array_equal(volume[...], part)


def test_a_voxel_has_the_same_position_in_all_formats(url: str, format: str) -> None:
    again = voxome.open(f"zarr://{url}/{format}/em").spec
    assert again.centre_nm((5, 6, 7)) == (1000 + 5 * 40, 6 * 4.5, 0.5 + 7 * 4.5)


@pytest.mark.slow
def test_zarr_python_reads_it(url: str, format: str) -> None:
    import zarr

    group = zarr.open_group(f"{url}/{format}/em", mode="r")
    assert_array_equal(group["0"][...], DATA)
    assert_array_equal(zarr.open_array(f"{url}/{format}/em/1", mode="r")[...], DATA[:, ::2, ::2])
