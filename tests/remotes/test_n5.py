"""N5: the contract, what tensorstore makes of what we write, compressions, refusals."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import imagecodecs
import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.config import settings
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, CorruptData, InvalidInput, NotFound, ReadOnly, UnsupportedFormat
from voxome.remotes.n5.lz4 import unpack_lz4
from voxome.remotes.n5.remote import N5Remote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

LEVELS = {"voxel_size_nm": (40.0, 5.0, 4.0), "offset_nm": (300.0, 200.0, 100.0)}


def n5(path: object) -> Uri:
    return Uri("n5", str(path))


def peer(path: Path, **spec: Any) -> ts.TensorStore:
    """The array at `path` by tensorstore alone."""
    return ts.open({"driver": "n5", "kvstore": {"driver": "file", "path": f"{path}/"}, **spec}).result()


class TestN5Contract(VolumeRemoteContract):
    fills = (0,)
    seeded_fields = frozenset({"voxel_size_nm", "offset_nm"})
    levels = True

    @pytest.fixture
    def remote(self) -> N5Remote:
        return N5Remote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: n5(tmp_path / "box.n5" / uuid4().hex)

    def parent_uri(self, uri: Uri) -> Uri:
        return n5(Path(uri.path).parent)

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        metadata: dict[str, Any] = {
            "dimensions": array.shape[::-1],
            "blockSize": (spec.read_chunk or array.shape)[::-1],
            "dataType": spec.dtype.name,
            "compression": {"type": "gzip"},
            "voxome": {"axes": spec.axes, "start": spec.domain.start},
        }
        if spec.voxel_size_nm is not None:
            metadata["voxome"] |= {"voxel_size_nm": spec.voxel_size_nm, "offset_nm": spec.offset_nm}
        peer(Path(uri.path), metadata=metadata, create=True).write(array.T).result()

    def inspect(self, uri: Uri) -> NDArray[Any]:
        path = Path(uri.path)
        return np.asarray(peer(path / "s0" if (path / "s0").is_dir() else path).read().result()).T


@pytest.mark.parametrize("codec", ["raw", "gzip", "bzip2", "xz", "zstd", "blosc"])
def test_tensorstore_reads_each_compression_we_write(tmp_path: Path, codec: str) -> None:
    array = noise((9, 20, 13), "uint16")
    spec = VolumeSpec.of(array.shape, "uint16", chunk=(4, 8, 8), encoding={"codec": codec, "pyramid": False})
    source = N5Remote().create(n5(tmp_path / "a"), spec)
    source.write(spec.domain, array)
    assert_array_equal(np.asarray(peer(tmp_path / "a").read().result()).T, array)
    assert source.spec.encoding is not None
    assert source.spec.encoding["codec"]["name"] == codec


def test_options_of_a_compression_are_written(tmp_path: Path) -> None:
    spec = VolumeSpec.of((8, 8, 8), "uint8", encoding={"codec": {"name": "gzip", "level": 9}})
    N5Remote().create(n5(tmp_path / "a"), spec)
    stored = json.loads((tmp_path / "a" / "s0" / "attributes.json").read_text())
    assert stored["compression"]["level"] == 9


def test_other_readers_find_the_voxel_size(tmp_path: Path) -> None:
    source = N5Remote().create(n5(tmp_path / "c.n5" / "em"), VolumeSpec.of((8, 16, 32), "uint8", **LEVELS))
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((1, 2, 2))
    s1 = json.loads((tmp_path / "c.n5" / "em" / "s1" / "attributes.json").read_text())
    assert s1["pixelResolution"] == {"unit": "nm", "dimensions": [4, 5, 40]}
    assert s1["downsamplingFactors"] == [2, 2, 1]
    transform = {"axes": ["z", "y", "x"], "scale": [40, 10, 8], "translate": [300, 202.5, 102], "units": ["nm"] * 3}
    assert s1["transform"] == transform
    group = json.loads((tmp_path / "c.n5" / "em" / "attributes.json").read_text())
    assert [one["path"] for one in group["multiscales"][0]["datasets"]] == ["s0", "s1"]
    assert group["multiscales"][0]["datasets"][1]["transform"] == transform
    assert group["scales"] == [[1, 1, 1], [2, 2, 1]]
    assert "n5" in json.loads((tmp_path / "c.n5" / "attributes.json").read_text())


def test_every_flavour_gives_the_same_position(tmp_path: Path) -> None:
    created = N5Remote().create(n5(tmp_path / "em"), VolumeSpec.of((8, 16, 32), "uint8", start=(0, 3, -5), **LEVELS))
    pyramid = ability(created, SupportsLevels)
    assert pyramid is not None
    for path in ("s0", "s1"):
        if path == "s1":
            pyramid.create_level((2, 2, 2))
        file = tmp_path / "em" / path / "attributes.json"
        ours = N5Remote().open(n5(tmp_path / "em" / path)).spec
        stored = json.loads(file.read_text())
        file.write_text(json.dumps({key: value for key, value in stored.items() if key != "voxome"}))
        theirs = N5Remote().open(n5(tmp_path / "em" / path)).spec
        assert theirs.voxel_size_nm == ours.voxel_size_nm
        assert ours.voxel_size_nm is not None
        first = zip(ours.offset_nm, ours.domain.start, ours.voxel_size_nm, strict=True)
        assert theirs.offset_nm == pytest.approx([o + a * s for o, a, s in first])
        file.write_text(json.dumps(stored))


def test_only_the_root_has_the_version(tmp_path: Path) -> None:
    N5Remote().create(n5(tmp_path / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    N5Remote().create(n5(tmp_path / "b.n5" / "x" / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    N5Remote().create(n5(tmp_path / "line"), VolumeSpec.of((4,), "uint8"))
    files = [file for file in tmp_path.rglob("attributes.json") if "n5" in json.loads(file.read_text())]
    assert {str(file.parent.relative_to(tmp_path)) for file in files} == {"em", "b.n5", "line"}


def test_levels_must_get_coarser(tmp_path: Path) -> None:
    source = N5Remote().create(n5(tmp_path / "em"), VolumeSpec.of((8, 8, 8), "uint8"))
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((2, 2, 2))
    for scale in [(2, 2, 2), (1, 4, 4), (1, 1, 1)]:
        with pytest.raises(InvalidInput, match="coarser"):
            pyramid.create_level(scale)
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 2, 2)]
    with pytest.raises(NotFound, match="levels are 0 to 1"):
        pyramid.level(2)


def test_channels_come_first(tmp_path: Path) -> None:
    array = noise((2, 5, 6, 7), "uint8")
    spec = VolumeSpec.of(array.shape, "uint8", **LEVELS)
    source = N5Remote().create(n5(tmp_path / "a"), spec)
    source.write(spec.domain, array)
    again = N5Remote().open(n5(tmp_path / "a"))
    assert again.spec.axes == ("c", "z", "y", "x")
    assert again.spec.voxel_size_nm == LEVELS["voxel_size_nm"]
    assert_array_equal(again.read(spec.domain), array)


def test_levels_are_added_to_arrays_of_java(tmp_path: Path) -> None:
    created = N5Remote().create(n5(tmp_path / "em"), VolumeSpec.of((8, 8, 8), "uint16", encoding={"codec": "blosc"}))
    array = noise((8, 8, 8), "uint16")
    created.write(created.spec.domain, array)
    stored = json.loads((tmp_path / "em" / "s0" / "attributes.json").read_text())
    edit(tmp_path / "em" / "s0", compression={**stored["compression"], "nthreads": 1, "typesize": 2})
    source = N5Remote().open(n5(tmp_path / "em"), mode="r+")
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    level = pyramid.create_level((2, 2, 2))
    level.write(level.spec.domain, array[::2, ::2, ::2])
    assert_array_equal(np.asarray(peer(tmp_path / "em" / "s1").read().result()).T, array[::2, ::2, ::2])
    assert_array_equal(source.read(source.spec.domain), array)


def lz4_stream(data: bytes, part: int) -> bytes:
    """What lz4-java's LZ4BlockOutputStream writes, by its documentation; every other part is stored as it is."""
    parts = [data[i : i + part] for i in range(0, len(data), part)]
    stream = b""
    for number, plain in enumerate(parts):
        packed = plain if number % 2 else imagecodecs.lz4_encode(plain)
        stream += struct.pack("<8sBiiI", b"LZ4Block", 0x16 if number % 2 else 0x26, len(packed), len(plain), 0) + packed
    return stream + struct.pack("<8sBiiI", b"LZ4Block", 0x16, 0, 0, 0)


