"""Codecs of numcodecs in zarr v2 and v3, and inside shards."""

from __future__ import annotations

import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from remotes.zarr.stores import at, edit
from zarr.codecs import BytesCodec, TransposeCodec

import voxome
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import noise

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs")


def codec(name: str, **options: Any) -> dict[str, Any]:
    return {"name": f"numcodecs.{name}", "configuration": options}


FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("int32", {"filters": [codec("delta", dtype="<i4")]}),
    ("int32", {"filters": [codec("delta", dtype="<i4", astype="<i8")]}),
    ("float64", {"filters": [codec("fixedscaleoffset", dtype="<f8", astype="<i4", scale=10, offset=3)]}),
    ("float32", {"filters": [codec("bitround", keepbits=7)]}),
    ("float32", {"filters": [codec("quantize", dtype="<f4", digits=2)]}),
    ("uint16", {"filters": [codec("astype", encode_dtype="<u4", decode_dtype="<u2")]}),
    ("uint16", {"compressors": [codec("shuffle", elementsize=2), codec("zlib")]}),
    ("uint16", {"compressors": [codec("lzma")]}),
    ("uint16", {"compressors": [codec("bz2"), codec("crc32")]}),
    ("uint16", {"compressors": [codec("blosc", cname="lz4"), codec("adler32")]}),
    ("uint16", {"filters": [codec("delta", dtype="<u2")], "compressors": [codec("lz4"), codec("jenkins_lookup3")]}),
    ("uint16", {"filters": [TransposeCodec(order=(2, 0, 1)), codec("delta", dtype="<u2")]}),
    ("uint16", {"serializer": BytesCodec(endian="big"), "compressors": [codec("zstd")]}),
]


@pytest.mark.slow
@pytest.mark.parametrize("shards", [None, (8, 10, 12)])
@pytest.mark.parametrize(("dtype", "options"), FILTERS, ids=lambda one: str(one)[:60])
def test_codecs_of_numcodecs_are_read(
    tmp_path: Path, dtype: str, options: dict[str, Any], shards: tuple[int, ...] | None
) -> None:
    array = np.round(noise((9, 11, 13), "uint16") / 7, 1).astype(dtype)
    others = {"compressors": None, **options}
    stored = zarr.create_array(
        tmp_path / "a", shape=array.shape, dtype=dtype, chunks=(4, 5, 6), shards=shards, fill_value=3, **others
    )
    stored[:, :5] = array[:, :5]
    stored[3:5] = array[3:5]
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.read_chunk == (4, 5, 6)
    assert_array_equal(source.read(source.spec.domain), stored[...])
    assert_array_equal(source.read(Box((1, 2, 3), (8, 9, 10))), stored[1:8, 2:9, 3:10])


def test_booleans_packed_into_bits_are_read(tmp_path: Path) -> None:
    array = noise((9, 11), "uint8") > 100
    codec = numcodecs.PackBits()
    zarr.create_array(tmp_path / "a", data=array, chunks=(9, 11), compressors=None)
    (tmp_path / "a" / "c" / "0" / "0").write_bytes(codec.encode(array).tobytes())
    edit(tmp_path / "a" / "zarr.json", codecs=["numcodecs.packbits", "bytes"])
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert_array_equal(source.read(source.spec.domain), array)


