"""Bare paths are recognised by their content; errors say what was expected."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from PIL import Image

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, InvalidUri, NotFound, StoreError, UnknownName, UnsupportedFormat
from voxome.testing.strategies import noise

ARRAY = noise((4, 5, 6), "uint8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One array in every local format, by the format's own library."""
    np.save(tmp_path / "a.npy", ARRAY)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["volumes/raw"] = ARRAY
    nibabel.Nifti1Image(ARRAY.T, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, photometric="minisblack")
    (tmp_path / "sections").mkdir()
    for z, section in enumerate(ARRAY):
        Image.fromarray(section).save(tmp_path / "sections" / f"{z}.png")
    for scheme in ("zarr", "n5", "precomputed"):
        volume = voxome.create(
            f"{scheme}://{tmp_path}/{scheme}", voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(4, 4, 4))
        )
        volume[...] = ARRAY
    return tmp_path


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("a.npy", "npy"),
        ("a.h5", "hdf5"),
        ("a.h5/volumes/raw", "hdf5"),
        ("a.nii.gz", "nifti"),
        ("a.tif", "images"),
        ("sections", "images"),
        ("sections/*.png", "images"),
        ("zarr", "zarr"),
        ("n5", "n5"),
        ("precomputed", "precomputed"),
    ],
)
def test_bare_paths_are_recognised(folder: Path, path: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = voxome.open(str(folder / path))
    assert volume.uri.startswith(f"{scheme}://")
    assert_array_equal(volume[...], ARRAY)
    monkeypatch.chdir(folder)
    assert_array_equal(voxome.open(path)[...], ARRAY)
    assert_array_equal(voxome.open(f"{scheme}://{path}")[...], ARRAY)


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("nowhere/at/all", NotFound, "nowhere"),
        ("a.h5/volumes/row", NotFound, "volumes/raw"),
        ("a.npy/inside", NotFound, "a.npy/inside"),
        ("notes.txt", UnsupportedFormat, "notes.txt"),
        ("zar://a", UnknownName, "zarr"),
        ("zarr", NotFound, "level 3"),
        ("", InvalidUri, "has no path"),
    ],
)
def test_errors_say_what_was_expected(
    folder: Path, uri: str, error: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "notes.txt").write_text("no volume")
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=message):
        voxome.open(uri, level=3 if uri == "zarr" else None)


def test_creating_needs_a_format(tmp_path: Path) -> None:
    with pytest.raises(InvalidUri, match="zarr://"):
        voxome.create(str(tmp_path / "a"), voxome.VolumeSpec.of((1, 1, 1), "uint8"))


@pytest.mark.parametrize(
    "query", ["", "?level=0", "?level=1", "?start=1,0,0", "?window=0%:100%", "?level=0&start=1,0,0"]
)
@pytest.mark.parametrize("level", [None, 0, 1])
def test_a_level_that_is_given_counts_beside_any_options(tmp_path: Path, query: str, level: int | None) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((4, 6, 8), "uint8"))
    volume[...] = np.arange(192, dtype="uint8").reshape(4, 6, 8)
    pyramid = ability(volume.source, SupportsLevels)
    assert pyramid is not None
    coarse = pyramid.create_level((2, 2, 2))
    coarse.write(coarse.spec.domain, np.arange(24, dtype="uint8").reshape(2, 3, 4))
    opened = voxome.open(f"{tmp_path}/a.zarr{query}", level=level, expect=voxome.Volume)
    expected = int("level=1" in query) if level is None else level
    assert opened.shape == ((2, 3, 4) if expected else (4, 6, 8))
    assert Uri.parse(opened.uri).query.get("level", "0") == str(expected)
    assert voxome.open(opened.uri, expect=voxome.Volume).shape == opened.shape
    if "window" in query:
        assert Uri.parse(opened.uri).query["window"] == ("0:23" if expected else "0:191")


def test_a_folder_below_the_home_folder_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    with pytest.raises(UnsupportedFormat, match="~/data is not a recognised volume"):
        voxome.open("~/data")
    with pytest.raises(NotFound, match="~/none does not exist; give an existing path"):
        voxome.open("~/none")
    np.save(tmp_path / "a.npy", ARRAY)
    assert_array_equal(voxome.open("~/a.npy", expect=voxome.Volume)[...], ARRAY)
    with pytest.raises(NotFound, match="neither as a file nor inside a file"):
        voxome.open("~/a.npy/raw")


@pytest.mark.parametrize(
    ("cause", "expected"), [(PermissionError(13, "Permission denied"), AccessDenied), (OSError(5, "I/O"), StoreError)]
)
@pytest.mark.parametrize("method", ["open", "stat"])
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: OSError, expected: type[Exception], method: str
) -> None:
    file, original = tmp_path / "a.bin", getattr(Path, method)
    file.write_bytes(b"PK")

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == file:
            raise cause
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, method, refuse)
    for call in (voxome.open, voxome.ls):
        with pytest.raises(expected, match=rf"cannot read {file}: {cause.strerror}"):
            call(file)
    with pytest.raises(expected, match=f"cannot read {file}"):
        voxome.open(f"zarr://{file}")
    (entry,) = voxome.ls(tmp_path)
    assert "cannot be opened" in entry.description