def test_lz4_streams_with_many_parts() -> None:
    data = noise((1000,), "uint8").tobytes() + bytes(3000)
    assert unpack_lz4(lz4_stream(data, 512), len(data)) == data
    with pytest.raises(ValueError, match="LZ4Block"):
        unpack_lz4(lz4_stream(data, 512)[:700], len(data))


def write_lz4(path: Path, array: NDArray[Any], block: int) -> None:
    attributes = {"dataType": array.dtype.name, "compression": {"type": "lz4", "blockSize": 64}}
    path.mkdir()
    (path / "attributes.json").write_text(
        json.dumps({**attributes, "blockSize": [block] * 3, "dimensions": array.shape[::-1]})
    )
    for index in np.ndindex(*(-(-n // block) for n in array.shape)):
        part = array[tuple(slice(i * block, (i + 1) * block) for i in index)]
        head = struct.pack(">HHIII", 0, 3, *part.shape[::-1])
        file = path / "/".join(str(i) for i in reversed(index))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(head + lz4_stream(part.astype(array.dtype.newbyteorder(">")).tobytes(), 64))


def test_lz4_blocks_are_read_and_not_written(tmp_path: Path) -> None:
    array = noise((9, 20, 13), "int32")
    write_lz4(tmp_path / "a", array, 8)
    source = N5Remote().open(n5(tmp_path / "a"))
    assert_array_equal(source.read(source.spec.domain), array)
    (tmp_path / "a" / "0" / "0" / "0").unlink()
    assert not source.read(source.spec.domain)[:8, :8, :8].any()
    with pytest.raises(UnsupportedFormat, match="lz4"):
        N5Remote().open(n5(tmp_path / "a"), mode="r+")


def test_other_lz4_blocks_are_named(tmp_path: Path) -> None:
    write_lz4(tmp_path / "a", noise((8, 8, 8), "uint8"), 8)
    block = tmp_path / "a" / "0" / "0" / "0"
    block.write_bytes(block.read_bytes()[:16] + imagecodecs.lz4_encode(bytes(512)))
    source = N5Remote().open(n5(tmp_path / "a"))
    with pytest.raises(UnsupportedFormat, match="LZ4Block"):
        source.read(source.spec.domain)


@pytest.mark.slow
def test_volumes_are_read_over_http(serve: Callable[[Path], str], tmp_path: Path) -> None:
    array = noise((9, 20, 13), "int32")
    write_lz4(tmp_path / "packed", array, 8)
    spec = VolumeSpec.of(array.shape, "int32", chunk=(8, 8, 8), **LEVELS)
    created = N5Remote().create(n5(tmp_path / "em"), spec)
    created.write(spec.domain, array)
    pyramid = ability(created, SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((1, 2, 2))
    address = serve(tmp_path)
    for name in ("packed", "em", "em/s0"):
        assert_array_equal(N5Remote().open(n5(f"{address}/{name}")).read(spec.domain), array)
    again = ability(N5Remote().open(n5(f"{address}/em")), SupportsLevels)
    assert again is not None
    assert [level.scale for level in again.levels] == [(1, 1, 1), (1, 2, 2)]
    with pytest.raises(NotFound):
        N5Remote().open(n5(f"{address}/none"))


@pytest.mark.parametrize("codec", ["lz4", "gzip"])
def test_a_truncated_block_is_corrupt(tmp_path: Path, codec: str) -> None:
    array = noise((8, 8, 8), "uint8")
    path = tmp_path / "a"
    if codec == "lz4":
        write_lz4(path, array, 8)
    else:
        N5Remote().create(n5(path), VolumeSpec.of(array.shape, "uint8", encoding={"pyramid": False})).write(
            VolumeSpec.of(array.shape, "uint8").domain, array
        )
    block = path / "0" / "0" / "0"
    block.write_bytes(block.read_bytes()[:-60])
    source = N5Remote().open(n5(path))
    with pytest.raises(CorruptData, match="a"):
        source.read(source.spec.domain)


def edit(path: Path, **changes: Any) -> None:
    file = path / "attributes.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compression": {"type": "jpeg"}}, "'jpeg'"),
        ({"compression": None}, "None"),
        ({"dataType": "string"}, "'string'"),
        ({"isLabelMultiset": True}, "label multisets"),
        ({"blockSize": [1]}, r"blockSize is \[1\]; expected 3 whole numbers of at least 1"),
        ({"blockSize": [1, 1, 0]}, r"blockSize is \[1, 1, 0\]; expected 3 whole numbers"),
        ({"dimensions": [4, 4, -1]}, r"dimensions is \[4, 4, -1\]; expected whole numbers of at least 0"),
        ({"dimensions": []}, "dimensions are empty"),
        ({"dataType": "boolean"}, "type 'boolean'; voxome reads uint8"),
        ({"dataType": "UINT16"}, "type 'UINT16'; voxome reads uint8"),
        ({"compression": 5}, "compression is 5; expected an object"),
        ({"voxome": 5}, "voxome is 5; expected an object"),
        ({"voxome": {"axes": ["z"]}}, "are named for 3 dimensions"),
        ({"voxome": {}, "transform": 5}, "transform is 5; expected an object"),
        ({"voxome": {}, "pixelResolution": 5}, "pixelResolution is 5; expected a list"),
        ({"voxome": {}, "pixelResolution": {"unit": "nm"}}, "dimensions of pixelResolution is None"),
        ({"voxome": {}, "transform": {"axes": ["z"], "scale": [1]}}, "names the axes"),
    ],
)
def test_unsupported_arrays_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    spec = VolumeSpec.of((4, 4, 4), "uint8", encoding={"pyramid": False})
    N5Remote().create(n5(tmp_path / "a"), spec)
    edit(tmp_path / "a", **changes)
    with pytest.raises(UnsupportedFormat, match=message):
        N5Remote().open(n5(tmp_path / "a"))


