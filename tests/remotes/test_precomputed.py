"""Precomputed: the contract, what tensorstore makes of what we write, cloud-volume's compressed chunks, refusals."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import imagecodecs
import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, NotFound, ReadOnly, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.precomputed.remote import PrecomputedRemote
from voxome.remotes.precomputed.source import PrecomputedPyramid
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import boxes, noise
from voxome.testing.volume_case import any_example

PACK: dict[str, Callable[[bytes], Any]] = {
    ".gz": gzip.compress,
    ".br": imagecodecs.brotli_encode,
    ".zstd": imagecodecs.zstd_encode,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def at(path: object) -> Uri:
    return Uri("precomputed", str(path))


def peer(path: Path, **spec: Any) -> ts.TensorStore:
    """The volume at `path` by tensorstore alone: x, y, z, channel."""
    kvstore = {"driver": "file", "path": f"{path}/"}
    return ts.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore, **spec}).result()


class TestPrecomputedContract(VolumeRemoteContract):
    dtypes = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32")
    ranks = (3, 4)
    fills = (0,)
    seeded_fields = frozenset({"voxel_size_nm"})
    levels = True

    @pytest.fixture
    def remote(self) -> PrecomputedRemote:
        return PrecomputedRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: at(tmp_path / uuid4().hex)

    def parent_uri(self, uri: Uri) -> Uri:
        return at(Path(uri.path).parent)

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, **others)
        return spec if rank != 4 else spec.replace(domain=spec.domain.shift((3, 0, 0, 0)))

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        voxels = array[None] if array.ndim == 3 else array
        volume = {"type": "image", "data_type": spec.dtype.name, "num_channels": len(voxels)}
        scale = {
            "size": voxels.shape[:0:-1],
            "voxel_offset": spec.frame.start[::-1],
            "resolution": (spec.voxel_size_nm or (1, 1, 1))[::-1],
            "chunk_size": (5, 4, 6),
            "encoding": "raw",
        }
        peer(Path(uri.path), multiscale_metadata=volume, scale_metadata=scale, create=True).write(voxels.T).result()

    def inspect(self, uri: Uri) -> NDArray[Any]:
        array = np.asarray(peer(Path(uri.path)).read().result()).T
        return array[0] if len(array) == 1 else array


@pytest.mark.slow
class TestShardedContract(TestPrecomputedContract):
    dtypes = ("uint8", "uint64")

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, **others)
        lead = spec.domain.shape[:-3]
        return spec.replace(read_chunk=(*lead, 5, 6, 4), write_chunk=(*lead, 10, 12, 8))


def make(path: Path, array: NDArray[Any], start: tuple[int, ...] = (0, 0, 0), **others: Any) -> VolumeSpec:
    spec = VolumeSpec.of(array.shape, array.dtype, start=start, **others)
    PrecomputedRemote().create(at(path), spec).write(spec.domain, array)
    return spec


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(
    ("codec", "dtype"),
    [
        ("raw", "float32"),
        ("png", "uint8"),
        ("png", "uint16"),
        ("compressed_segmentation", "uint32"),
        ("compressed_segmentation", "uint64"),
    ],
)
def test_tensorstore_reads_each_encoding_we_write(tmp_path: Path, codec: str, dtype: str, sharded: bool) -> None:
    array = noise((40, 30, 50), dtype)
    make(tmp_path / "a", array, encoding={"codec": codec}, chunk=(16, 16, 16))
    if sharded:
        spec = VolumeSpec.of(array.shape, dtype, encoding={"codec": codec})
        spec = spec.replace(read_chunk=(16, 16, 16), write_chunk=(32, 32, 32))
        source = PrecomputedRemote().create(at(tmp_path / "b"), spec)
        source.write(spec.domain, array)
        assert source.spec.write_chunk == (32, 32, 32)
        assert list((tmp_path / "b").glob("*/*.shard"))
    seen = peer(tmp_path / ("b" if sharded else "a"))
    assert_array_equal(np.asarray(seen.read().result())[..., 0].T, array)
    assert seen.spec().to_json()["scale_metadata"]["encoding"] == codec


def test_jpeg_is_near(tmp_path: Path) -> None:
    z, y, x = np.indices((20, 30, 40))
    array = (2 * z + 3 * y + x).astype(np.uint8)
    spec = make(tmp_path / "a", array, encoding={"codec": {"name": "jpeg", "jpeg_quality": 95}})
    result = PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain)
    assert np.abs(result.astype(int) - array).max() <= 6
    assert json.loads((tmp_path / "a" / "info").read_text())["scales"][0]["jpeg_quality"] == 95


def test_info_agrees_with_the_spec(tmp_path: Path) -> None:
    spec = VolumeSpec.of(
        (40, 30, 50), "uint64", start=(-7, 3, 0), chunk=(8, 16, 32), kind="labels", voxel_size_nm=(40, 5, 4)
    )
    source = PrecomputedRemote().create(at(tmp_path / "a"), spec)
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((1, 2, 2))
    info = json.loads((tmp_path / "a" / "info").read_text())
    assert info["type"] == "segmentation"
    fine, coarse = info["scales"]
    assert fine["encoding"] == "compressed_segmentation"
    assert (fine["size"], fine["voxel_offset"], fine["resolution"]) == ([50, 30, 40], [0, 3, -7], [4, 5, 40])
    assert fine["chunk_sizes"] == [[32, 16, 8]]
    assert (coarse["size"], coarse["voxel_offset"], coarse["resolution"]) == ([25, 16, 40], [0, 1, -7], [8, 10, 40])
    assert coarse["encoding"] == "compressed_segmentation"


def test_without_a_voxel_size(tmp_path: Path) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    assert PrecomputedRemote().open(at(tmp_path / "a")).spec.voxel_size_nm is None


def test_an_axis_of_one_channel_is_created_only_on_request(tmp_path: Path) -> None:
    array = noise((1, 4, 5, 6), "uint8")
    make(tmp_path / "a", array, (0, 0, 0, 0))
    info = json.loads((tmp_path / "a" / "info").read_text())
    assert PrecomputedRemote().open(at(tmp_path / "a")).spec.axes == ("c", "z", "y", "x")
    (tmp_path / "a" / "info").write_text(json.dumps({k: v for k, v in info.items() if k != "voxome"}))
    plain = PrecomputedRemote().open(at(tmp_path / "a"))
    assert plain.spec.axes == ("z", "y", "x")
    assert_array_equal(plain.read(plain.spec.domain), array[0])


def test_links_are_stored_under_separate_keys(tmp_path: Path) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    source = PrecomputedRemote().open(at(tmp_path / "a"), mode="r+")
    source.update_attributes({"mesh": "mesh", "note": 1})
    info = json.loads((tmp_path / "a" / "info").read_text())
    assert info["mesh"] == "mesh"
    assert info["voxome"]["attributes"] == {"note": 1}
    assert source.spec.attributes == {"mesh": "mesh", "note": 1}
    with pytest.raises(InvalidInput, match="scales"):
        source.update_attributes({"scales": []})


def compress(folder: Path, suffix: str, every: int = 1) -> None:
    """Rename chunk files as cloud-volume does when it compresses them."""
    for file in sorted(folder.glob("*_*_*/*_*_*"))[::every]:
        file.with_name(file.name + suffix).write_bytes(PACK[suffix](file.read_bytes()))
        file.unlink()


def sparse(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Voxels of which some chunks are all 0, and others in the middle only."""
    array = noise(shape, dtype)
    array[..., : shape[-1] // 3] = 0
    array[..., 8:-8, :, :] = 0
    return array


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("every", [1, 2])
def test_compressed_chunk_files_are_decoded(tmp_path: Path, suffix: str, every: int) -> None:
    array = sparse((24, 20, 40), "uint16")
    spec = make(tmp_path / "a", array, (-4, 3, 5), chunk=(8, 8, 8), voxel_size_nm=(4, 4, 4))
    compress(tmp_path / "a", suffix, every)
    source = PrecomputedRemote().open(at(tmp_path / "a"))

    @any_example
    @given(box=boxes(spec.domain))
    def check(box: Box) -> None:
        assert_array_equal(source.read(box), array[box.within(spec.domain)])

    check()
    out = np.full(array.shape, 9, np.uint32)
    assert_array_equal(source.read(spec.domain, out=out), array)


@pytest.mark.parametrize(("codec", "dtype"), [("png", "uint8"), ("compressed_segmentation", "uint64")])
def test_encoded_chunks_are_decoded_twice(tmp_path: Path, codec: str, dtype: str) -> None:
    array = sparse((2, 24, 20, 40), dtype) if codec == "png" else sparse((24, 20, 40), dtype)
    start = (0, 0, 0, 0)[: array.ndim]
    spec = make(tmp_path / "a", array, start, chunk=(2, 8, 8, 8)[-array.ndim :], encoding={"codec": codec})
    compress(tmp_path / "a", ".gz")
    assert_array_equal(PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain), array)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize(("codec", "most"), [("raw", 4_096), ("compressed_segmentation", 73_728), ("png", 73_728)])