@pytest.mark.slow
@pytest.mark.parametrize("name", ["q?x=1", "a.zarr?level=1"])
def test_a_question_mark_in_a_path_object_begins_no_options(tmp_path: Path, name: str) -> None:
    voxome.put(ARRAY, f"zarr://{tmp_path}/plain")
    (tmp_path / "plain").rename(tmp_path / name)
    path = tmp_path / name
    assert_array_equal(voxome.open(path, expect=voxome.Volume)[...], ARRAY)
    assert_array_equal(voxome.open(voxome.open(path).uri, expect=voxome.Volume)[...], ARRAY)
    assert voxome.info(path)["shape"] == [4, 5, 6]
    assert [one.type for one in voxome.ls(path)] == ["volume"]
    voxome.transfer(path, f"zarr://{tmp_path}/copy", state=tmp_path / "state")
    assert_array_equal(voxome.open(tmp_path / "copy", expect=voxome.Volume)[...], ARRAY)
    voxome.get(path, tmp_path / "out?c=1.npy")
    assert_array_equal(np.load(tmp_path / "out?c=1.npy"), ARRAY)
    voxome.rm(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("a.zarr", "write zarr://a.zarr"),
        ("new.zarr/a.n5", "write n5://new.zarr/a.n5"),
        ("a.h5/raw", "write hdf5://a.h5/raw"),
        ("a.NPY", "write npy://a.NPY"),
        ("s3://bucket/a.n5", "write n5://s3://bucket/a.n5"),
        ("volume", "write the format before it, as in zarr://volume"),
    ],
)
def test_a_new_volume_without_a_format_gets_the_one_that_its_name_has(path: str, hint: str) -> None:
    with pytest.raises(InvalidUri) as caught:
        voxome.create(path, voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    assert str(caught.value) == f"cannot create {path} without a format; {hint}"


DAMAGED = {
    "empty.h5": (b"", CorruptData, "is empty; expected an HDF5 file"),
    "empty.npy": (b"", CorruptData, "is empty; expected a .npy file"),
    "empty.nii": (b"", CorruptData, "is empty; expected a NIfTI file"),
    "empty.zip": (b"", CorruptData, "does not begin as a zip does"),
    "text.h5": (b"text", UnsupportedFormat, "is not an HDF5 file"),
    "text.npy": (b"text", UnsupportedFormat, "is not a .npy file"),
    "text.nii": (b"text" * 200, UnsupportedFormat, "is not a readable NIfTI file"),
    "short.nii": (bytes(40), CorruptData, "ends within the 348 bytes of the header"),
    "short.nii.gz": (gzip.compress(noise((400,), "uint8").tobytes())[:50], CorruptData, "header .* cannot be read"),
    "short.ozx": (b"PK\x03\x04" + bytes(40), CorruptData, "is truncated or damaged"),
}
"""Name of a file → its content, and the error of opening it."""


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_with_the_reason_by_opening_and_by_listing(tmp_path: Path, name: str) -> None:
    content, error, message = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        voxome.open(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    (entry,) = voxome.ls(tmp_path)
    assert name in entry.uri
    assert entry.description.startswith("cannot be opened: ")


@pytest.mark.parametrize(
    ("scheme", "file"), [("n5", "attributes.json"), ("precomputed", "info"), ("zarr", "zarr.json")]
)
def test_damaged_metadata_are_named_by_a_bare_path_and_by_a_listing(tmp_path: Path, scheme: str, file: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / file).write_text('{"scales": [')
    with pytest.raises(CorruptData, match=f"{tmp_path}/a/{file} is not JSON: .*line 1"):
        voxome.open(tmp_path / "a")
    (entry,) = voxome.ls(tmp_path)
    assert entry.uri.startswith(scheme)
    assert f"{file} is not JSON" in entry.description


def test_a_text_called_info_makes_no_layer_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "info").write_text("see the wiki")
    assert [(entry.type, entry.description) for entry in voxome.ls(tmp_path)] == [("folder", "")]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_a_zip_that_cannot_be_read_says_why(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as zipped:
        zipped.writestr("zarr.json", "{}")
    if method == zipfile.ZIP_STORED:  # something before it, as of archives that unpack themselves
        (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\n" + (tmp_path / "a.zip").read_bytes())
    message = "compressed by method 14" if method == zipfile.ZIP_LZMA else "does not begin as a zip does"
    with pytest.raises((CorruptData, UnsupportedFormat), match=f"a.zip.*{message}"):
        voxome.open(tmp_path / "a.zip")
    (entry,) = voxome.ls(tmp_path)
    assert message in entry.description


def test_the_folder_of_a_run_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UnsupportedFormat, match=r"is the folder of a run, not a volume; .*`voxome view "):
        voxome.open(tmp_path)
