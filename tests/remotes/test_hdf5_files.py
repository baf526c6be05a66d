"""HDF5 files of other programs: links, views, filters, attributes, BigDataViewer and Imaris."""

from __future__ import annotations

import ctypes
import json
import os
import re
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, InvalidInput, NotFound, UnsupportedFormat, VoxomeError
from voxome.remotes.hdf5 import Hdf5Remote
from voxome.testing.strategies import noise

ARRAY = np.arange(24, dtype="uint16").reshape(2, 3, 4) + 1


def paths_in(file: Path, type: str = "volume") -> list[str]:
    return [info.uri.removeprefix(f"hdf5://{file}/") for info in voxome.ls(file) if info.type == type]


# Links


def test_soft_external_and_hard_links_are_listed_and_opened(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "source.h5", "w") as h5:
        h5["path/to/data"] = ARRAY
    file = tmp_path / "links.h5"
    with h5py.File(file, "w") as h5:
        h5["raw"] = h5py.ExternalLink("source.h5", "/path/to/data")
        h5["views/raw"] = h5py.SoftLink("/raw")
        h5["views/broken"] = h5py.SoftLink("/nothing")
        h5["views/lost"] = h5py.ExternalLink("lost.h5", "/x")
    assert paths_in(file) == ["raw", "views/raw"]
    assert paths_in(file, "broken link") == ["views/broken", "views/lost"]
    for name in ("broken", "lost", "lost/below"):
        with pytest.raises(NotFound, match=rf"views/{name} in {file} is a link to .*(does not exist|cannot be opened)"):
            voxome.open(f"{file}/views/{name}")
    for name in ("raw", "views/raw", ""):
        assert_array_equal(voxome.open(file / name)[...], ARRAY)
    with pytest.raises(NotFound, match=r"no rwa; it has raw \(uint16"):
        voxome.open(file / "rwa")
    with h5py.File(file, "a") as h5:
        h5["own"] = ARRAY
        h5["again"] = h5["own"]
    assert paths_in(file) == ["again", "own", "raw", "views/raw"]


