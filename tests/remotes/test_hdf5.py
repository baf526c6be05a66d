"""Datasets of HDF5 files, against h5py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidInput,
    InvalidUri,
    NotFound,
    StoreError,
    UnsupportedFormat,
)
from voxome.geometry import Box
from voxome.remotes.hdf5 import Hdf5Remote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import DTYPES, noise

CORNER = Box((0, 0, 0), (1, 1, 1))


def uri_of(path: Path | str) -> Uri:
    return Uri("hdf5", str(path))


class TestHdf5(VolumeRemoteContract):
    dtypes = (*DTYPES, "bool", "float16")
    negative_start = False
    seeded_fields = frozenset({"voxel_size_nm", "offset_nm", "write_chunk"})
    stored_fields = frozenset({"voxel_size_nm", "offset_nm"})

    @pytest.fixture
    def remote(self) -> Hdf5Remote:
        return Hdf5Remote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: uri_of(tmp_path / f"{uuid4().hex}.h5" / "volumes" / "raw")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        file, _, inner = uri.path.partition(".h5/")
        with h5py.File(f"{file}.h5", "a") as h5:
            packed = {"compression": "gzip"} if spec.write_chunk else {}
            dataset = h5.create_dataset(inner, data=array, chunks=spec.write_chunk, **packed)
            if spec.voxel_size_nm:
                dataset.attrs.update(resolution=spec.voxel_size_nm, offset=spec.offset_nm)

    def inspect(self, uri: Uri) -> NDArray[Any]:
        file, _, inner = uri.path.partition(".h5/")
        with h5py.File(f"{file}.h5") as h5:
            return h5[inner][...]

    def parent_uri(self, uri: Uri) -> Uri:
        return uri_of(Path(uri.path).parent)


@pytest.mark.slow
class TestUnchunkedHdf5(TestHdf5):
    chunked = False
    ranks = (2, 3)


@pytest.mark.parametrize("options", [{}, {"compression": "lzf"}, {"compression": "gzip", "compression_opts": 1}])
@pytest.mark.parametrize("dtype", [">u2", "<f4"])
def test_compressions_and_byte_orders(tmp_path: Path, options: dict[str, Any], dtype: str) -> None:
    array = noise((9, 8, 7), "uint8").astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_dataset("a", data=array, dtype=dtype, **options)
    source = Hdf5Remote().open(uri_of(tmp_path / "a.h5"), mode="r+")
    assert source.spec.dtype == np.dtype(dtype).newbyteorder("=")
    assert_array_equal(source.read(source.spec.domain), array)
    source.write(CORNER, np.full((1, 1, 1), 258, source.spec.dtype))
    with h5py.File(tmp_path / "a.h5") as h5:
        assert h5["a"][0, 0, 0] == 258


def test_create_uses_the_compression_options(tmp_path: Path) -> None:
    remote = Hdf5Remote()
    spec = VolumeSpec.of((20, 20, 20), "uint8", chunk=(64, 5, 5), encoding={"compression": "lzf", "shuffle": True})
    assert remote.create(uri_of(tmp_path / "a.h5/v"), spec).spec.write_chunk == (20, 5, 5)
    remote.create(uri_of(tmp_path / "a.h5/w"), VolumeSpec.of((20, 20), "u1", encoding={"compression": "gzip"}))
    with h5py.File(tmp_path / "a.h5") as h5:
        assert (h5["v"].compression, h5["v"].shuffle) == ("lzf", True)
        assert h5["w"].compression == "gzip"
    for encoding, message in [({"level": 3}, "level"), ({"compression": "zpaq"}, "zpaq")]:
        with pytest.raises(InvalidInput, match=message):
            remote.create(uri_of(tmp_path / "new.h5/v"), VolumeSpec.of((2, 2), "u1", encoding=encoding))
    assert not (tmp_path / "new.h5").exists()


def test_axes_named_by_labels_and_tags(tmp_path: Path) -> None:
    array = noise((3, 4, 5, 2), "uint8")
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        for name in ("labelled", "tagged", "plain"):
            h5.create_dataset(name, data=array, chunks=(3, 4, 5, 1))
        for dimension, label in zip(h5["labelled"].dims, "zyxc", strict=True):
            dimension.label = label
        h5["tagged"].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "zyxc"]})
    for name in ("labelled", "tagged"):
        source = Hdf5Remote().open(uri_of(tmp_path / "a.h5" / name), mode="r+")
        assert source.spec.axes == ("c", "z", "y", "x")
        assert source.spec.write_chunk == (1, 3, 4, 5)
        assert_array_equal(source.read(source.spec.domain), np.moveaxis(array, -1, 0))
        source.write(Box((1, 0, 0, 0), (2, 3, 4, 5)), array[None, ..., 0])
        assert_array_equal(source.read(source.spec.domain)[1], array[..., 0])
    assert Hdf5Remote().open(uri_of(tmp_path / "a.h5/plain")).spec.domain.shape == (3, 4, 5, 2)
    created = Hdf5Remote().create(uri_of(tmp_path / "a.h5/new"), VolumeSpec.of((2, 3, 4), "u1", axes=tuple("cyx")))
    assert created.spec.axes == ("c", "y", "x")
    with pytest.raises(UnsupportedFormat, match="z/y/x/c"):
        Hdf5Remote().create(uri_of(tmp_path / "a.h5/bad"), VolumeSpec.of((2, 3, 4, 1), "u1", axes=tuple("zyxc")))


def test_a_single_volume_needs_no_path(tmp_path: Path) -> None:
    file = tmp_path / "a.dat"
    with h5py.File(file, "w") as h5:
        h5["deep/raw"] = noise((3, 4, 5), "uint8")
        h5["ids"] = np.arange(3)
        h5["name"] = "text"
    remote = Hdf5Remote()
    assert remote.recognises(file)
    assert remote.recognises(file / "deep/raw")
    assert remote.open(uri_of(file)).spec.domain.shape == (3, 4, 5)
    with pytest.raises(UnsupportedFormat, match=r"group.*deep/raw \(uint8 3,4,5\)"):
        remote.open(uri_of(file / "deep"))
    with pytest.raises(NotFound, match=r"no deep/row.*deep/raw"):
        remote.open(uri_of(file / "deep" / "row"))
    with h5py.File(file, "a") as h5:
        h5["more"] = noise((3, 4, 5), "uint8")
    with pytest.raises(UnsupportedFormat, match=r"deep/raw .*ids .*more"):
        remote.open(uri_of(file))
    assert {info.uri for info in remote.list(uri_of(file))} == {
        f"hdf5://{file}/{name}" for name in ("deep/raw", "ids", "more")
    }


def test_delete_a_file_or_a_group(tmp_path: Path) -> None:
    remote, file = Hdf5Remote(), tmp_path / "a.h5"
    for name in ("g/a", "g/b", "c"):
        remote.create(uri_of(file / name), VolumeSpec.of((3, 3), "u1"))
    with pytest.raises(InvalidInput, match="/c, /g/a, /g/b: name the one to delete"):
        remote.delete(uri_of(file))
    remote.delete(uri_of(file / "g"))
    assert [info.uri for info in remote.list(uri_of(file))] == [f"hdf5://{file}/c"]
    remote.delete(uri_of(file))
    assert not file.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]), "dtype"),
        (["text"], "dtype"),
        (7, "single value"),
        (h5py.Empty("f4"), "single value"),
        (np.ones(3, "c8"), "complex"),
    ],
)
def test_datasets_that_are_not_volumes_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["a"] = value
    with pytest.raises(UnsupportedFormat, match=message):
        Hdf5Remote().open(uri_of(tmp_path / "a.h5/a"))
    with pytest.raises(UnsupportedFormat, match="no volume"):
        Hdf5Remote().open(uri_of(tmp_path / "a.h5"))


def test_views_of_missing_files_are_refused(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((4, 5), "u1")
    layout[...] = h5py.VirtualSource(tmp_path / "part.h5", "p", (4, 5))
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_virtual_dataset("a", layout)
    with pytest.raises(UnsupportedFormat, match=r"part\.h5"):
        Hdf5Remote().open(uri_of(tmp_path / "a.h5/a"))
    with h5py.File(tmp_path / "part.h5", "w") as h5:
        h5["p"] = noise((4, 5), "u1")
    source = Hdf5Remote().open(uri_of(tmp_path / "a.h5/a"))
    assert_array_equal(source.read(source.spec.domain), noise((4, 5), "u1"))


def test_the_version_covers_the_files_that_hold_the_voxels(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "part.h5", "w") as h5:
        h5["p"] = noise((4, 5), "u1")
    layout = h5py.VirtualLayout((4, 5), "u1")
    layout[...] = h5py.VirtualSource("part.h5", "p", (4, 5))
    inner = h5py.VirtualLayout((4, 5), "u1")
    inner[...] = h5py.VirtualSource(".", "shown", (4, 5))
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_virtual_dataset("shown", layout)
        h5.create_virtual_dataset("twice", inner)
        h5["linked"] = h5py.ExternalLink("part.h5", "p")
        h5.create_dataset("raw", (4, 5), "u1", external=[("voxels.raw", 0, 20)])
        h5["own"] = noise((4, 5), "u1")
    (tmp_path / "voxels.raw").write_bytes(bytes(20))
    sources = {
        name: Hdf5Remote().open(uri_of(tmp_path / f"a.h5/{name}"))
        for name in ("shown", "twice", "linked", "raw", "own")
    }
    before = {name: source.version() for name, source in sources.items()}
    assert before == {name: source.version() for name, source in sources.items()}
    with h5py.File(tmp_path / "part.h5", "r+") as h5:
        h5["q"] = noise((4, 5), "u1")
    (tmp_path / "voxels.raw").write_bytes(bytes(21))
    assert {name for name, source in sources.items() if source.version() != before[name]} == sources.keys() - {"own"}


def test_damage_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as h5:
        h5.create_dataset("a", data=noise((40, 40, 40), "u1"), chunks=(20, 20, 20), compression="gzip")
        place = h5["a"].id.get_chunk_info(3)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptData, match=r"a\.h5 is truncated"):
        Hdf5Remote().open(uri_of(file / "a"))
    file.write_bytes(whole[: place.byte_offset] + b"\xff" * place.size + whole[place.byte_offset + place.size :])
    source = Hdf5Remote().open(uri_of(file / "a"))
    with pytest.raises(CorruptData, match=r"a\.h5"):
        source.read(source.spec.domain)
    file.write_text("no HDF5")
    with pytest.raises(UnsupportedFormat, match="signature"):
        Hdf5Remote().open(uri_of(file / "a"))
    with pytest.raises(UnsupportedFormat, match="signature"):
        Hdf5Remote().create(uri_of(file / "b"), VolumeSpec.of((2, 2), "u1"))


def test_paths_where_nothing_can_be_created(tmp_path: Path) -> None:
    remote, spec = Hdf5Remote(), VolumeSpec.of((2, 2), "u1")
    with pytest.raises(InvalidUri, match=r"FILE\.h5"):
        remote.create(uri_of(tmp_path / "folder" / "raw"), spec)
    remote.create(uri_of(tmp_path / "a.h5/a"), spec)
    with pytest.raises(AlreadyExists):
        remote.create(uri_of(tmp_path / "a.h5/a"), spec)
    with pytest.raises(InvalidInput):
        remote.create(uri_of(tmp_path / "a.h5/a/b"), spec)
    with pytest.raises(UnsupportedFormat, match="starts at"):
        remote.create(uri_of(tmp_path / "a.h5/c"), VolumeSpec.of((2, 2), "u1", start=(1, 1)))


@pytest.mark.slow
def test_a_file_that_another_process_writes(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    source = Hdf5Remote().create(uri_of(file / "a"), VolumeSpec.of((2, 2, 2), "u1"))
    code = f"import h5py; h5 = h5py.File({str(file)!r}, 'r+'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match="open in another process"):
            source.write(CORNER, np.ones((1, 1, 1), "u1"))
        other.communicate("\n")
    source.write(CORNER, np.ones((1, 1, 1), "u1"))
    assert source.read(CORNER).item() == 1


@pytest.mark.slow
def test_real_files(shared: Path) -> None:
    remote, data = Hdf5Remote(), shared / "data"
    for name, dtype in [("raw", "uint8"), ("labels/neuron_ids", "uint64"), ("labels/supervoxels", "uint32")]:
        file = data / "fib25" / "fib25.h5"
        assert remote.recognises(file / "volumes" / name)
        source = remote.open(uri_of(f"{file}/volumes/{name}"))
        assert (source.spec.dtype, source.spec.voxel_size_nm) == (np.dtype(dtype), (10, 10, 10))
        assert source.spec.kind == ("image" if name == "raw" else "labels")
        box = Box((20, 120, 100), (40, 130, 110))
        with h5py.File(file) as h5:
            assert source.spec.domain.shape == h5["volumes"][name].shape
            assert_array_equal(source.read(box), h5["volumes"][name][20:40, 120:130, 100:110])
    with pytest.raises(UnsupportedFormat, match="volumes/labels/neuron_ids"):
        remote.open(uri_of(data / "fib25" / "fib25.h5"))
    for file in (data / "gala").glob("*.h5"):
        source = remote.open(uri_of(file))
        with h5py.File(file) as h5:
            assert_array_equal(source.read(source.spec.domain), h5["stack"][...])
    for file in (data / "nuclei").glob("*.h5"):
        spec = remote.open(uri_of(file / "raw")).spec
        assert spec.voxel_size_nm == pytest.approx((283.718, 126.786, 126.786), rel=0.01)
    annotated = remote.open(uri_of(data / "xray" / "Anno-V1-A1.mat" / "Nmap0"))
    assert annotated.spec.domain.shape == (100, 300, 300)
    assert set(np.unique(annotated.read(annotated.spec.domain))) == {0, 1}


def test_what_a_disk_may_not_hold_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = VolumeSpec.of((64, 64, 64), "uint16", chunk=(8, 64, 64))
    volume = voxome.create(f"hdf5://{tmp_path}/a.h5/v", spec)
    volume[:8] = 7
    size = (tmp_path / "a.h5").stat().st_size
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(StoreError, match="bytes may be needed, and 1,048,576 are free"):
        volume[...] = 9
    monkeypatch.undo()
    assert (tmp_path / "a.h5").stat().st_size == size
    assert volume[0, 0, 0] == 7
