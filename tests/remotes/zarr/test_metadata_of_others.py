"""Metadata that other libraries write, and that tensorstore alone does not take."""

from __future__ import annotations

import copy
import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from archives import unpack
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.zarr.stores import at, edit

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote

COUNTING = np.arange(24, dtype="uint8").reshape(2, 3, 4)
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
SHARDING: dict[str, Any] = {
    "name": "sharding_indexed",
    "must_understand": True,
    "configuration": {"chunk_shape": [2, 3, 2], "codecs": ["bytes"], "index_codecs": [LITTLE, "crc32c"]},
}


def counting(path: Path, **changes: Any) -> Path:
    """Write 0 to 23 in one chunk without compression, and change the metadata."""
    zarr.create_array(path, data=COUNTING, chunks=COUNTING.shape, compressors=None)
    edit(path / "zarr.json", **changes)
    return path


def read(path: Path) -> NDArray[Any]:
    source = ZarrRemote().open(at(path))
    return source.read(source.spec.domain)


@pytest.mark.parametrize(
    "changes",
    [
        {"codecs": ["bytes"]},
        {"codecs": [{"name": "bytes", "configuration": {}}]},
        {"codecs": [{"name": "bytes", "configuration": None}]},
        {"codecs": [{"name": "bytes", "must_understand": True}]},
        {"codecs": [{"name": "bytes", "must_understand": False}]},
        {"chunk_key_encoding": "default"},
        {"chunk_key_encoding": {"name": "default", "must_understand": True}},
        {"data_type": {"name": "uint8"}},
        {"dimension_names": None},
        {"dimension_names": [None, None, None]},
        {"storage_transformers": []},
        {"consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}}},
        {"attributes": {"mean": float("nan"), "range": [float("-inf"), float("inf")]}},
        {"extension": {"name": "x", "must_understand": False}},
    ],
    ids=str,
)
def test_each_spelling_that_the_specification_allows_is_read(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert_array_equal(read(counting(tmp_path / "a", **changes)), COUNTING)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codecs": ["bytes", "quantum"]}, "quantum"),
        ({"codecs": ["bytes", {"name": "quantum", "must_understand": False}]}, "quantum"),
        ({"chunk_key_encoding": "fanout"}, "chunk key encoding 'fanout'"),
        ({"chunk_grid": {"name": "rectangular", "configuration": {}}}, "chunk grid 'rectangular'"),
        ({"data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s"}}}, r"numpy\.datetime64"),
        ({"data_type": "string"}, "string"),
        ({"data_type": "r24"}, "r24"),
        ({"storage_transformers": ["reversed"]}, "storage transformer reversed"),
        ({"extension": {"name": "x"}}, "'extension'"),
        ({"extension": 1}, "'extension'"),
    ],
)
def test_extensions_that_are_not_read_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedFormat, match=message):
        ZarrRemote().open(at(counting(tmp_path / "a", **changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"codecs": [{"configuration": {}}]},
        {"codecs": [7]},
        {"codecs": None},
        {"codecs": []},
        {"chunk_grid": None},
        {"chunk_grid": {"name": "regular"}},
        {"chunk_key_encoding": {"name": 1}},
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "-"}}},
        {"data_type": None},
        {"data_type": ["uint8"]},
        {"shape": None},
        {"shape": "2"},
        {"storage_transformers": [7]},
    ],
    ids=str,
)
def test_metadata_that_do_not_follow_the_specification_are_an_error_of_the_data(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises((CorruptData, UnsupportedFormat), match="a"):
        ZarrRemote().open(at(counting(tmp_path / "a", **changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": []}, "is a single value; expected an array of at least one axis"),
        ({"shape": [2, 3, -4]}, r"shape is \[2, 3, -4\]; expected whole numbers of at least 0"),
        ({"shape": 24}, "shape is 24; expected whole numbers"),
        ({"data_type": 5}, "data_type is 5; expected a name"),
        ({"codecs": 5}, "codecs is 5; expected a list"),
        ({"codecs": [7]}, "a codec is 7; expected a name"),
        ({"chunk_key_encoding": 5}, "chunk_key_encoding is 5; expected a name"),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}}},
            r"chunk_shape is \[2, 3\]; expected 3 whole numbers of at least 1",
        ),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3, 0]}}},
            r"chunk_shape is \[2, 3, 0\]; expected 3 whole numbers of at least 1",
        ),
        ({"dimension_names": ["z", "y"]}, r"dimension_names is \['z', 'y'\]; expected a name .* for each of 3 axes"),
        ({"dimension_names": ["z", 4, "x"]}, "dimension_names is"),
        ({"dimension_names": ["z", "z", "x"]}, "several axes named z"),
        ({"attributes": {"voxome": {"voxel_size_nm": [4, 4, -4]}}}, r"'voxome' .*voxel_size_nm is \[4, 4, -4\]"),
        ({"attributes": {"voxome": {"start": [4]}}}, r"'voxome' .*start is \[4\]; expected 3"),
        ({"attributes": {"voxome": {"kind": "x"}}}, "'voxome' .*'x'"),
    ],
    ids=str,
)
def test_the_array_and_the_wrong_member_of_it_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((CorruptData, UnsupportedFormat), match=f"{tmp_path}/a: .*{message}"):
        ZarrRemote().open(at(counting(tmp_path / "a", **changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": []}, "is a single value"),
        ({"chunks": [2, 3]}, r"chunks is \[2, 3\]; expected 3 whole numbers of at least 1"),
        ({"order": "K"}, "order is 'K'; expected 'C' or 'F'"),
        ({"compressor": 7}, "compressor is 7; expected an object"),
        ({"filters": [7]}, "a filter is 7; expected an object"),
        ({"dimension_separator": "-"}, "dimension_separator is '-'"),
    ],
    ids=str,
)
def test_the_wrong_member_of_version_2_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    zarr.create_array(tmp_path / "a", data=COUNTING, zarr_format=2)
    edit(tmp_path / "a" / ".zarray", **changes)
    with pytest.raises((CorruptData, UnsupportedFormat), match=f"{tmp_path}/a: .*{message}"):
        ZarrRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize("version", [2, 3])
def test_complex_numbers_are_refused(tmp_path: Path, version: Literal[2, 3]) -> None:
    zarr.create_array(tmp_path / "a", data=COUNTING * np.complex64(1j), chunks=(1, 3, 4), zarr_format=version)
    with pytest.raises(UnsupportedFormat, match=r"/a.*complex64|/a.*<c8"):
        ZarrRemote().open(at(tmp_path / "a"))


def _members(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each member of a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*path, key)
        yield from _members(one, (*path, key))


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a JSON value with another member."""
    changed = copy.deepcopy(document)
    last = changed
    for key in path[:-1]:
        last = last[key]
    last[path[-1]] = value
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [{"format": "zarr2"}, {"format": "zarr3"}, {"ome": False, "shard": (4, 4, 4)}])
def test_a_wrong_member_is_never_a_fault_of_voxome(tmp_path: Path, encoding: dict[str, Any]) -> None:
    spec = VolumeSpec.of((4, 4, 4), "uint16", chunk=(2, 2, 2), voxel_size_nm=(4, 4, 4), encoding=encoding)
    ZarrRemote().create(at(tmp_path / "a"), spec)
    for file in (one for one in (tmp_path / "a").rglob("*") if one.is_file()):
        whole = json.loads(file.read_text())
        for path in _members(whole):
            for value in (None, "x", 7, [], {}, 1.5, True, ["a"], {"name": "x"}):
                file.write_text(json.dumps(_with(whole, path, value)))
                with suppress(VoxomeError):
                    voxome.open(f"zarr://{tmp_path}/a")
        file.write_text(json.dumps(whole))


@pytest.mark.parametrize("format", [2, 3])
def test_no_member_has_a_default(tmp_path: Path, format: int) -> None:
    path = tmp_path / "a"
    array = COUNTING.astype("uint16")
    options: dict[str, Any] = {"shards": (2, 6, 4)} if format == 3 else {}
    zarr.create_array(path, data=array, chunks=(2, 3, 4), zarr_format=format, **options)
    file = path / (".zarray" if format == 2 else "zarr.json")
    whole = json.loads(file.read_text())
    optional = {"zarr_format", "node_type", "attributes", "storage_transformers", "filters"}
    optional |= {"fill_value", "dimension_separator"} if format == 2 else {"dimension_names"}
    for name in set(whole) - optional:
        file.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(CorruptData, match=f"{name!r} is missing"):
            ZarrRemote().open(at(path))
    for name in ("chunk_shape", "codecs", "index_codecs") if format == 3 else ():
        sharding = {key: value for key, value in whole["codecs"][0]["configuration"].items() if key != name}
        edit(file, **{**whole, "codecs": [{"name": "sharding_indexed", "configuration": sharding}]})
        with pytest.raises(CorruptData, match=f"{name!r} is missing"):
            ZarrRemote().open(at(path))


@pytest.mark.parametrize(
    ("codecs", "message"),
    [
        (["bytes"], "bytes has no endian"),
        ([{**SHARDING, "configuration": {**SHARDING["configuration"], "codecs": ["bytes"]}}], "bytes has no endian"),
        (["crc32c"], "makes bytes of arrays"),
        ([LITTLE, "transpose"], "'order' is missing"),
        ([], "makes bytes of arrays"),
    ],
)
def test_codecs_have_no_defaults(tmp_path: Path, codecs: list[Any], message: str) -> None:
    zarr.create_array(tmp_path / "a", data=COUNTING.astype("uint16"), compressors=None)
    edit(tmp_path / "a" / "zarr.json", codecs=codecs)
    with pytest.raises(CorruptData, match=message):
        ZarrRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize("changes", [{"dtype": None}, {"dtype": 5}, {"compressor": "zlib"}, {"filters": [7]}], ids=str)
def test_broken_metadata_of_version_2_are_an_error_of_the_data(tmp_path: Path, changes: dict[str, Any]) -> None:
    zarr.create_array(tmp_path / "a", data=COUNTING, zarr_format=2)
    edit(tmp_path / "a" / ".zarray", **changes)
    with pytest.raises((CorruptData, UnsupportedFormat), match="a"):
        ZarrRemote().open(at(tmp_path / "a"))


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    path = counting(tmp_path / "a")
    document = json.loads((path / "zarr.json").read_text())
    del document["fill_value"]
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(CorruptData, match="'fill_value' is missing"):
        ZarrRemote().open(at(path))


@pytest.mark.parametrize(
    ("separator", "encoding"), [(".", "v2"), ("/", {"name": "v2", "configuration": {"separator": "/"}})]
)
def test_chunks_named_as_in_version_2_are_found(tmp_path: Path, separator: str, encoding: Any) -> None:
    path = counting(tmp_path / "a", chunk_key_encoding=encoding)
    name = path / separator.join("000")
    name.parent.mkdir(parents=True, exist_ok=True)
    (path / "c" / "0" / "0" / "0").rename(name)
    shutil.rmtree(path / "c")
    assert_array_equal(read(path), COUNTING)


def test_codecs_as_plain_strings_are_read_and_written(tmp_path: Path) -> None:
    written = ZarrRemote().create(
        at(tmp_path / "a"),
        VolumeSpec.of((2, 3, 4), "uint8", chunk=(2, 3, 2), encoding={"ome": False, "codec": ["bytes", "crc32c"]}),
    )
    written.write(written.spec.domain, COUNTING)
    edit(tmp_path / "a" / "zarr.json", codecs=["bytes", "crc32c"])
    assert_array_equal(read(tmp_path / "a"), COUNTING)
    again = ZarrRemote().open(at(tmp_path / "a"), mode="r+")
    again.write(Box((0, 0, 0), (1, 1, 1)), np.full((1, 1, 1), 9, "uint8"))
    assert read(tmp_path / "a")[0, 0, 0] == 9


def test_plain_strings_inside_shards_are_read(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=COUNTING, chunks=(2, 3, 2), shards=(2, 3, 4), compressors=None)
    edit(tmp_path / "a" / "zarr.json", codecs=[SHARDING])
    assert_array_equal(read(tmp_path / "a"), COUNTING)


def test_one_byte_types_are_written_with_their_endian(tmp_path: Path) -> None:
    for dtype in ("uint8", "bool", "int8"):
        spec = VolumeSpec.of((2, 3, 4), dtype, encoding={"ome": False})
        ZarrRemote().create(at(tmp_path / dtype), spec)
        codecs = json.loads((tmp_path / dtype / "zarr.json").read_text())["codecs"]
        assert codecs[0] == {"name": "bytes", "configuration": {"endian": "little"}}


@pytest.fixture(scope="module")
def foreign(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Rust wrote, and variants made by hand."""
    archive = shared / "cases" / "foreign.tar.xz"
    if not archive.exists():
        pytest.skip(f"needs {archive}")
    return unpack(archive, tmp_path_factory.mktemp("foreign")) / "foreign"


@pytest.mark.parametrize(
    "name",
    [
        *("handmade/bytes_empty_conf", "handmade/codec_must_understand", "handmade/consolidated", "handmade/dims_null"),
        *("handmade/dtype_object", "handmade/extra_must_understand_false", "handmade/storage_transformers_empty"),
        *("zarrs_shorthand/builder_crc32c", "zarrs_shorthand/bytes_u8", "zarrs_shorthand/key_default"),
        "zarrs_touched_voxome_uint8.zarr",
    ],
)
def test_volumes_of_rust_count_from_0_to_23(foreign: Path, name: str) -> None:
    assert_array_equal(read(foreign / name), COUNTING)


def test_what_rust_touched_keeps_its_voxel_size(foreign: Path) -> None:
    assert ZarrRemote().open(at(foreign / "zarrs_touched_voxome_uint8.zarr")).spec.voxel_size_nm == (40, 5, 4)


def test_chunks_that_rust_names_as_in_version_2_are_read(foreign: Path) -> None:
    array = read(foreign / "zarrs_other" / "k_v2none_uint16")
    assert (array.shape, array.dtype) == ((11, 17, 23), np.uint16)
    assert zlib.crc32(array.tobytes()) == 0x6CAE1437


def test_a_hexadecimal_nan_of_rust_fills(foreign: Path) -> None:
    array = read(foreign / "zarrs_other" / "hex_zlib")
    written = np.zeros(array.shape, bool)
    written[1:8, 2:10, 3:12] = True
    assert_array_equal(~np.isnan(array), written)


def test_a_codec_of_whole_shards_of_rust_is_named(foreign: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="s_outer_gz_uint16: the codec gzip after sharding_indexed"):
        read(foreign / "zarrs_other" / "s_outer_gz_uint16")


@pytest.mark.parametrize("after", ["crc32c", {"name": "zstd", "configuration": {"level": 1}}, "numcodecs.lz4"])
def test_codecs_of_whole_shards_are_named(tmp_path: Path, after: Any) -> None:
    name = after if isinstance(after, str) else after["name"]
    with pytest.raises(UnsupportedFormat, match=f"the codec {name} after sharding_indexed"):
        ZarrRemote().open(at(counting(tmp_path / "a", codecs=[SHARDING, after])))
    inner = {**SHARDING, "configuration": {**SHARDING["configuration"], "codecs": [SHARDING, after]}}
    with pytest.raises(UnsupportedFormat, match=f"the codec {name} after sharding_indexed"):
        ZarrRemote().open(at(counting(tmp_path / "b", codecs=[inner])))


def test_an_unknown_member_of_rust_is_named(foreign: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="'foo'"):
        read(foreign / "handmade" / "unknown_key")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("shape", "chunk", "message"),
    [
        ([2**62, 8, 7], [4, 4, 4], "shape is .*expected at most 4,611,686,018,427,387,902 voxels along an axis"),
        ([2**63, 8, 7], [4, 4, 4], "shape is .*expected at most 4,611,686,018,427,387,902 voxels along an axis"),
        ([9, 8, 7], [2**62, 1, 1], "chunk.* is .*expected at most 576,460,752,303,423,488 voxels"),
        ([9, 8, 7], [2**31] * 3, "chunk.* is .*expected at most 576,460,752,303,423,488 voxels"),
    ],
)
def test_shapes_and_chunks_beyond_63_bits_are_named(
    tmp_path: Path, version: Literal[2, 3], shape: list[int], chunk: list[int], message: str
) -> None:
    encoding = {"format": f"zarr{version}", "ome": False}
    voxome.create(f"zarr://{tmp_path}/a", VolumeSpec.of((9, 8, 7), "uint8", encoding=encoding))
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    changes: dict[str, Any] = {"chunks": chunk} if version == 2 else {"chunk_grid": grid}
    edit(tmp_path / "a" / {2: ".zarray", 3: "zarr.json"}[version], shape=shape, **changes)
    with pytest.raises(CorruptData, match=message):
        voxome.open(f"zarr://{tmp_path}/a")
