"""Zarr in zips, and URL pipelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from peers.s3 import Bucket
from remotes.zarr.stores import at

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.errors import NotFound, ReadOnly, UnsupportedFormat
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.storage.find import storage_at
from voxome.testing.strategies import noise

ARRAY = noise((9, 10, 11), "uint16")


def pack(folder: Path, file: Path, top: str = "", compression: int = ZIP_STORED) -> Path:
    with ZipFile(file, "w", compression) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, f"{top}{path.relative_to(folder)}")
    return file


@pytest.fixture(params=["zarr2", "zarr3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pyramid of two levels."""
    spec = VolumeSpec.of(
        ARRAY.shape, "uint16", chunk=(4, 4, 4), voxel_size_nm=(40, 4, 4), encoding={"format": request.param}
    )
    source = ZarrRemote().create(at(tmp_path / "a.zarr"), spec)
    source.write(spec.domain, ARRAY)
    source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("name", ["a.ozx", "a.zarr.zip", "plain"])
@pytest.mark.parametrize("compression", [ZIP_STORED, ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_zip_is_opened_as_its_folder_is(folder: Path, tmp_path: Path, name: str, compression: int) -> None:
    file = pack(folder, tmp_path / name, compression=compression)
    for uri in (file, f"zarr://{file}", f"file://{file}", f"{file}|zip:", f"zarr://{file}|zip:"):
        volume = voxome.open(uri, expect=voxome.Volume)
        assert_array_equal(volume[...], ARRAY)
        assert volume.voxel_size_nm == (40, 4, 4)
        assert [level.scale for level in volume.levels] == [(1, 1, 1), (1, 2, 2)]
    again = voxome.open(voxome.open(file).uri, expect=voxome.Volume, level=1)
    assert again.shape == (9, 5, 6)


@pytest.mark.parametrize("inner", ["0", "0/"])
def test_an_array_in_a_zip_is_opened(folder: Path, tmp_path: Path, inner: str) -> None:
    file = pack(folder, tmp_path / "a.ozx")
    for uri in (f"{file}/{inner}", f"zarr://{file}/{inner}", f"{file}|zip:{inner}", f"file://{file}|zip:{inner}|zarr:"):
        volume = voxome.open(uri, expect=voxome.Volume)
        assert_array_equal(volume[...], ARRAY)
        assert volume.voxel_size_nm == (40, 4, 4)


def test_url_pipelines_are_understood(folder: Path, tmp_path: Path) -> None:
    file = pack(folder, tmp_path / "a.zip", top="in/side/")
    for uri in (
        f"file://{file}|zip:in/side|zarr2:",
        f"file://{file}|zip:in/side/|zarr3:",
        f"{file}|zip:in|zarr:side",
        f"file://{file}|zip:|zarr3:in/side",
        f"zarr://{file}|zip:in/side|zarr3:",
        f"file://{folder}|zarr3:",
        f"file://{folder}/|zarr2:?level=0",
    ):
        assert_array_equal(voxome.open(uri, expect=voxome.Volume)[...], ARRAY)


def test_other_formats_in_a_zip_are_read(tmp_path: Path) -> None:
    for scheme, name in (("n5", "n5"), ("precomputed", "neuroglancer-precomputed")):
        volume = voxome.create(f"{scheme}://{tmp_path}/{scheme}", VolumeSpec.of(ARRAY.shape, "uint16"))
        volume[...] = ARRAY
        file = pack(tmp_path / scheme, tmp_path / f"{scheme}.zip")
        for uri in (f"file://{file}|zip:|{name}:", f"{scheme}://{file}|zip:", f"{file}|zip:"):
            assert_array_equal(voxome.open(uri, expect=voxome.Volume)[...], ARRAY)


@pytest.mark.slow
def test_zips_behind_http_and_in_buckets_are_read(
    folder: Path, tmp_path: Path, serve: Callable[..., str], bucket: Bucket, fresh_key: Callable[[], str]
) -> None:
    file = pack(folder, tmp_path / "a.ozx")
    place = storage_at(bucket.uri(fresh_key()))
    (place / "a.zip").write_bytes(file.read_bytes())
    head, mark, query = (place / "a.zip").address.partition("?")
    for uri in (
        *(f"zarr://{serve(tmp_path)}/a.ozx", f"{serve(tmp_path)}/a.ozx", f"{serve(tmp_path)}/a.ozx|zip:|zarr3:"),
        *(f"zarr://{head}{mark}{query}", f"{head}|zip:|zarr3:{mark}{query}", f"{head}|zip:{mark}{query}"),
    ):
        assert_array_equal(voxome.open(uri, expect=voxome.Volume)[...], ARRAY)


def test_volumes_in_a_zip_are_listed(folder: Path, tmp_path: Path) -> None:
    file = pack(folder, tmp_path / "a.zip", top="in/")
    for uri in (file, f"zarr://{file}", f"{file}|zip:", f"{file}|zip:in"):
        (found,) = voxome.ls(uri)
        assert found.uri == f"zarr://{file}|zip:/in"
        assert "uint16" in found.description
    folder.rename(tmp_path / ".hidden")
    assert [one.uri for one in voxome.ls(tmp_path)] == [f"zarr://{file}|zip:/in"]
    with pytest.raises(NotFound, match="open one inside it: in"):
        voxome.open(file)


def test_zips_without_zarr_are_not_taken_for_volumes(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "notes.zip", "w") as packed:
        packed.writestr("notes.txt", "x")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    assert voxome.ls(tmp_path) == []
    with pytest.raises(UnsupportedFormat, match="not a recognised volume"):
        voxome.open(tmp_path / "notes.zip")


def test_zips_are_not_written(folder: Path, tmp_path: Path) -> None:
    file = pack(folder, tmp_path / "a.ozx")
    calls: list[Callable[[], Any]] = [
        lambda: ZarrRemote().open(at(file), mode="r+"),
        lambda: ZarrRemote().delete(at(file)),
        lambda: ZarrRemote().create(at(f"{file}/new"), VolumeSpec.of((4, 4), "uint8")),
    ]
    for call in calls:
        with pytest.raises(ReadOnly, match="in a zip"):
            call()
    for name in ("new.ozx", "new.zarr.zip"):
        with pytest.raises(UnsupportedFormat, match="zips are read, not written"):
            ZarrRemote().create(at(tmp_path / name), VolumeSpec.of((4, 4), "uint8"))
        assert not (tmp_path / name).exists()


@pytest.mark.slow
def test_a_zip_is_an_input_of_a_transfer(folder: Path, tmp_path: Path) -> None:
    file = pack(folder, tmp_path / "a.ozx")
    voxome.transfer(file, f"zarr://{tmp_path}/copy.zarr", levels=2)
    copy = voxome.open(tmp_path / "copy.zarr", expect=voxome.Volume)
    assert_array_equal(copy[...], ARRAY)
    assert len(copy.levels) == 2


def test_the_version_of_a_zip_covers_its_voxels(folder: Path, tmp_path: Path) -> None:
    file = pack(folder, tmp_path / "a.ozx")
    source = ZarrRemote().open(at(file))
    before = source.voxel_version()
    assert before is not None
    assert before.covers_voxels
    assert ability(source, SupportsLevels) is not None
    pack(folder, file, compression=ZIP_DEFLATED)
    assert ZarrRemote().open(at(file)).voxel_version() != before
