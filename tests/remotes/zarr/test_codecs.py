"""Codecs and fill values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from remotes.zarr.stores import at, edit, peer

from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    CorruptData,
    UnsupportedFormat,
)
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import noise


@pytest.mark.parametrize("codec", ["raw", "gzip", "zstd", "blosc", {"name": "blosc", "cname": "lz4", "clevel": 9}])
@pytest.mark.parametrize("format", ["zarr2", "zarr3"])
def test_zarr_python_reads_each_codec(tmp_path: Path, codec: Any, format: str) -> None:
    array = noise((9, 20, 13), "uint16")
    spec = VolumeSpec.of(array.shape, "uint16", chunk=(4, 8, 8), encoding={"format": format, "codec": codec})
    source = ZarrRemote().create(at(tmp_path / "a"), spec)
    source.write(spec.domain, array)
    assert_array_equal(peer(tmp_path / "a")[...], array)
    assert source.spec.encoding is not None
    name = codec if isinstance(codec, str) else codec["name"]
    assert source.spec.encoding["codec"]["name"] == name
    again = ZarrRemote().create(at(tmp_path / "b"), source.spec)
    assert again.spec == source.spec


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": [numcodecs.LZ4()]},
        {"compressors": [numcodecs.LZMA()]},
        {"filters": [numcodecs.Delta("i4")], "compressors": [numcodecs.Zlib()]},
        {"filters": [numcodecs.Delta("i4")], "compressors": None, "order": "F"},
    ],
)
def test_codecs_of_zarr2_that_tensorstore_lacks_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    array = noise((9, 11, 13), "int32")
    stored = zarr.create_array(
        tmp_path / "a", shape=array.shape, dtype="i4", chunks=(4, 5, 6), zarr_format=2, fill_value=3, **options
    )
    stored[2:, :, :7] = array[2:, :, :7]
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.fill == 3
    assert_array_equal(source.read(source.spec.domain), stored[...])
    box = Box((1, 2, 3), (8, 9, 10))
    assert_array_equal(source.read(box), stored[1:8, 2:9, 3:10])
    with pytest.raises(UnsupportedFormat, match="not written"):
        ZarrRemote().open(at(tmp_path / "a"), mode="r+")
    chunk = next(path for path in (tmp_path / "a").iterdir() if path.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:-7])
    with pytest.raises(CorruptData, match=chunk.name.replace(".", r"\.")):
        source.read(source.spec.domain)


def test_codecs_of_zarr3_that_tensorstore_lacks_are_read(tmp_path: Path) -> None:
    array = noise((9, 11, 13), "int32")
    codecs = [
        {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
    ]
    spec = VolumeSpec.of(array.shape, "int32", chunk=(4, 5, 6), encoding={"ome": False, "codec": codecs})
    ZarrRemote().create(at(tmp_path / "a"), spec).write(spec.domain, array)
    assert_array_equal(peer(tmp_path / "a")[...], array)
    for chunk in (tmp_path / "a" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(numcodecs.LZ4().encode(chunk.read_bytes()))
    edit(tmp_path / "a" / "zarr.json", codecs=[*codecs, {"name": "numcodecs.lz4", "configuration": {}}])
    assert_array_equal(ZarrRemote().open(at(tmp_path / "a")).read(spec.domain), array)
    edit(tmp_path / "a" / "zarr.json", codecs=[*codecs, {"name": "quantum", "configuration": {}}])
    with pytest.raises(UnsupportedFormat, match="quantum"):
        ZarrRemote().open(at(tmp_path / "a"))


def test_unknown_codecs_inside_shards_are_named(tmp_path: Path) -> None:
    spec = VolumeSpec.of((8, 8), "int32", chunk=(4, 4), encoding={"ome": False, "shard": (8, 8)})
    ZarrRemote().create(at(tmp_path / "a"), spec)
    file = tmp_path / "a" / "zarr.json"
    file.write_text(file.read_text().replace('"zstd"', '"numcodecs.quantum"'))
    with pytest.raises(UnsupportedFormat, match="quantum"):
        ZarrRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize("fill", ["NaN", "Infinity", 0.5])
@pytest.mark.parametrize("format", ["zarr2", "zarr3"])
def test_fill_values_that_json_lacks(tmp_path: Path, fill: str | float, format: str) -> None:
    spec = VolumeSpec.of((4, 4), "float32", fill=float(fill), encoding={"format": format})
    source = ZarrRemote().create(at(tmp_path / "a"), spec)
    expected = np.full((4, 4), float(fill), np.float32)
    assert_array_equal(source.read(spec.domain), expected)
    assert_array_equal(peer(tmp_path / "a")[...], expected)


def test_the_largest_labels_survive(tmp_path: Path) -> None:
    spec = VolumeSpec.of((4, 4, 4), "uint64", kind="labels", fill=2**64 - 1)
    source = ZarrRemote().create(at(tmp_path / "a"), spec)
    assert (source.read(spec.domain) == 2**64 - 1).all()
    assert source.spec.fill == 2**64 - 1