def test_a_compressed_chunk_is_decompressed_up_to_what_its_voxels_need(
    tmp_path: Path, suffix: str, codec: str, most: int
) -> None:
    dtype, shape = ("uint8", (16, 16, 16)) if codec != "compressed_segmentation" else ("uint32", (16, 8, 8))
    spec = make(tmp_path / "a", np.ones(shape, dtype), chunk=shape, encoding={"codec": codec})
    (file,) = (tmp_path / "a").glob("*_*_*/*_*_*")
    file.write_bytes(bytes(1 << 20))
    compress(tmp_path / "a", suffix)
    with pytest.raises(CorruptData, match=rf"more than (its )?{most:,}|{most:,} bytes"):
        PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain)


def test_levels_of_compressed_files(tmp_path: Path) -> None:
    make(tmp_path / "a", np.ones((8, 8, 8), np.uint8), chunk=(4, 4, 4))
    pyramid = ability(PrecomputedRemote().open(at(tmp_path / "a"), mode="r+"), SupportsLevels)
    assert pyramid is not None
    part = pyramid.create_level((2, 2, 2))
    part.write(part.spec.domain, np.full((4, 4, 4), 2, np.uint8))
    compress(tmp_path / "a", ".gz")
    again = ability(PrecomputedRemote().open(at(tmp_path / "a")), SupportsLevels)
    assert again is not None
    assert (again.level(1).read(part.spec.domain) == 2).all()