@pytest.mark.parametrize("path", ["out", "out/secret", "soft/secret", "out/new/data", "./deep/up/secret"])
def test_nothing_is_created_or_removed_through_external_links(path: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as h5:
        h5["g/secret"] = ARRAY
    with h5py.File(tmp_path / "links.h5", "w") as h5:
        h5["out"] = h5py.ExternalLink("other.h5", "/g")
        h5["soft"] = h5py.SoftLink("/out")
        h5["deep/up"] = h5py.SoftLink("/soft")
    remote, uri = Hdf5Remote(), Uri("hdf5", f"{tmp_path}/links.h5/{path}")
    with pytest.raises(AccessDenied, match=r"/out in \S*links.h5 is a link to /g in other.h5; name that file"):
        remote.create(uri, voxome.VolumeSpec.of((2, 2, 2), "uint8"))
    with pytest.raises(AccessDenied, match="name that file"):
        remote.delete(uri)
    assert paths_in(tmp_path / "other.h5") == ["g/secret"]
    assert sorted(h5py.File(tmp_path / "links.h5")) == ["deep", "out", "soft"]


def test_links_to_other_folders_are_listed_as_links_only(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    file = tmp_path / "own/links.h5"
    with h5py.File(tmp_path / "other/v.h5", "w") as h5:
        h5["g/secret"] = ARRAY
    with h5py.File(tmp_path / "own/beside.h5", "w") as h5:
        h5["out"] = h5py.ExternalLink("../other/v.h5", "/g")
        h5["data"] = ARRAY
    with h5py.File(file, "w") as h5:
        h5["out"] = h5py.ExternalLink(str(tmp_path / "other/v.h5"), "/g")
        h5["soft"] = h5py.SoftLink("/out/secret")
        h5["beside"] = h5py.ExternalLink("beside.h5", "/")
        h5["by"] = h5py.SoftLink("/beside/out")
    assert paths_in(file) == ["beside/data"]
    listed = {info.uri.removeprefix(f"hdf5://{file}/"): info.description for info in voxome.ls(file)}
    assert set(listed) == {"beside/data", "beside/out", "by", "out", "soft"}
    assert all("add ?external=true" in listed[name] for name in ("beside/out", "by", "out", "soft"))
    with pytest.raises(AccessDenied, match="in another folder"):
        voxome.ls(file / "out")
    assert "out/secret?external=true" in [
        info.uri.removeprefix(f"hdf5://{file}/") for info in voxome.ls(f"hdf5://{file}?external=true")
    ]


def test_files_in_other_folders_are_not_opened_before_they_are_refused(tmp_path: Path) -> None:
    """A pipe would have no end; one in the folder is no file either."""
    (tmp_path / "own").mkdir()
    for pipe in (tmp_path / "pipe.h5", tmp_path / "own/pipe.h5"):
        os.mkfifo(pipe)
    file = tmp_path / "own/links.h5"
    with h5py.File(tmp_path / "own/beside.h5", "w") as h5:
        h5["out"] = h5py.ExternalLink("../pipe.h5", "/g")
    with h5py.File(file, "w") as h5:
        h5["raw"] = ARRAY
        h5["out"] = h5py.ExternalLink("../pipe.h5", "/g")
        h5["soft"] = h5py.SoftLink("/out/secret")
        h5["beside"] = h5py.ExternalLink("beside.h5", "/")
        h5["pipe"] = h5py.ExternalLink("pipe.h5", "/g")
        h5["loop"] = h5py.ExternalLink("links.h5", "/loop")
    for path in ("out", "out/secret", "soft", "beside/out", "beside/out/secret"):
        for call in (voxome.open, voxome.ls):
            with pytest.raises(AccessDenied, match="in another folder"):
                call(file / path)
    for path in ("pipe", "pipe/secret", "loop"):
        for call in (voxome.open, voxome.ls):
            with pytest.raises(NotFound, match="cannot be opened"):
                call(file / path)
    assert paths_in(file) == ["raw"]


def test_a_link_in_a_file_is_kept_and_so_is_what_it_leads_to(tmp_path: Path) -> None:
    file = tmp_path / "links.h5"
    with h5py.File(file, "w") as h5:
        h5["raw"] = ARRAY
        h5["views/raw"] = h5py.SoftLink("/raw")
    message = r"views/raw in .* is a link to /raw; remove the volume by that path"
    with pytest.raises(InvalidInput, match=message):
        voxome.rm(file / "views/raw")
    with pytest.raises(InvalidInput, match=message):
        voxome.get(ARRAY[:1], file / "views/raw", overwrite=True)
    assert paths_in(file) == ["raw", "views/raw"]
    assert_array_equal(voxome.open(file / "views/raw")[...], ARRAY)


def test_groups_that_contain_themselves_are_entered_once(tmp_path: Path) -> None:
    file = tmp_path / "loop.h5"
    with h5py.File(file, "w") as h5:
        h5["a/raw"] = ARRAY
        h5["a/self"] = h5["a"]
        h5["a/root"] = h5py.SoftLink("/")
    assert paths_in(file) == ["a/raw"]
    assert voxome.open(file).shape == ARRAY.shape


# Views


def write_view(file: Path, *sources: h5py.VirtualSource, shape: tuple[int, ...] = ARRAY.shape) -> None:
    layout, depth = h5py.VirtualLayout(shape, "uint16"), shape[0] // len(sources)
    for number, source in enumerate(sources):
        layout[number * depth : (number + 1) * depth] = source
    with h5py.File(file, "w") as h5:
        h5.create_virtual_dataset("v", layout)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "source.h5", "w") as h5:
        h5["path/to/data"] = ARRAY
    return tmp_path / "source.h5"


def test_a_view_of_a_missing_dataset_is_an_error(source: Path) -> None:
    file = source.with_name("view.h5")
    write_view(file, h5py.VirtualSource("source.h5", "path/to/gone", shape=ARRAY.shape))
    for path in (file, file / "v"):
        with pytest.raises(UnsupportedFormat, match=r"path/to/gone of source\.h5 is missing"):
            voxome.open(path)


def test_a_source_that_disappears_is_an_error_only_where_it_is_read(source: Path) -> None:
    file = source.with_name("view.h5")
    names = ("path/to/data", "second")
    with h5py.File(source, "a") as h5:
        h5["second"] = ARRAY
    write_view(file, *(h5py.VirtualSource("source.h5", one, shape=ARRAY.shape) for one in names), shape=(4, 3, 4))
    volume = voxome.open(file)
    assert_array_equal(volume[...], np.concatenate([ARRAY, ARRAY]))
    with h5py.File(source, "a") as h5:
        del h5["second"]
    assert_array_equal(volume[:2], ARRAY)
    with pytest.raises(UnsupportedFormat, match="second"):
        volume[1:3]


def test_a_view_of_a_part_that_its_source_lacks_is_an_error(source: Path) -> None:
    file = source.with_name("view.h5")
    write_view(file, h5py.VirtualSource("source.h5", "path/to/data", shape=(5, 3, 4))[3:5])
    with pytest.raises(UnsupportedFormat, match=r"shape \(2, 3, 4\), smaller"):
        voxome.open(file)
    write_view(file, h5py.VirtualSource("source.h5", "path/to/data", shape=(2, 3, 5)), shape=(2, 3, 5))
    with pytest.raises(VoxomeError):
        voxome.open(file)[...]


def test_a_view_of_a_view_of_nothing_is_an_error(source: Path) -> None:
    inner, outer = source.with_name("inner.h5"), source.with_name("outer.h5")
    write_view(inner, h5py.VirtualSource("source.h5", "path/to/data", shape=ARRAY.shape))
    write_view(outer, h5py.VirtualSource("inner.h5", "v", shape=ARRAY.shape))
    assert_array_equal(voxome.open(outer)[...], ARRAY)
    source.unlink()
    with pytest.raises(UnsupportedFormat, match=r"the file source\.h5 is missing"):
        voxome.open(outer)


def test_a_view_is_opened_through_a_symlink(source: Path) -> None:
    file, folder = source.with_name("view.h5"), source.parent / "views"
    write_view(file, h5py.VirtualSource("source.h5", "path/to/data", shape=ARRAY.shape))
    folder.mkdir()
    (folder / "link.h5").symlink_to(file)
    for path in (folder / "link.h5", folder / "link.h5" / "v"):
        assert_array_equal(voxome.open(path)[...], ARRAY)


def test_a_view_within_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "own.h5"
    with h5py.File(file, "w") as h5:
        h5["data"] = ARRAY
        layout = h5py.VirtualLayout(ARRAY.shape, "uint16")
        layout[...] = h5py.VirtualSource(h5["data"])
        h5.create_virtual_dataset("v", layout)
    assert_array_equal(voxome.open(file / "v")[...], ARRAY)
    with h5py.File(file, "a") as h5:
        del h5["data"]
    with pytest.raises(UnsupportedFormat, match=r"data of \. is missing"):
        voxome.open(file / "v")


# Filters, fill values and attributes


@pytest.mark.parametrize(
    "options",
    [hdf5plugin.Bitshuffle(), hdf5plugin.Blosc(), hdf5plugin.Zstd(), hdf5plugin.LZ4(), hdf5plugin.Blosc2()],
    ids=lambda one: type(one).__name__,
)
def test_filters_of_plug_ins_are_read(tmp_path: Path, options: Any) -> None:
    array = noise((20, 21, 22), "uint16")
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_dataset("x", data=array, chunks=(10, 10, 10), **options)
    assert_array_equal(voxome.open(tmp_path / "a.h5")[...], array)


def test_an_undefined_fill_value_counts_as_0(tmp_path: Path) -> None:
    libraries = list(Path(h5py.__file__).parent.parent.glob("h5py.libs/libhdf5-*"))
    if not libraries:
        pytest.skip("h5py has no HDF5 library of its own")
    set_fill = ctypes.CDLL(str(libraries[0])).H5Pset_fill_value
    set_fill.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        set_fill(properties.id, h5py.h5t.NATIVE_UINT16.id, None)
        space = h5py.h5s.create_simple(ARRAY.shape)
        h5py.Dataset(h5py.h5d.create(h5.id, b"x", h5py.h5t.NATIVE_UINT16, space, properties))[...] = ARRAY
    volume = voxome.open(tmp_path / "a.h5")
    assert_array_equal(volume[...], ARRAY)
    assert volume.spec.fill == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes", "bytes"),
        (np.bytes_(b"fixed"), "fixed"),
        (np.array([b"a", b"bc"]), ["a", "bc"]),
        (np.array(["a", "bc"], dtype=h5py.string_dtype()), ["a", "bc"]),
        (np.array([["a"], ["b"]], dtype=h5py.string_dtype()), [["a"], ["b"]]),
        (np.array([1, 2], "uint8"), [1, 2]),
        (np.float32(0.5), 0.5),
        (np.True_, True),
        (h5py.Empty("S10"), None),
    ],
)
def test_attributes_of_every_type_are_json(tmp_path: Path, value: Any, expected: Any) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["x"] = ARRAY
        h5["x"].attrs["note"] = value
    assert voxome.open(tmp_path / "a.h5").spec.attributes == {"note": expected}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("labels", "labels"),
        (b"labels", "labels"),
        (np.array([b"labels"]), "labels"),
        (np.array(list("labels"), "S1"), "labels"),
        (np.array([1, 2]), "image"),
        (7, "image"),
        (h5py.Empty("f4"), "image"),
        ("neurons", "image"),
    ],
)
def test_a_kind_may_be_stored_in_any_way(tmp_path: Path, kind: Any, expected: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["x"] = ARRAY
        h5["x"].attrs["kind"] = kind
    assert voxome.open(tmp_path / "a.h5").spec.kind == expected


def test_a_name_that_is_not_utf8_is_listed_with_the_reason(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["a"] = ARRAY
        h5.create_dataset(b"g/\xff", data=ARRAY)
    listed = {one.uri.rpartition("a.h5/")[2]: one.description for one in voxome.ls(tmp_path / "a.h5")}
    assert listed.keys() == {"a", "g/\\xff"}
    assert "its name is not UTF-8" in listed["g/\\xff"]
    assert voxome.open(tmp_path / "a.h5").shape == ARRAY.shape


def test_axis_tags_may_be_bytes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["x"] = ARRAY
        h5["x"].attrs["axistags"] = np.array([b'{"axes": [{"key": "x"}, {"key": "y"}, {"key": "z"}]}'])
    assert voxome.open(tmp_path / "a.h5").shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"resolution": [0.0, 8, 8]}, r"resolution is \[0\.0, 8\.0, 8\.0\]; expected three positive numbers"),
        ({"element_size_um": 0.04}, "element_size_um is 0.04; expected three positive numbers"),
        ({"offset": [np.nan, 0, 0]}, r"offset is \[nan, 0\.0, 0\.0\]; expected three numbers"),
        ({"resolution": [1, 1, 1], "units": ["s", "nm", "nm"]}, "units is .*expected lengths; resolution is ignored"),
        ({"kind": "photo"}, "kind is 'photo'; expected image, labels, probability; it counts as an image"),
        ({"axistags": "{}"}, "names of the axes are '{}'; expected"),
        ({"axistags": json.dumps({"axes": [{"key": "q"}] * 3})}, "names of the axes are q, q, q; expected"),
    ],
)
def test_attributes_that_make_no_sense_are_ignored_with_one_warning(
    tmp_path: Path, attributes: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["raw"] = ARRAY
        h5["raw"].attrs.update(attributes)
    for _ in range(2):
        assert voxome.open(tmp_path / "a.h5").voxel_size_nm is None
    (record,) = caplog.records
    assert re.search(f"hdf5://.*a.h5/raw: the .*{message}", record.getMessage())


def test_units_that_do_not_count_are_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["raw"] = ARRAY
        h5["raw"].attrs.update(element_size_um=[1.0, 1, 1], units=["s", "s", "s"])
    assert voxome.open(tmp_path / "a.h5").voxel_size_nm == (1000, 1000, 1000)
    assert caplog.records == []


@pytest.mark.parametrize(
    "value",
    [
        *("\ud800", "x\0y", "x" * 70_000, 2**70, -(2**63), 2**64 - 1, list(range(20_000)), [2**70], [], ["\ud800"]),
        [2**63 + 1, -1],
        *([1, 2.5, float("inf")], [1, [2], None], [1, True], [1, "a"], {"a": [None, {"": False}]}),
    ],
)
def test_any_json_value_is_an_attribute(tmp_path: Path, value: Any) -> None:
    spec = voxome.VolumeSpec.of((2, 3, 4), "uint8", attributes={"a": value})
    voxome.create(f"hdf5://{tmp_path}/a.h5/v", spec)
    assert json.dumps(dict(voxome.open(tmp_path / "a.h5").spec.attributes)) == json.dumps({"a": value})


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "a" * 70_000])
def test_names_that_hdf5_does_not_have_are_refused_before_anything_is_created(tmp_path: Path, name: str) -> None:
    voxome.create(f"hdf5://{tmp_path}/a.h5/v", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
    for inner in ("a.h5/w", "b.h5/w"):
        with pytest.raises(UnsupportedFormat, match="HDF5 has no attribute of the name"):
            voxome.create(f"hdf5://{tmp_path}/{inner}", voxome.VolumeSpec.of((2, 3, 4), "uint8", attributes={name: 1}))
    assert [one.uri for one in voxome.ls(tmp_path)] == [f"hdf5://{tmp_path}/a.h5/v"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.h5"]


# BigDataViewer and Imaris


def write_bdv(file: Path, *levels: NDArray[Any]) -> None:
    with h5py.File(file, "w") as h5:
        for number, one in enumerate(levels):
            h5[f"t00000/s00/{number}/cells"] = one.view("int16")
        h5["s00/resolutions"] = np.array([[1.0, 1, 1], [2, 1, 1], [4, 2, 1]])


XML = """<?xml version="1.0"?><SpimData version="0.2"><SequenceDescription><ImageLoader format="bdv.hdf5">
<hdf5 type="relative">bdv.h5</hdf5></ImageLoader><ViewSetups><ViewSetup><id>0</id><voxelSize><unit>µm</unit>
<size>0.1 0.2 0.5</size></voxelSize></ViewSetup></ViewSetups></SequenceDescription></SpimData>"""


def test_bigdataviewer_files_are_unsigned_pyramids(tmp_path: Path) -> None:
    file, finest = tmp_path / "bdv.h5", np.array([[[100, 40000, 65535, 7]]], "uint16")
    write_bdv(file, finest, finest[..., ::2])
    volume = voxome.open(file, mode="r+")
    assert volume.dtype == "uint16"
    assert_array_equal(volume[...], finest)
    assert (volume.voxel_size_nm, len(volume.levels)) == (None, 3)
    assert [level.scale for level in volume.levels] == [(1, 1, 1), (1, 1, 2), (1, 2, 4)]
    assert_array_equal(voxome.open(file, level=1)[...], finest[..., ::2])
    with pytest.raises(NotFound, match="2/cells"):
        voxome.open(file, level=2)
    volume[0, 0, 0] = 65000
    assert voxome.open(file)[0, 0, 0] == 65000
    (tmp_path / "bdv.xml").write_text(XML, encoding="utf-8")
    assert voxome.open(file).voxel_size_nm == (500, 200, 100)
    coarse = voxome.open(file / "t00000/s00/1/cells")
    assert (coarse.voxel_size_nm, coarse.spec.offset_nm) == ((500, 200, 200), (0, 0, 50))


@pytest.mark.parametrize("text", [XML[:-9].encode(), b"", b"<?xml version='1.0' encoding='none'?><a/>", b"\xff" * 9])
def test_the_xml_of_bigdataviewer_that_is_damaged_is_named(tmp_path: Path, text: bytes) -> None:
    write_bdv(tmp_path / "bdv.h5", ARRAY.astype("int16"))
    (tmp_path / "bdv.xml").write_bytes(text)
    with pytest.raises(CorruptData, match=r"bdv\.xml, which has the voxel size of bdv\.h5, is not XML"):
        voxome.open(tmp_path / "bdv.h5")


@pytest.mark.parametrize(
    ("size", "unit", "message"),
    [
        ("0.1 -0.2 0.5", "µm", r"bdv.xml has the voxel size '0.1 -0.2 0.5' in 'µm' for setup 0; expected three pos"),
        ("0 0 0", "µm", "voxel size '0 0 0'.*; the voxel size is unknown"),
        ("nan 1 1", "µm", "voxel size 'nan 1 1'"),
        ("1 1", "µm", "voxel size '1 1'"),
        ("a b c", "µm", "voxel size 'a b c'"),
        ("1 1 1e999", "µm", "voxel size '1 1 1e999'"),
        ("1 1 1", "parsec", "in 'parsec'"),
        ("1 1 1", "pixel", None),
    ],
)
def test_voxel_sizes_of_bigdataviewer_that_make_no_sense_are_warned_of(
    tmp_path: Path, size: str, unit: str, message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    write_bdv(tmp_path / "bdv.h5", ARRAY)
    text = XML.replace("0.1 0.2 0.5", size).replace("µm", unit)
    (tmp_path / "bdv.xml").write_text(text, encoding="utf-8")
    assert voxome.open(tmp_path / "bdv.h5").voxel_size_nm is None
    assert len(caplog.records) == (message is not None)
    assert message is None or re.search(message, caplog.text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0, 1, 1], [0, 1, 1]], "/s00/resolutions has 0, 1, 1 for level 1; expected positive numbers x, y, z"),
        ([[1.0, 1, 1], [-2, 1, 1]], "has -2, 1, 1 for level 1"),
        ([[np.nan, 1, 1], [2, 1, 1]], "has nan, 1, 1 for level 0"),
        ([[1.0, 1, 1], [np.inf, 1, 1]], "has inf, 1, 1 for level 1.*; the voxel size is unknown"),
        ([[b"a", b"b", b"c"]] * 2, r"/s00/resolutions is \|S1 \(2, 3\); expected numbers"),
        ([1.0, 2, 3], r"is float64 \(3,\); expected numbers x, y, z for each level; they are ignored"),
    ],
)
def test_resolutions_of_bigdataviewer_that_make_no_sense_are_warned_of(
    tmp_path: Path, value: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "bdv.h5"
    write_bdv(file, ARRAY, ARRAY)
    (tmp_path / "bdv.xml").write_text(XML, encoding="utf-8")
    with h5py.File(file, "a") as h5:
        del h5["s00/resolutions"]
        h5["s00/resolutions"] = np.array(value)
    assert voxome.open(file / "t00000/s00/1/cells").voxel_size_nm is None
    (record,) = caplog.records
    assert re.search(message, record.getMessage())


def test_bigdataviewer_files_that_declare_their_dtype_keep_it(tmp_path: Path) -> None:
    file, array = tmp_path / "bdv.h5", np.array([[[-3, 5]]], "int16")
    write_bdv(file, array)
    with h5py.File(file, "a") as h5:
        h5["s00"].attrs["dataType"] = "int16"
    assert voxome.open(file / "t00000/s00/0/cells").dtype == "int16"
    assert_array_equal(voxome.open(file)[...], array)


def characters(text: str) -> NDArray[np.bytes_]:
    return np.array(list(text), "S1")


def write_imaris(file: Path) -> None:
    with h5py.File(file, "w") as h5:
        for level, (padded, shape) in enumerate([((8, 16, 16), (5, 10, 12)), ((8, 8, 8), (5, 5, 6))]):
            channel = h5.create_group(f"DataSet/ResolutionLevel {level}/TimePoint 0/Channel 0")
            data = np.zeros(padded, "uint8")
            data[tuple(map(slice, shape))] = 7
            channel["Data"] = data
            for axis, size in zip("ZYX", shape, strict=True):
                channel.attrs[f"ImageSize{axis}"] = characters(str(size))
        image = h5.create_group("DataSetInfo/Image")
        image.attrs["Unit"] = characters("um")
        for axis, (low, high) in enumerate([("1", "2.2"), ("0", "1.0"), ("0", "2.5")]):
            image.attrs[f"ExtMin{axis}"], image.attrs[f"ExtMax{axis}"] = characters(low), characters(high)


def test_imaris_files_have_their_true_extent(tmp_path: Path) -> None:
    file = tmp_path / "a.ims"
    write_imaris(file)
    volume = voxome.open(file)
    assert (volume.shape, volume.voxel_size_nm) == ((5, 10, 12), (500, 100, 100))
    assert volume.spec.offset_nm == (250, 50, 1050)
    assert (volume[...] == 7).all()
    coarse = voxome.open(file, level=1)
    assert (coarse.shape, coarse.voxel_size_nm, volume.levels[1].scale) == ((5, 5, 6), (500, 200, 200), (1, 2, 2))
    with pytest.raises(UnsupportedFormat, match="copy it to zarr"):
        volume.source.create_level((2, 4, 4))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DataSetInfo/Image/ExtMin0", "nan", r"extents '0' to '2.5', '0' to '1.0', 'nan' to '2.2' in um; expected"),
        ("DataSetInfo/Image/ExtMin1", "7", "'7' to '1.0'.*expected finite numbers, the first less than the second"),
        ("DataSetInfo/Image/ExtMax2", "far", "'0' to 'far'.*the voxel size is unknown"),
        ("DataSetInfo/Image/ExtMax2", "1e999", "'0' to '1e999'"),
        ("DataSetInfo/Image/ExtMax2", None, "'0' to None"),
        ("DataSetInfo/Image/Unit", "parsec", "in parsec"),
        ("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/ImageSizeY", "0", "ImageSizeY '0'.*; padding counts"),
        ("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/ImageSizeX", None, "ImageSizeX None; expected positive"),
    ],
)
def test_extents_of_imaris_that_make_no_sense_are_warned_of(
    tmp_path: Path, name: str, value: str | None, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.ims"
    write_imaris(file)
    node, _, attribute = name.rpartition("/")
    with h5py.File(file, "a") as h5:
        del h5[node].attrs[attribute]
        if value is not None:
            h5[node].attrs[attribute] = characters(value)
    assert voxome.open(file).voxel_size_nm is None
    (record,) = caplog.records
    assert re.search(message, record.getMessage())


# Units


@pytest.mark.parametrize(
    ("units", "size", "offset", "kept"),
    [
        (None, (0.04, 0.008, 0.008), (1, 2, 3), False),
        (["um", "um", "um"], (40, 8, 8), (1000, 2000, 3000), False),
        (np.array([b"um", b"nm", b"mm"]), (40, 0.008, 8000), (1000, 2, 3_000_000), False),
        ("micrometer", (40, 8, 8), (1000, 2000, 3000), False),
        (["um"], (40, 8, 8), (1000, 2000, 3000), False),
        ("counts", (0.04, 0.008, 0.008), (1, 2, 3), True),
        (["pixel"] * 3, None, (0, 0, 0), False),
    ],
)
def test_the_units_of_a_resolution_count(tmp_path: Path, units: Any, size: Any, offset: Any, kept: bool) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["raw"] = ARRAY
        h5["raw"].attrs.update(resolution=[0.04, 0.008, 0.008], offset=[1.0, 2.0, 3.0])
        if units is not None:
            h5["raw"].attrs["units"] = units
    spec = voxome.open(tmp_path / "a.h5").spec
    assert (spec.voxel_size_nm, spec.offset_nm) == (size, offset)
    assert ("units" in spec.attributes) is kept


def test_an_attribute_that_would_change_the_voxel_size_is_refused(tmp_path: Path) -> None:
    attributes = {"units": ["um", "um", "um"]}
    spec = voxome.VolumeSpec.of((2, 3, 4), "uint8", voxel_size_nm=(40, 8, 8), attributes=attributes)
    with pytest.raises(InvalidInput, match=r"units = .* leave the attributes out"):
        voxome.create(f"hdf5://{tmp_path}/a.h5/raw", spec)
    assert voxome.create(f"hdf5://{tmp_path}/b.h5/raw", spec.replace(attributes={})).voxel_size_nm == (40, 8, 8)
