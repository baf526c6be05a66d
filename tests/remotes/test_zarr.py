"""Zarr: the contract in every layout that we write, held against zarr-python; OME-Zarr; refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
)
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.storage import tensorstore
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

DTYPES = (
    *("uint16", "bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
PLACE: dict[str, Any] = {"voxel_size_nm": (40.0, 4.0, 8.0), "offset_nm": (400.0, 24.0, 16.0)}


def at(path: object) -> Uri:
    return Uri("zarr", str(path))


def peer(path: Path) -> zarr.Array[Any]:
    """The array at `path`, or the finest of the group there, by zarr-python alone."""
    found = zarr.open(path, mode="r")
    array = found["0"] if isinstance(found, zarr.Group) else found
    assert isinstance(array, zarr.Array)
    return array


class ZarrContract(VolumeRemoteContract):
    """The contract in one layout."""

    encoding: ClassVar[dict[str, Any] | None] = None
    format: ClassVar[int] = 3
    shards: ClassVar[int] = 1
    dtypes = ("uint16", "uint8", "bool", "uint64", "float32")
    seeded_fields = frozenset({"voxel_size_nm", "offset_nm", "kind"})

    @pytest.fixture
    def remote(self) -> ZarrRemote:
        return ZarrRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: at(tmp_path / "store" / uuid4().hex)

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, encoding=self.encoding, **others)
        assert spec.write_chunk is not None
        return spec.replace(write_chunk=tuple(self.shards * n for n in spec.write_chunk))

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        own: dict[str, Any] = {"start": spec.domain.start, "kind": spec.kind}
        if spec.voxel_size_nm is not None:
            own |= {"voxel_size_nm": spec.voxel_size_nm, "offset_nm": spec.offset_nm}
        stored = zarr.create_array(
            uri.path,
            shape=array.shape,
            dtype=array.dtype,
            chunks=spec.read_chunk,
            shards=spec.write_chunk if self.shards > 1 else None,
            zarr_format=self.format,
            dimension_names=spec.axes if self.format == 3 else None,
            attributes={"voxome": own},
        )
        stored[...] = array

    def inspect(self, uri: Uri) -> NDArray[Any]:
        return np.asarray(peer(Path(uri.path))[...])

    def parent_uri(self, uri: Uri) -> Uri:
        return at(Path(uri.path).parent)


class TestOme(ZarrContract):
    dtypes = DTYPES
    levels = True


class TestPlain(ZarrContract):
    encoding: ClassVar[dict[str, Any] | None] = {"ome": False}


class TestSharded(ZarrContract):
    encoding: ClassVar[dict[str, Any] | None] = {"ome": False, "codec": "raw"}
    shards = 2


class TestZarr2(ZarrContract):
    dtypes = DTYPES
    encoding: ClassVar[dict[str, Any] | None] = {"format": "zarr2", "ome": False}
    format = 2


class TestOldOme(TestOme):
    dtypes = ("uint16",)
    ranks = (3, 5)
    encoding: ClassVar[dict[str, Any] | None] = {"format": "zarr2"}
    format = 2


# What others read


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


def test_ome_zarr_gives_size_and_position(tmp_path: Path) -> None:
    spec = VolumeSpec.of((2, 8, 16, 32), "uint8", start=(0, 10, 0, -4), **PLACE)
    source = ZarrRemote().create(at(tmp_path / "em"), spec)
    source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    ome = json.loads((tmp_path / "em" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    assert [axis["type"] for axis in ome["multiscales"][0]["axes"]] == ["channel", "space", "space", "space"]
    assert [axis.get("unit") for axis in ome["multiscales"][0]["axes"]] == [None, *["nanometer"] * 3]
    finest, coarser = ome["multiscales"][0]["datasets"]
    assert [one["path"] for one in (finest, coarser)] == ["0", "1"]
    assert finest["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 40, 4, 8]},
        {"type": "translation", "translation": [0, 800, 24, -16]},
    ]
    assert coarser["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 40, 8, 16]},
        {"type": "translation", "translation": [0, 800, 26, -12]},
    ]


def write_ome(path: Path, axes: list[dict[str, str]], datasets: list[dict[str, Any]], **entry: Any) -> None:
    group = zarr.create_group(path, zarr_format=2)
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets, **entry}]
    for number, one in enumerate(datasets):
        array = group.create_array(one["path"], shape=(12 >> number, 10, 8 >> number), dtype="uint8")
        array[...] = number + 1


def test_scales_and_translations_are_composed(tmp_path: Path) -> None:
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "xyz"]
    datasets = [
        {
            "path": f"s{n}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2**n, 1, 2**n]},
                {"type": "translation", "translation": [(2**n - 1) / 2, 0, (2**n - 1) / 2]},
            ],
        }
        for n in range(2)
    ]
    outer = [{"type": "scale", "scale": [0.5, 2, 3]}, {"type": "translation", "translation": [10, 20, 30]}]
    write_ome(tmp_path / "a", axes, datasets, coordinateTransformations=outer)
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.axes == ("z", "y", "x")
    assert source.spec.domain.shape == (8, 10, 12)
    assert source.spec.voxel_size_nm == pytest.approx((3000, 2000, 500))
    assert source.spec.offset_nm == pytest.approx((30_000, 20_000, 10_000))
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 1, 2)]
    assert pyramid.levels[1].offset_nm == pytest.approx((31_500, 20_000, 10_250))
    coarse = pyramid.level(1)
    assert coarse.spec.voxel_size_nm == pytest.approx((6000, 2000, 1000))
    assert (coarse.read(coarse.spec.domain) == 2).all()
    assert ZarrRemote().open(at(tmp_path / "a" / "s1")).spec.offset_nm == coarse.spec.offset_nm
    with pytest.raises(NotFound, match="0 to 1"):
        pyramid.level(2)


def test_units_other_than_lengths_give_no_voxel_size(tmp_path: Path) -> None:
    axes = [{"name": n, "type": "space", "unit": "pixel"} for n in "zyx"]
    steps = [{"type": "scale", "scale": [3, 2, 2]}]
    write_ome(tmp_path / "a", axes, [{"path": "0", "coordinateTransformations": steps}])
    assert ZarrRemote().open(at(tmp_path / "a")).spec.voxel_size_nm is None


def test_a_pyramid_without_sizes_has_the_ratio_of_its_shapes(tmp_path: Path) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}, {"path": "1"}])
    pyramid = ability(ZarrRemote().open(at(tmp_path / "a")), SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 1, 2)]


def test_label_images_are_labels(tmp_path: Path) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}])
    zarr.open_group(tmp_path / "a").attrs["image-label"] = {"version": "0.4"}
    assert ZarrRemote().open(at(tmp_path / "a")).spec.kind == "labels"
    assert ZarrRemote().open(at(tmp_path / "a" / "0")).spec.kind == "labels"


@pytest.mark.parametrize("change", [{"axes": [{"name": "y"}]}, {"datasets": [{}]}, {"datasets": []}])
def test_invalid_multiscales_are_corrupt(tmp_path: Path, change: dict[str, Any]) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}])
    group = zarr.open_group(tmp_path / "a")
    group.attrs["multiscales"] = [{**group.attrs["multiscales"][0], **change}]
    with pytest.raises((CorruptData, UnsupportedFormat), match="a"):
        ZarrRemote().open(at(tmp_path / "a"))


# Axes


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (("x", "y", "z", "c"), ("c", "z", "y", "x")),
        (("X", "Y", "Z", "T"), ("t", "z", "y", "x")),
        (("angle", "x", "y", "z"), ("angle", "z", "y", "x")),
        (("dim_3", "dim_2", "dim_1", "dim_0"), ("c", "z", "y", "x")),
        (None, ("c", "z", "y", "x")),
    ],
)
@pytest.mark.parametrize("format", [2, 3])
def test_named_axes_are_reordered(
    tmp_path: Path, names: tuple[str, ...] | None, axes: tuple[str, ...], format: int
) -> None:
    array = noise((2, 3, 4, 5), "uint8")
    stored = zarr.create_array(
        tmp_path / "a", data=array, zarr_format=format, dimension_names=names if format == 3 else None
    )
    if names and format == 2:
        stored.attrs["_ARRAY_DIMENSIONS"] = names
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.axes == axes
    order = (
        tuple(range(4))
        if names is None or names[0] == "dim_3"
        else tuple(names.index(n) if n in names else names.index(n.upper()) for n in axes)
    )
    assert_array_equal(source.read(source.spec.domain), array.transpose(order))


@pytest.mark.parametrize("rank", [1, 6, 7])
def test_ranks_that_ome_lacks_are_plain_arrays(tmp_path: Path, rank: int) -> None:
    array = noise((3, 2, 1, 2, 3, 2, 2)[:rank], "int16")
    source = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of(array.shape, "int16"))
    source.write(source.spec.domain, array)
    assert_array_equal(peer(tmp_path / "a")[...], array)
    assert ability(source, SupportsLevels) is None


# Codecs


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


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


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
    file.write_text(file.read_text().replace('"zstd"', '"numcodecs.lz4"'))
    with pytest.raises(UnsupportedFormat, match=r"numcodecs\.lz4"):
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


# Creating


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"encoding": {"compression": "zstd"}}, InvalidInput, "compression"),
        ({"encoding": {"codec": "lz4"}}, UnsupportedFormat, "lz4"),
        ({"encoding": {"codec": {"name": "zstd", "speed": 1}}}, InvalidInput, "speed"),
        ({"encoding": {"format": "n5"}}, UnsupportedFormat, "n5"),
        ({"encoding": {"format": "zarr2"}, "write_chunk": (8, 8, 8)}, UnsupportedFormat, "shards"),
        ({"write_chunk": (6, 8, 8)}, UnsupportedFormat, "shards"),
        ({"axes": ("x", "y", "z")}, InvalidInput, "order"),
        ({"axes": ("angle", "y", "x"), "encoding": {"ome": True}}, UnsupportedFormat, "angle"),
        ({"dtype": np.dtype("S4")}, UnsupportedFormat, "S4"),
        ({"fill": 256}, InvalidInput, "fill 256"),
        ({"fill": 0.5}, InvalidInput, "fill 0.5"),
        ({"attributes": {"a": np.zeros(3)}}, InvalidInput, "JSON"),
    ],
)
def test_what_zarr_cannot_store_is_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of((9, 9, 9), "uint8", chunk=(4, 4, 4)).replace(**change))
    assert not list(tmp_path.iterdir())


def test_create_keeps_files_that_are_not_zarr(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")
    (tmp_path / "b").write_text("mine")
    for name in "ab":
        with pytest.raises(AlreadyExists):
            ZarrRemote().create(at(tmp_path / name), VolumeSpec.of((4, 4), "uint8"))
    (tmp_path / "empty").mkdir()
    ZarrRemote().create(at(tmp_path / "empty"), VolumeSpec.of((4, 4), "uint8"))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "empty"}


def test_shards_contain_their_chunks(tmp_path: Path) -> None:
    spec = VolumeSpec.of((32, 32, 32), "uint8", chunk=(8, 8, 8), voxel_size_nm=(1, 1, 1)).replace(write_chunk=(16,) * 3)
    source = ZarrRemote().create(at(tmp_path / "a"), spec)
    assert (source.spec.read_chunk, source.spec.write_chunk) == ((8,) * 3, (16,) * 3)
    source.write(spec.domain, noise(spec.domain.shape, "uint8"))
    assert sum(path.is_file() for path in (tmp_path / "a" / "0" / "c").rglob("*")) == 8
    level = source.create_level((2, 2, 2))  # type: ignore[attr-defined]
    assert (level.spec.read_chunk, level.spec.write_chunk) == ((8,) * 3, (16,) * 3)


def test_voxel_sizes_of_images_without_depth_are_kept(tmp_path: Path) -> None:
    spec = VolumeSpec.of((8, 8), "uint8", **PLACE)
    assert ZarrRemote().create(at(tmp_path / "a"), spec).spec.voxel_size_nm == PLACE["voxel_size_nm"]


# Opening


def test_opening_a_group_lists_its_arrays(tmp_path: Path) -> None:
    for name in ("raw", "deep/labels"):
        zarr.create_array(tmp_path / "g" / name, shape=(4,), dtype="u1")
    zarr.create_group(tmp_path / "g")
    with pytest.raises(UnsupportedFormat, match="deep/labels, raw"):
        ZarrRemote().open(at(tmp_path / "g"))
    assert [info.uri for info in ZarrRemote().list(at(tmp_path / "g"))] == [
        f"zarr://{tmp_path}/g/deep/labels",
        f"zarr://{tmp_path}/g/raw",
    ]
    assert ZarrRemote().open(at(tmp_path / "g" / "raw")).spec.axes == ("x",)


def test_folders_inside_a_zarr_become_groups(tmp_path: Path) -> None:
    path = tmp_path / "out.zarr" / "em" / "raw"
    ZarrRemote().create(at(path), VolumeSpec.of((4, 4, 4), "uint8"))
    again = zarr.open_group(tmp_path / "out.zarr", mode="r")["em/raw/0"]
    assert isinstance(again, zarr.Array)
    assert not (tmp_path / "zarr.json").exists()
    ZarrRemote().create(at(path.with_name("seg")), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(UnsupportedFormat, match="em/raw, em/seg"):
        ZarrRemote().open(at(tmp_path / "out.zarr"))


def test_a_plain_folder_of_arrays_names_them(tmp_path: Path) -> None:
    ZarrRemote().create(at(tmp_path / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(NotFound, match="em"):
        ZarrRemote().open(at(tmp_path))


def test_a_recreated_array_is_the_new_one(tmp_path: Path) -> None:
    for shape, dtype in [((4, 4, 4), "uint8"), ((5, 6), "float32")]:
        made = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of(shape, dtype))
        assert not made.read(made.spec.domain).any()
        made.write(made.spec.domain, np.ones(shape, dtype))
        again = ZarrRemote().open(at(tmp_path / "a"))
        assert again.spec == made.spec
        assert (again.read(made.spec.domain) == 1).all()
        ZarrRemote().delete(at(tmp_path / "a"))


def test_metadata_normalized_in_memory_do_not_prevent_writing(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(8, 8), chunks=(4, 4), dtype="u2", zarr_format=2, fill_value=7)
    edit(tmp_path / "a" / ".zarray", fill_value="7")
    before = (tmp_path / "a" / ".zarray").read_text()
    source = ZarrRemote().open(at(tmp_path / "a"), mode="r+")
    assert source.spec.fill == 7
    source.write(Box((0, 0), (2, 2)), np.ones((2, 2), np.uint16))
    assert array[:3, 0].tolist() == [1, 1, 7]
    assert (tmp_path / "a" / ".zarray").read_text() == before


def test_a_pyramid_is_listed_once_with_its_labels(tmp_path: Path) -> None:
    made = ZarrRemote().create(at(tmp_path / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    made.create_level((2, 2, 2))  # type: ignore[attr-defined]
    zarr.create_array(tmp_path / "em" / "labels" / "cells", shape=(4,), dtype="u1")
    zarr.create_array(tmp_path / "em" / "words", shape=(4,), dtype="S3", zarr_format=2)
    found = {info.uri.removeprefix(f"zarr://{tmp_path}/"): info.description for info in ZarrRemote().list(at(tmp_path))}
    assert sorted(found) == ["em", "em/labels/cells", "em/words"]
    assert found["em"] == "uint8 0:4,0:4,0:4"
    assert "S3" in found["em/words"]
    with pytest.raises(NotFound):
        list(ZarrRemote().list(at(tmp_path / "none")))


@pytest.mark.parametrize(("text", "error"), [("{", CorruptData), ("[]", CorruptData), ("{}", CorruptData)])
def test_broken_metadata_are_corrupt(tmp_path: Path, text: str, error: type[Exception]) -> None:
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(error, match=r"zarr\.json"):
        ZarrRemote().open(at(tmp_path))


def test_attributes_of_the_array_itself_are_not_set(tmp_path: Path) -> None:
    source = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of((4, 4), "uint8"))
    with pytest.raises(InvalidInput, match="ome"):
        source.update_attributes({"ome": {}})


def test_http_is_read_only() -> None:
    with pytest.raises(ReadOnly):
        ZarrRemote().create(at("http://127.0.0.1:9/a"), VolumeSpec.of((4, 4), "uint8"))
    with pytest.raises(ReadOnly):
        ZarrRemote().open(at("http://127.0.0.1:9/a"), mode="r+")
    with pytest.raises(ReadOnly):
        ZarrRemote().delete(at("http://127.0.0.1:9/a"))


def test_a_store_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "2")
    monkeypatch.setattr(tensorstore, "_SHARED", {})
    monkeypatch.setattr(tensorstore, "_DELAYS", {"initial_delay": "1ms"})
    with pytest.raises(StoreError, match="127"):
        ZarrRemote().open(at("http://127.0.0.1:9/a"))