def test_levels_have_shards_like_a_volume_that_ends_inside_one(tmp_path: Path) -> None:
    make(tmp_path / "a", np.ones((20, 20, 16), np.uint8), chunk=(4, 4, 4), write_chunk=(16, 32, 16))
    pyramid = ability(PrecomputedRemote().open(at(tmp_path / "a"), mode="r+"), SupportsLevels)
    assert pyramid is not None
    part = pyramid.create_level((2, 1, 2))
    part.write(part.spec.domain, np.full((10, 20, 8), 2, np.uint8))
    assert (pyramid.level(1).read(part.spec.domain) == 2).all()


def test_compressed_files_are_not_written_over(tmp_path: Path) -> None:
    spec = make(tmp_path / "a", np.ones((8, 8, 8), np.uint8), chunk=(4, 4, 4))
    compress(tmp_path / "a", ".gz")
    source = PrecomputedRemote().open(at(tmp_path / "a"), mode="r+")
    with pytest.raises(UnsupportedFormat, match=r"\.gz"):
        source.write(Box((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1), np.uint8))
    assert (source.read(spec.domain) == 1).all()


def test_a_plain_chunk_hides_a_compressed_one(tmp_path: Path) -> None:
    spec = make(tmp_path / "a", np.ones((4, 4, 4), np.uint8))
    (chunk,) = (tmp_path / "a").glob("*_*_*/*")
    chunk.with_name(chunk.name + ".gz").write_bytes(gzip.compress(chunk.read_bytes()))
    chunk.write_bytes(bytes(64))
    assert not PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain).any()


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all", gzip.compress(bytes(100))[:-9], gzip.compress(b"short")],
    ids=["no gzip", "cut off", "too short"],
)
def test_bad_compressed_files_are_corrupt(tmp_path: Path, content: bytes) -> None:
    spec = make(tmp_path / "a", np.ones((4, 4, 4), np.uint8))
    compress(tmp_path / "a", ".gz")
    (chunk,) = (tmp_path / "a").glob("*_*_*/*.gz")
    chunk.write_bytes(content)
    with pytest.raises(CorruptData, match=r"0-4_0-4_0-4"):
        PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain)