@pytest.mark.parametrize("changes", [{"blockSize": [1]}, {"dataType": None}, {"dimensions": [4, -4, 4]}], ids=str)
def test_a_listing_has_the_reason_why_an_array_cannot_be_opened(tmp_path: Path, changes: dict[str, Any]) -> None:
    N5Remote().create(n5(tmp_path / "a"), VolumeSpec.of((4, 4, 4), "uint8", encoding={"pyramid": False}))
    edit(tmp_path / "a", **changes)
    (listed,) = N5Remote().list(n5(tmp_path / "a"))
    (value,) = changes.values()
    assert listed.description.startswith("cannot be opened: ")
    assert repr(value) in listed.description


@pytest.mark.parametrize("factors", ["two", 2, [None, 1, 1], {"x": 2}, [[2, 2, 1]]])
def test_malformed_factors_of_another_program_leave_our_arrays_as_they_are(tmp_path: Path, factors: object) -> None:
    created = N5Remote().create(n5(tmp_path / "a"), VolumeSpec.of((4, 4, 4), "uint8", **LEVELS))
    edit(tmp_path / "a" / "s0", downsamplingFactors=factors)
    for path in (tmp_path / "a", tmp_path / "a" / "s0"):
        spec = N5Remote().open(n5(path)).spec
        assert (spec.voxel_size_nm, spec.offset_nm) == (created.spec.voxel_size_nm, created.spec.offset_nm)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (VolumeSpec.of((4, 4, 4), "bool"), UnsupportedFormat, "bool"),
        (VolumeSpec.of((4, 4, 4), "float16"), UnsupportedFormat, "float16"),
        (VolumeSpec.of((4, 4, 4), "uint8", fill=3), UnsupportedFormat, "fill of 3"),
        (VolumeSpec.of((4, 4, 4), "uint8", encoding={"codec": "lz4"}), UnsupportedFormat, "lz4"),
        (VolumeSpec.of((4, 4, 4), "uint8", encoding={"codex": "gzip"}), InvalidInput, "codex"),
        (VolumeSpec.of((4, 4, 4), "uint8", encoding={"codec": {"name": "gzip", "levl": 1}}), InvalidInput, "levl"),
    ],
)
def test_specs_that_n5_cannot_store_are_refused(
    tmp_path: Path, spec: VolumeSpec, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        N5Remote().create(n5(tmp_path / "a"), spec)
    assert not (tmp_path / "a").exists()


def test_attributes_of_the_array_itself_are_not_set(tmp_path: Path) -> None:
    source = N5Remote().create(n5(tmp_path / "a"), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(InvalidInput, match="dimensions"):
        source.update_attributes({"dimensions": [1, 1, 1]})


def test_opening_a_group_lists_its_volumes(tmp_path: Path) -> None:
    N5Remote().create(n5(tmp_path / "c.n5" / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(NotFound, match="em"):
        N5Remote().open(n5(tmp_path / "c.n5"))
    with pytest.raises(AlreadyExists):
        N5Remote().create(n5(tmp_path / "c.n5"), VolumeSpec.of((4, 4, 4), "uint8"))


def test_arrays_in_the_group_of_a_pyramid_are_listed(tmp_path: Path) -> None:
    spec = VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(4, 4, 4))
    N5Remote().create(n5(tmp_path / "em"), spec).create_level((2, 2, 2))  # type: ignore[attr-defined]
    for name in ("labels/cells", "mask"):
        N5Remote().create(n5(tmp_path / "em" / name), spec)
    found = [info.uri.removeprefix(f"n5://{tmp_path}/") for info in N5Remote().list(n5(tmp_path))]
    assert found == ["em", "em/labels/cells", "em/mask"]


def test_other_stores_are_named() -> None:
    with pytest.raises(UnsupportedFormat, match="ftp://"):
        N5Remote().open(n5("ftp://host/a.n5"))
    with pytest.raises(ReadOnly, match="http"):
        N5Remote().create(n5("http://127.0.0.1:9/a"), VolumeSpec.of((4, 4, 4), "uint8"))


def test_a_folder_in_the_place_of_a_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_adopted", [])
    spec = VolumeSpec.of((4, 4, 4), "uint8", chunk=(2, 2, 2))
    N5Remote().create(n5(tmp_path / "a"), spec).write(spec.domain, noise((4, 4, 4), "uint8"))
    block = tmp_path / "a/s0/0/0/1"
    block.unlink()
    block.mkdir()
    with pytest.raises(CorruptData, match=f"{block} is a folder in the place of a chunk.*blockSize"):
        N5Remote().open(n5(tmp_path / "a"))