@pytest.mark.parametrize("id", ["pickle", "json2", "msgpack2", "vlen-array", "vlen-bytes", "categorize", "zfpy", "br"])
def test_codecs_of_python_objects_and_those_without_a_limit_never_run(tmp_path: Path, id: str) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    zarr.create_array(tmp_path / "a", data=noise((4, 4), "uint8"), chunks=(4, 4), zarr_format=2, compressors=None)
    (tmp_path / "a" / "0.0").write_bytes(numcodecs.Pickle().encode(np.array([Harm()], object)))
    edit(tmp_path / "a" / ".zarray", filters=[{"id": id}])
    with pytest.raises(UnsupportedFormat, match=f"the codec '{id}' is not read; expected one of"):
        ZarrRemote().open(at(tmp_path / "a"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("codec_list", "message"),
    [
        (["bytes", "numcodecs.quantum"], "'quantum' is not read"),
        (["numcodecs.lz4", "bytes"], "lz4, bytes are not read in this order"),
        (["bytes", {"name": "numcodecs.lzma", "configuration": {"speed": 3}}], "cannot be read as configured"),
        (["numcodecs.delta"], "not read in this order"),
    ],
)
def test_codecs_that_cannot_be_read_are_named(tmp_path: Path, codec_list: list[Any], message: str) -> None:
    zarr.create_array(tmp_path / "a", data=noise((4, 4), "uint8"))
    edit(tmp_path / "a" / "zarr.json", codecs=codec_list)
    with pytest.raises(UnsupportedFormat, match=message):
        ZarrRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"id": "astype", "encode_dtype": "|S100000000", "decode_dtype": "|u1"}, "expected one of numbers"),
        ({"id": "astype", "encode_dtype": "|u1", "decode_dtype": "<U1000000"}, "expected one of numbers"),
        ({"id": "delta", "dtype": "|u1", "astype": "|V1000000"}, "expected one of numbers"),
        ({"id": "fixedscaleoffset", "dtype": "|O", "astype": "|u1", "scale": 1, "offset": 0}, "expected one of"),
        ({"id": "fixedscaleoffset", "dtype": "|u1", "scale": 0, "offset": 0}, "other than 0"),
        ({"id": "fixedscaleoffset", "dtype": "|u1", "scale": 1, "offset": "x"}, "finite numbers"),
        ({"id": "fixedscaleoffset", "dtype": "|u1", "scale": math.nan, "offset": 0}, "finite numbers"),
    ],
)
@pytest.mark.parametrize("format", [2, 3])
def test_filters_store_numbers(tmp_path: Path, format: Any, filter: dict[str, Any], message: str) -> None:
    stored = zarr.create_array(tmp_path / "a", data=noise((4, 4), "uint8"), zarr_format=format, compressors=None)
    assert stored.shape == (4, 4)
    if format == 2:
        edit(tmp_path / "a" / ".zarray", filters=[filter])
    else:
        options = {name: value for name, value in filter.items() if name != "id"}
        edit(tmp_path / "a" / "zarr.json", codecs=[codec(filter["id"], **options), "bytes"])
    with pytest.raises(UnsupportedFormat, match=message):
        ZarrRemote().open(at(tmp_path / "a"))


def test_what_a_filter_stores_is_no_larger_than_a_chunk_may_be(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=noise((64, 64), "uint8"), chunks=(64, 64), zarr_format=2, compressors=None)
    edit(tmp_path / "a" / ".zarray", filters=[{"id": "astype", "encode_dtype": "<f8", "decode_dtype": "|u1"}])
    voxome.configure(largest_chunk_bytes=64 * 64)
    try:
        with pytest.raises(UnsupportedFormat, match=r"the filter astype: a chunk of .* largest"):
            ZarrRemote().open(at(tmp_path / "a"))
    finally:
        voxome.configure(largest_chunk_bytes=None)


@pytest.mark.parametrize("filter", [{"id": "packbits"}, {"id": "delta", "dtype": "<f8", "astype": "|u1"}], ids=str)
def test_filters_of_filters_do_not_multiply(tmp_path: Path, filter: dict[str, Any]) -> None:
    zarr.create_array(tmp_path / "a", data=noise((64, 64), "uint8"), chunks=(64, 64), zarr_format=2, compressors=None)
    edit(tmp_path / "a" / ".zarray", filters=[filter] * 12, compressor={"id": "zlib", "level": 1})
    (tmp_path / "a" / "0.0").write_bytes(zlib.compress(bytes(64 * 64)))
    source = ZarrRemote().open(at(tmp_path / "a"))
    with pytest.raises(CorruptData, match=r"bytes; expected|are more than"):
        source.read(source.spec.domain)


def test_a_damaged_chunk_in_a_shard_is_named(tmp_path: Path) -> None:
    stored = zarr.create_array(
        tmp_path / "a", shape=(8, 8), dtype="u2", chunks=(4, 4), shards=(8, 8), compressors=[codec("zlib")]
    )
    stored[...] = noise((8, 8), "uint16")
    shard = tmp_path / "a" / "c" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[0:40] = bytes(40)
    shard.write_bytes(data)
    source = ZarrRemote().open(at(tmp_path / "a"))
    with pytest.raises(CorruptData, match=r"c/0/0, chunk \(\d, \d\) cannot be decoded"):
        source.read(source.spec.domain)
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(CorruptData, match="c/0/0"):
        ZarrRemote().open(at(tmp_path / "a")).read(source.spec.domain)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_many_readers_of_many_shards_do_not_wait_for_each_other(tmp_path: Path) -> None:
    array = noise((32, 64, 64), "uint16")
    zarr.create_array(tmp_path / "a", data=array, chunks=(4, 8, 8), shards=(8, 16, 16), compressors=[codec("lz4")])
    source = ZarrRemote().open(at(tmp_path / "a"))

    def check(number: int) -> None:
        found = ZarrRemote().open(at(tmp_path / "a")).read(source.spec.domain)
        assert_array_equal(found, array, str(number))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(check, range(24)))