@pytest.mark.slow
@pytest.mark.parametrize("unpacks", [False, True])
def test_over_http(serve: Callable[..., str], tmp_path: Path, unpacks: bool) -> None:
    server = serve(tmp_path, unpacks=unpacks)
    array = sparse((12, 20, 24), "uint16")
    spec = make(tmp_path / "a", array, chunk=(8, 8, 8))
    remote = PrecomputedRemote()
    assert_array_equal(remote.open(at(f"{server}/a")).read(spec.domain), array)
    compress(tmp_path / "a", ".gz", every=2)
    source = remote.open(at(f"{server}/a"))
    assert_array_equal(source.read(spec.domain), array)
    assert source.version() == remote.open(at(f"{server}/a/")).version()
    with pytest.raises(NotFound):
        remote.open(at(f"{server}/b"))
    with pytest.raises(ReadOnly):
        remote.open(at(f"{server}/a"), mode="r+")


@pytest.mark.parametrize("encoding", ["compresso", "crackle", "fpzip", "kempressed", "zfpc", "jxl", None])
def test_foreign_encodings_are_named(tmp_path: Path, encoding: str | None) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    info = json.loads((tmp_path / "a" / "info").read_text())
    info["scales"][0]["encoding"] = encoding
    (tmp_path / "a" / "info").write_text(json.dumps(info))
    hint = "" if encoding is None else f".*open it as cloudvolume://{tmp_path}/a"
    with pytest.raises(UnsupportedFormat, match=f"{encoding}{hint}"):
        PrecomputedRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize(
    ("info", "error", "message"),
    [
        ('{"@type": "neuroglancer_unheard_of"}', UnsupportedFormat, "neuroglancer_unheard_of"),
        ('{"mesh": "mesh"}', UnsupportedFormat, "its info has mesh; expected a list of scales"),
        ('{"data_type": "uint8", "scales": [{"encoding": "raw"}]}', UnsupportedFormat, "chunk_sizes"),
        ('{"scales": [1], "graph": {}}', UnsupportedFormat, "graphene"),
        ('{"scales": ', CorruptData, "not JSON"),
        ("[]", CorruptData, "list"),
    ],
)
def test_other_infos_are_named(tmp_path: Path, info: str, error: type[Exception], message: str) -> None:
    (tmp_path / "info").write_text(info)
    with pytest.raises(error, match=message):
        PrecomputedRemote().open(at(tmp_path))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (VolumeSpec.of((4, 4, 4), "float64"), UnsupportedFormat, "float64"),
        (VolumeSpec.of((4, 4, 4), "bool"), UnsupportedFormat, "bool"),
        (VolumeSpec.of((4, 4), "uint8"), UnsupportedFormat, "y/x"),
        (VolumeSpec.of((2, 2, 4, 4, 4), "uint8"), UnsupportedFormat, "t/c/z/y/x"),
        (VolumeSpec.of((4, 4, 4), "uint8", fill=3), UnsupportedFormat, "must be 0, not 3"),
        (VolumeSpec.of((4, 4, 4), "float32", encoding={"codec": "jpeg"}), UnsupportedFormat, "jpeg"),
        (VolumeSpec.of((4, 4, 4), "uint8", encoding={"codec": "crackle"}), UnsupportedFormat, "encoding"),
        (VolumeSpec.of((4, 4, 4), "uint8", encoding={"codecs": "raw"}), InvalidInput, "codecs"),
        (
            VolumeSpec.of((99, 99, 99), "uint8", chunk=(8, 8, 8)).replace(write_chunk=(24, 8, 8)),
            UnsupportedFormat,
            "24",
        ),
        (VolumeSpec.of((99, 99, 99), "uint8", chunk=(8, 8, 8)).replace(write_chunk=(8, 8, 16)), None, ""),
        (
            VolumeSpec.of((99, 99, 99), "uint8", chunk=(8, 8, 8)).replace(write_chunk=(16, 8, 8)),
            UnsupportedFormat,
            "nearest",
        ),
    ],
)
def test_specs_that_precomputed_cannot_store_are_refused(
    tmp_path: Path, spec: VolumeSpec, error: type[Exception] | None, message: str
) -> None:
    if error is None:
        assert PrecomputedRemote().create(at(tmp_path / "a"), spec).spec.write_chunk == spec.write_chunk
        return
    with pytest.raises(error, match=message):
        PrecomputedRemote().create(at(tmp_path / "a"), spec)
    assert not (tmp_path / "a").exists()


