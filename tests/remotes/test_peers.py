"""Encodings by dtypes: cloud-volume, zarr-python and tensorstore read our files, and we read theirs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cloudvolume
import numpy as np
import pytest
import tensorstore as ts
import zarr
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.n5.remote import N5Remote
from voxome.remotes.precomputed.remote import PrecomputedRemote
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import DTYPES, noise

pytestmark = pytest.mark.slow

SHAPE, CHUNK, START = (9, 17, 10), (8, 8, 8), (3, -5, 7)
ALL = (*DTYPES, "bool", "float16")


def read(scheme: str, path: Path) -> NDArray[Any]:
    """All voxels, by us."""
    remote: Any = {"zarr": ZarrRemote, "n5": N5Remote, "precomputed": PrecomputedRemote}[scheme]()
    source = remote.open(Uri(scheme, str(path)))
    found: NDArray[Any] = source.read(source.spec.domain)
    return found


def tensorstore(driver: str, path: Path, **spec: Any) -> ts.TensorStore:
    kvstore = {"driver": "file", "path": f"{path}/", "file_io_sync": False}
    return ts.open({"driver": driver, "kvstore": kvstore, **spec}).result()


def voxels(dtype: str, codec: str = "", shape: Sequence[int] = SHAPE) -> NDArray[Any]:
    """Noise, with runs where it stands for labels; smooth for jpeg."""
    if codec == "jpeg":
        return (2 * np.indices(shape)[-3:].sum(0)).astype(dtype)
    array = noise(shape, dtype)
    if codec == "compressed_segmentation":
        array[..., ::2, :] = array[..., :1, :1]
    return array


def compare(found: NDArray[Any], array: NDArray[Any], codec: str = "") -> None:
    """Equal, type and all; jpeg is near."""
    assert found.dtype == array.dtype
    if codec == "jpeg":
        assert found.shape == array.shape
        assert np.abs(found.astype(int) - array).max() <= 8
    else:
        assert_array_equal(found, array)


# Precomputed

DTYPES_OF = {
    "raw": ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32"),
    "png": ("uint8", "uint16"),
    "jpeg": ("uint8",),
    "compressed_segmentation": ("uint32", "uint64"),
}
HELD = [(codec, dtype) for codec, dtypes in DTYPES_OF.items() for dtype in dtypes]
LOST = [pair for pair in product(DTYPES_OF, ALL) if pair not in HELD]
COMPRESSIONS = {"cloud-volume": False, "its gzip": None, "its br": "br", "its zstd": "zstd"}
WRITERS = [
    ("tensorstore", False),
    ("tensorstore", True),
    ("cloud-volume", True),
    *((one, False) for one in COMPRESSIONS),
]


def need_cloud_volume(codec: str, dtype: str) -> None:
    if codec == "png":
        pytest.importorskip("pyspng", reason="cloud-volume's codec of png is not installed")
        if dtype == "uint16":
            pytest.skip("cloud-volume neither reads nor writes png of 16 bits")


def by_cloud_volume(path: Path, mip: int = 0) -> NDArray[Any]:
    """Axes z, y, x, or c, z, y, x if there are channels."""
    array = np.asarray(cloudvolume.CloudVolume(f"file://{path}", mip=mip, progress=False)[:, :, :]).T
    return array[0] if len(array) == 1 else array


def put_by_cloud_volume(
    path: Path, array: NDArray[Any], codec: str, *, compress: Any = False, sharded: bool = False
) -> None:
    """A layer of one scale; shards are written one by one, as cloud-volume requires."""
    cloud = cloudvolume.CloudVolume
    whole = array.T if array.ndim == 4 else array.T[..., None]
    info = cloud.create_new_info(
        num_channels=whole.shape[3],
        layer_type="image",
        data_type=array.dtype.name,
        encoding=codec,
        resolution=[4, 4, 40],
        voxel_offset=START[::-1],
        volume_size=whole.shape[:3],
        chunk_size=CHUNK[::-1],
    )
    volume = cloud(f"file://{path}", info=info, progress=False, compress=compress)
    shape = whole.shape[:3]
    if sharded:
        volume.image.to_sharded(uncompressed_shard_bytesize=16**3 * array.dtype.itemsize * whole.shape[3])
        shape = tuple(int(n) for n in volume.image.shard_shape(0))
    volume.commit_info()
    for cell in np.ndindex(*(-(-n // s) for n, s in zip(whole.shape, shape, strict=False))):
        part = whole[tuple(slice(i * s, (i + 1) * s) for i, s in zip(cell, shape, strict=True))]
        first = [i * s + o for i, s, o in zip(cell, shape, START[::-1], strict=True)]
        volume[tuple(slice(a, a + n) for a, n in zip(first, part.shape, strict=False))] = np.asfortranarray(part)


def put_by_tensorstore(path: Path, array: NDArray[Any], codec: str, *, sharded: bool) -> None:
    whole = array.T if array.ndim == 4 else array.T[..., None]
    scale: dict[str, Any] = {
        "size": whole.shape[:3],
        "voxel_offset": START[::-1],
        "resolution": [4, 4, 40],
        "chunk_size": CHUNK[::-1],
        "encoding": codec,
    }
    if codec == "compressed_segmentation":
        scale["compressed_segmentation_block_size"] = [8, 8, 8]
    if codec == "jpeg":
        scale["jpeg_quality"] = 90
    if sharded:
        bits = {"preshift_bits": 1, "minishard_bits": 2, "shard_bits": 3}
        coded = {"data_encoding": "gzip", "minishard_index_encoding": "raw"}
        scale["sharding"] = {"@type": "neuroglancer_uint64_sharded_v1", "hash": "murmurhash3_x86_128", **bits, **coded}
    volume = {"type": "image", "data_type": array.dtype.name, "num_channels": whole.shape[3]}
    creation = {"multiscale_metadata": volume, "scale_metadata": scale, "create": True}
    tensorstore("neuroglancer_precomputed", path, **creation).write(whole).result()


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(("codec", "dtype"), HELD)
def test_peers_read_each_precomputed_encoding(tmp_path: Path, codec: str, dtype: str, sharded: bool) -> None:
    spec = VolumeSpec.of(SHAPE, dtype, start=START, chunk=CHUNK, voxel_size_nm=(40, 4, 4))
    spec = spec.replace(encoding={"codec": {"name": codec, **({"jpeg_quality": 90} if codec == "jpeg" else {})}})
    created = PrecomputedRemote().create(
        Uri("precomputed", str(tmp_path)), spec.replace(write_chunk=(16, 16, 16)) if sharded else spec
    )
    pyramid = ability(created, SupportsLevels)
    assert pyramid is not None
    levels = [created, pyramid.create_level((1, 2, 2))]
    arrays = [voxels(dtype, codec, level.spec.domain.shape) for level in levels]
    for level, array in zip(levels, arrays, strict=True):
        level.write(level.spec.domain, array)
    for number, (level, array) in enumerate(zip(levels, arrays, strict=True)):
        seen = tensorstore("neuroglancer_precomputed", tmp_path, scale_index=number)
        assert tuple(seen.domain.inclusive_min[:3][::-1]) == level.spec.domain.start
        compare(np.asarray(seen[..., 0].read().result()).T, array, codec)
    need_cloud_volume(codec, dtype)
    for number, array in enumerate(arrays):
        compare(by_cloud_volume(tmp_path, number), array, codec)


@pytest.mark.slow
@pytest.mark.parametrize(("writer", "sharded"), WRITERS)
@pytest.mark.parametrize(("codec", "dtype"), HELD)
def test_each_precomputed_encoding_of_peers(tmp_path: Path, codec: str, dtype: str, writer: str, sharded: bool) -> None:
    array = voxels(dtype, codec)
    if writer == "tensorstore":
        put_by_tensorstore(tmp_path, array, codec, sharded=sharded)
    else:
        need_cloud_volume(codec, dtype)
        put_by_cloud_volume(tmp_path, array, codec, compress=COMPRESSIONS[writer], sharded=sharded)
    compare(read("precomputed", tmp_path), array, codec)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("codec", ["raw", "jpeg", "png"])
def test_precomputed_channels(tmp_path: Path, codec: str, channels: int, sharded: bool) -> None:
    array = voxels("uint8", codec, (channels, *SHAPE))
    if codec == "jpeg" and channels == 2:
        spec = VolumeSpec.of(array.shape, "uint8", encoding={"codec": codec})
        with pytest.raises(UnsupportedFormat, match="jpeg"):
            PrecomputedRemote().create(Uri("precomputed", str(tmp_path)), spec)
        return
    put_by_tensorstore(tmp_path / "t", array, codec, sharded=sharded)
    compare(read("precomputed", tmp_path / "t"), array, codec)
    if codec != "png":
        put_by_cloud_volume(tmp_path / "c", array, codec, sharded=sharded)
        compare(read("precomputed", tmp_path / "c"), array, codec)


@pytest.mark.parametrize("how", ["gzip", "br"])
def test_shards_that_cloud_volume_compresses_as_files_are_refused(tmp_path: Path, how: str) -> None:
    put_by_cloud_volume(tmp_path, voxels("uint8"), "raw", compress=how, sharded=True)
    with pytest.raises(UnsupportedFormat, match=r"0\.shard\."):
        read("precomputed", tmp_path)


@pytest.mark.parametrize(("codec", "dtype"), LOST)
def test_dtypes_without_a_precomputed_encoding_are_refused(tmp_path: Path, codec: str, dtype: str) -> None:
    spec = VolumeSpec.of(SHAPE, dtype, chunk=CHUNK, encoding={"codec": codec})
    with pytest.raises(UnsupportedFormat, match=rf"{dtype}|{codec}"):
        PrecomputedRemote().create(Uri("precomputed", str(tmp_path / "a")), spec)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("dtype", ["int64", "float16", "float64", "bool"])
def test_types_that_only_cloud_volume_writes_are_refused(tmp_path: Path, dtype: str) -> None:
    put_by_cloud_volume(tmp_path, voxels(dtype), "raw")
    with pytest.raises(UnsupportedFormat, match=dtype):
        read("precomputed", tmp_path)


# Zarr

V2: dict[str, dict[str, Any] | None] = {
    "raw": None,
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
    "bz2": {"id": "bz2", "level": 1},
    "zstd": {"id": "zstd", "level": 1},
    "blosc": {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2},
}
V3: dict[str, Any] = {
    "raw": [],
    "gzip": [GzipCodec(level=1)],
    "zstd": [ZstdCodec(level=1)],
    "blosc": [BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle", typesize=1)],
}
LAYOUTS = [("zarr2", codec) for codec in V2] + [(layout, codec) for layout in ("zarr3", "shards") for codec in V3]


def driver(layout: str) -> str:
    return "zarr" if layout == "zarr2" else "zarr3"


def zarr_by_zarr_python(path: Path, array: NDArray[Any], layout: str, codec: str, **options: Any) -> zarr.Array[Any]:
    known: dict[str, Any] = {
        "shape": array.shape,
        "dtype": array.dtype,
        "chunks": CHUNK,
        "shards": (16, 16, 16) if layout == "shards" else None,
        "zarr_format": 2 if layout == "zarr2" else 3,
        "compressors": V2[codec] if layout == "zarr2" else V3[codec],
    }
    return zarr.create_array(path, **{**known, **options})


def zarr_by_tensorstore(path: Path, array: NDArray[Any], layout: str, codec: str) -> ts.TensorStore:
    if layout == "zarr2":
        spec: dict[str, Any] = {"chunks": CHUNK, "compressor": V2[codec], "dtype": array.dtype.str}
    else:
        packed = [{"name": "bytes", "configuration": {"endian": "big"}}, *(one.to_dict() for one in V3[codec])]
        shard = {"name": "sharding_indexed", "configuration": {"chunk_shape": CHUNK, "codecs": packed}}
        grid = (16, 16, 16) if layout == "shards" else CHUNK
        spec = {
            "data_type": array.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}},
            "codecs": [shard] if layout == "shards" else packed,
        }
    return tensorstore(driver(layout), path, metadata={"shape": array.shape, **spec}, create=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize(("layout", "codec"), LAYOUTS)
def test_zarr_both_ways(tmp_path: Path, layout: str, codec: str, dtype: str) -> None:
    array = voxels(dtype)
    encoding = {"format": "zarr2" if layout == "zarr2" else "zarr3", "codec": codec, "ome": False}
    spec = VolumeSpec.of(SHAPE, dtype, start=START, chunk=CHUNK, encoding=encoding)
    spec = spec.replace(write_chunk=(16, 16, 16)) if layout == "shards" else spec
    ZarrRemote().create(Uri("zarr", str(tmp_path / "ours")), spec).write(spec.domain, array)
    theirs = zarr.open_array(tmp_path / "ours", mode="r")
    assert theirs.chunks == CHUNK
    assert theirs.shards == ((16, 16, 16) if layout == "shards" else None)
    compare(np.asarray(theirs[...]), array)
    compare(np.asarray(tensorstore(driver(layout), tmp_path / "ours").read().result()), array)

    zarr_by_zarr_python(tmp_path / "python", array, layout, codec)[...] = array
    compare(read("zarr", tmp_path / "python"), array)
    zarr_by_tensorstore(tmp_path / "tensorstore", array, layout, codec).write(array).result()
    compare(read("zarr", tmp_path / "tensorstore"), array)


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "Fortran order": ("zarr2", {"order": "F"}),
    "slashes": ("zarr2", {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "big endian": ("zarr3", {"serializer": BytesCodec(endian="big")}),
    "transposed": ("zarr3", {"filters": [TransposeCodec(order=(2, 0, 1))]}),
    "checksums": ("zarr3", {"compressors": [GzipCodec(), Crc32cCodec()]}),
    "dots": ("zarr3", {"chunk_key_encoding": {"name": "default", "separator": "."}}),
    "names of v2": ("zarr3", {"chunk_key_encoding": {"name": "v2", "separator": "."}}),
    "index first": (
        "zarr3",
        {"chunks": (16, 16, 16), "serializer": ShardingCodec(chunk_shape=CHUNK, index_location="start")},
    ),
    "shards in shards": (
        "zarr3",
        {
            "chunks": (16, 16, 16),
            "serializer": ShardingCodec(chunk_shape=CHUNK, codecs=[ShardingCodec(chunk_shape=(4, 4, 4))]),
        },
    ),
    "empty chunks": ("shards", {"config": {"write_empty_chunks": True}}),
}


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_ways_of_zarr_python(tmp_path: Path, way: str, dtype: str) -> None:
    layout, options = WAYS[way]
    array = voxels(dtype).astype(dtype)
    codec = "raw" if "serializer" in options else "zstd"
    zarr_by_zarr_python(tmp_path, array, layout, codec, **options)[...] = array
    compare(read("zarr", tmp_path), array.astype(array.dtype.newbyteorder("=")))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("layout", ["zarr2", "zarr3", "shards"])
def test_fills_of_zarr_python(tmp_path: Path, layout: str, dtype: str) -> None:
    fills = noise((9,), dtype)
    for number, fill in enumerate(fills[[0, 2, 8]]):
        path = tmp_path / str(number)
        stored = zarr_by_zarr_python(path, voxels(dtype), layout, "zstd", fill_value=fill)
        stored[:, 9:] = voxels(dtype)[:, 9:]
        source = ZarrRemote().open(Uri("zarr", str(path)))
        assert_array_equal(np.asarray(source.spec.fill, dtype), fill)
        compare(source.read(source.spec.domain), np.asarray(stored[...]))
        spec = source.spec.replace(encoding={**(source.spec.encoding or {}), "ome": False})
        again = ZarrRemote().create(Uri("zarr", f"{path}.copy"), spec)
        again.write(Box((0, 9, 0), SHAPE), voxels(dtype)[:, 9:])
        compare(np.asarray(zarr.open_array(f"{path}.copy", mode="r")[...]), np.asarray(stored[...]))


@pytest.mark.parametrize("dtype", ["S4", "U3", "M8[ns]", "m8[s]", "V3", "u1,i4"])
@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_values_that_are_not_numbers_are_refused(tmp_path: Path, format: int, dtype: str) -> None:
    zarr.create_array(tmp_path, shape=(4, 4), dtype=np.dtype(dtype), zarr_format=format)
    with pytest.raises(UnsupportedFormat, match=r"has values of type .+; voxome reads"):
        read("zarr", tmp_path)


@pytest.mark.parametrize("dtype", ["int2", "float8_e4m3fn", "float4_e2m1fn"])
def test_short_numbers_of_tensorstore_are_refused(tmp_path: Path, dtype: str) -> None:
    tensorstore("zarr3", tmp_path, metadata={"shape": [4, 4], "data_type": dtype}, create=True)
    with pytest.raises(UnsupportedFormat, match=dtype):
        read("zarr", tmp_path)


# N5

CODECS = ("raw", "gzip", "bzip2", "xz", "zstd", "blosc")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("codec", CODECS)
def test_n5_both_ways(tmp_path: Path, codec: str, dtype: str) -> None:
    array = voxels(dtype, shape=(2, *SHAPE))
    spec = VolumeSpec.of(array.shape, dtype, start=(0, *START), chunk=(1, *CHUNK), encoding={"codec": codec})
    N5Remote().create(Uri("n5", str(tmp_path / "ours")), spec).write(spec.domain, array)
    compare(np.asarray(tensorstore("n5", tmp_path / "ours" / "s0").read().result()).T, array)
    options = {"cname": "zstd", "clevel": 3, "shuffle": 2} if codec == "blosc" else {}
    metadata = {
        "dimensions": array.shape[::-1],
        "blockSize": (*CHUNK, 2),
        "dataType": dtype,
        "compression": {"type": codec, **options},
    }
    tensorstore("n5", tmp_path / "theirs", metadata=metadata, create=True).write(array.T).result()
    compare(read("n5", tmp_path / "theirs"), array)


@pytest.mark.parametrize("dtype", sorted({*ALL} - {*DTYPES}))
def test_specs_that_n5_cannot_describe_are_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(UnsupportedFormat, match=dtype):
        voxome.create(f"n5://{tmp_path}/a", VolumeSpec.of(SHAPE, dtype))