def test_other_stores_are_named() -> None:
    with pytest.raises(UnsupportedFormat, match="ftp://"):
        PrecomputedRemote().open(at("ftp://host/layer"))


def _with_floats(value: Any) -> Any:
    """A JSON value whose integers are floats."""
    if isinstance(value, dict):
        return {key: _with_floats(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_floats(one) for one in value]
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("shard", [(4, 5, 6), (8, 10, 12)])
def test_whole_numbers_may_be_stored_as_floats(tmp_path: Path, shard: tuple[int, int, int]) -> None:
    array = noise((12, 15, 18), "uint64")
    spec = make(tmp_path / "a", array, start=(1, -2, 3), kind="labels", chunk=(4, 5, 6), write_chunk=shard)
    info = json.loads((tmp_path / "a/info").read_text())
    (tmp_path / "a/info").write_text(json.dumps(_with_floats(info)))
    opened = PrecomputedRemote().open(at(tmp_path / "a"), mode="r+")
    assert isinstance(opened, PrecomputedPyramid)
    assert (opened.spec.domain, opened.spec.write_chunk) == (spec.domain, shard)
    assert_array_equal(opened.read(spec.domain), array)
    opened.write(spec.domain, array + np.uint64(1))
    assert_array_equal(opened.read(spec.domain), array + np.uint64(1))
    opened.create_level((2, 2, 2))
    opened.update_attributes({"note": 1.5})
    assert [level.scale for level in opened.levels] == [(1, 1, 1), (2, 2, 2)]
    (listed,) = PrecomputedRemote().list(at(tmp_path / "a"))
    assert listed.description == "uint64 12,15,18 from 1,-2,3"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", [6.5, 5, 4]),
        ("size", [6, 5]),
        ("size", ["6", "5", "4"]),
        ("voxel_offset", [0, 0.5, 0]),
        ("chunk_sizes", [[6, 5, float("nan")]]),
        ("chunk_sizes", [[True, 5, 4]]),
    ],
)
def test_other_numbers_are_refused_by_name(tmp_path: Path, key: str, value: Any) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    info = json.loads((tmp_path / "a/info").read_text())
    info["scales"][0][key] = value
    (tmp_path / "a/info").write_text(json.dumps(info))
    with pytest.raises(UnsupportedFormat, match=rf"{key} of scale '1_1_1' is .*whole numbers were expected"):
        PrecomputedRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_type": None}, "data_type is None"),
        ({"data_type": "UINT9"}, "data_type is 'UINT9'; expected one of uint8"),
        ({"num_channels": 0}, "num_channels is 0; expected a whole number of at least 1"),
        ({"type": 5}, "type is 5; expected text"),
        ({"voxome": 5}, "voxome is 5; expected an object"),
        ({"scales": [5]}, "scale 0 is 5; expected an object"),
        ({"scales": []}, r"its info has scales \[\]; expected a list of scales"),
        ({"key": 5}, "key is 5; expected text"),
        ({"sharding": 5}, "sharding is 5; expected an object"),
        ({"size": [6, 5, -1]}, r"size of scale '1_1_1' is \[6, 5, -1\]"),
        ({"chunk_sizes": [[6, 5, 0]]}, r"chunk_sizes of scale '1_1_1' is \[6, 5, 0\]"),
        ({"chunk_sizes": []}, r"chunk_sizes of scale '1_1_1' is \[\]"),
    ],
    ids=str,
)
def test_a_wrong_member_is_named_by_opening_and_by_listing(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    info = json.loads((tmp_path / "a/info").read_text())
    for key, value in changes.items():
        (info if key in info else info["scales"][0])[key] = value
    (tmp_path / "a/info").write_text(json.dumps(info))
    with pytest.raises(UnsupportedFormat, match=f"{tmp_path}/a.*{message}"):
        PrecomputedRemote().open(at(tmp_path / "a"))
    (listed,) = PrecomputedRemote().list(at(tmp_path / "a"))
    assert re.search(f"cannot be opened: .*{message}", listed.description)


@pytest.mark.parametrize("missing", ["data_type", "key", "size", "chunk_sizes"])
def test_a_member_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    info = json.loads((tmp_path / "a/info").read_text())
    del (info if missing in info else info["scales"][0])[missing]
    (tmp_path / "a/info").write_text(json.dumps(info))
    with pytest.raises(UnsupportedFormat, match=f"does not follow the format: '{missing}' is missing"):
        PrecomputedRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize("resolution", [[math.nan, 1, 1], [1, 1, math.inf], [1, 1], "1"], ids=str)
def test_a_resolution_that_is_no_size_is_named(tmp_path: Path, resolution: object) -> None:
    make(tmp_path / "a", noise((4, 5, 6), "uint8"))
    info = json.loads((tmp_path / "a/info").read_text())
    info["scales"][0]["resolution"] = resolution
    (tmp_path / "a/info").write_text(json.dumps(info))
    with pytest.raises(UnsupportedFormat, match=r"resolution is .*; expected 3 numbers"):
        PrecomputedRemote().open(at(tmp_path / "a"))


def test_compressed_chunks_are_read_although_another_scale_is_damaged(tmp_path: Path) -> None:
    array = noise((4, 5, 6), "uint8") | 1
    make(tmp_path / "a", array)
    info = json.loads((tmp_path / "a/info").read_text())
    info["scales"].append({"key": "2_2_2", "resolution": [2, 2, 2], "encoding": "unheard of"})
    (tmp_path / "a/info").write_text(json.dumps(info))
    for chunk in (tmp_path / "a/1_1_1").iterdir():
        chunk.with_name(f"{chunk.name}.gz").write_bytes(gzip.compress(chunk.read_bytes()))
        chunk.unlink()
    assert_array_equal(PrecomputedRemote().open(at(tmp_path / "a")).read(Box((0, 0, 0), (4, 5, 6))), array)


def test_damaged_shards_are_corrupt(tmp_path: Path) -> None:
    array = noise((12, 15, 18), "uint8") | 1
    spec = make(tmp_path / "a", array, chunk=(4, 5, 6), write_chunk=(8, 10, 12))
    for file in (tmp_path / "a/1_1_1").iterdir():
        whole = file.read_bytes()
        index = bytearray(whole)
        index[6] ^= 64  # in the position of a minishard
        for damaged in (whole[:5], whole[: len(whole) // 2], whole[:-3], bytes(index)):
            file.write_bytes(damaged)
            with pytest.raises(CorruptData, match=str(tmp_path)):
                PrecomputedRemote().open(at(tmp_path / "a")).read(spec.domain)
        file.write_bytes(whole)
