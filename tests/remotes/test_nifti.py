"""NIfTI files, against nibabel."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, NotFound, ReadOnly, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes import nifti
from voxome.remotes.nifti import NiftiRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

AXES = {1: ("x",), 2: ("y", "x"), 3: ("z", "y", "x"), 4: ("t", "z", "y", "x"), 5: ("t", "c", "z", "y", "x")}
REVERSED = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 1, 0), 5: (4, 3, 2, 0, 1)}
"""The stored axes x, y, z, t, c as places in those of a spec."""


def uri_of(path: Path) -> Uri:
    return Uri("nifti", str(path))


class TestNifti(VolumeRemoteContract):
    chunked = False
    negative_start = False
    kinds = ("image", "labels")
    fills = (0,)
    seeded_fields = frozenset({"voxel_size_nm", "offset_nm"})
    attributes = False
    provenance = False
    suffix = ".nii"

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        return super().spec(rank, dtype, axes=AXES[rank or 3], **others)

    @pytest.fixture
    def remote(self) -> NiftiRemote:
        return NiftiRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: uri_of(tmp_path / f"{uuid4().hex}{self.suffix}")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        affine = np.diag([*reversed(spec.voxel_size_nm or (1, 1, 1)), 1.0])
        affine[:3, 3] = spec.offset_nm[::-1]
        affine[:3] /= 1e6
        stored = array.transpose(REVERSED[array.ndim])
        image = nibabel.Nifti1Image(stored, affine, dtype=array.dtype)
        image.header.set_xyzt_units("mm" if array.ndim % 2 else "unknown")
        image.to_filename(uri.path)

    def inspect(self, uri: Uri) -> NDArray[Any]:
        stored = np.asanyarray(nibabel.load(uri.path).dataobj)
        return stored.transpose(np.argsort(REVERSED[stored.ndim])).copy()

    def parent_uri(self, uri: Uri) -> Uri:
        return uri_of(Path(uri.path).parent)


class TestZippedNifti(TestNifti):
    suffix = ".nii.gz"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["int16", ">i2", "uint8", "float64"])
def test_scaled_voxels_are_those_of_nibabel(tmp_path: Path, suffix: str, dtype: str) -> None:
    header = nibabel.Nifti1Header(endianness=">" if dtype == ">i2" else "<")
    header.set_data_dtype(dtype)
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5)), np.eye(4), header)
    image.header.set_slope_inter(0.1, -3)
    image.dataobj[...] = np.linspace(-3, 9, 60).reshape(3, 4, 5)
    image.to_filename(path := tmp_path / f"a{suffix}")
    source = NiftiRemote().open(uri_of(path))
    expected = np.asarray(nibabel.load(path).dataobj).T
    assert source.spec.dtype == expected.dtype == np.float64
    assert_array_equal(source.read(source.spec.domain), expected)
    box = Box((1, 2, 0), (4, 3, 3))
    assert_array_equal(source.read(box), expected[box.within(source.spec.domain)])
    with pytest.raises(UnsupportedFormat, match="scaled"):
        NiftiRemote().open(uri_of(path), mode="r+")


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"), [("i4", 1, -1024), ("u4", 1, 1), ("f4", 2, 0.5), ("f8", 2, 0)]
)
def test_scaled_large_values_are_exact(tmp_path: Path, dtype: str, slope: float, intercept: float) -> None:
    stored = (np.arange(24).reshape(2, 3, 4) + 2**25 + 1).astype(dtype)
    header = nibabel.Nifti1Header()
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    header.set_slope_inter(slope, intercept)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        header.write_to(file)
        file.write(bytes(352 - file.tell()) + stored.tobytes(order="F"))
    source = NiftiRemote().open(uri_of(path))
    assert source.spec.dtype == np.float64
    assert_array_equal(source.read(source.spec.domain), stored.T.astype("f8") * slope + intercept)


def test_big_endian_is_opened_native_and_written_back(tmp_path: Path) -> None:
    array = noise((3, 4, 5), "int16")
    image = nibabel.Nifti1Image(array.T, np.eye(4), nibabel.Nifti1Header(endianness=">"), dtype="int16")
    image.to_filename(path := tmp_path / "a.nii")
    source = NiftiRemote().open(uri_of(path), mode="r+")
    assert source.spec.dtype.isnative
    assert_array_equal(source.read(source.spec.domain), array)
    source.write(Box((0, 0, 0), (1, 1, 1)), np.full((1, 1, 1), 258, "int16"))
    assert np.asanyarray(nibabel.load(path).dataobj)[0, 0, 0] == 258


def test_long_axes_and_rotated_images(tmp_path: Path) -> None:
    spec = VolumeSpec.of((1, 1, 40000), "uint8", voxel_size_nm=(45.5, 4.6, 4.6))
    again = NiftiRemote().create(uri_of(tmp_path / "long.nii"), spec)
    assert again.spec == spec
    affine = np.array([[0, -2, 0, 5], [3, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1.0]])
    nibabel.Nifti1Image(np.zeros((2, 3, 4), "u1"), affine).to_filename(tmp_path / "turned.nii")
    turned = NiftiRemote().open(uri_of(tmp_path / "turned.nii")).spec
    assert turned.voxel_size_nm == (4e6, 2e6, 3e6)
    assert turned.offset_nm == (0, 0, 0)
    assert turned.attributes == {"affine": affine.tolist()}


def test_a_size_of_1_without_unit_is_unknown(tmp_path: Path) -> None:
    nibabel.Nifti1Image(np.zeros((2, 3, 4), "u1"), None).to_filename(tmp_path / "a.nii")
    assert NiftiRemote().open(uri_of(tmp_path / "a.nii")).spec.voxel_size_nm is None


def test_unsupported_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = NiftiRemote()
    rgb = np.zeros((2, 3, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.Nifti1Image(rgb, np.eye(4)).to_filename(tmp_path / "rgb.nii")
    with pytest.raises(UnsupportedFormat, match="RGB"):
        remote.open(uri_of(tmp_path / "rgb.nii"))
    (tmp_path / "text.nii").write_text("nothing of the sort " * 50)
    with pytest.raises(UnsupportedFormat, match="not a readable NIfTI"):
        remote.open(uri_of(tmp_path / "text.nii"))
    for axes in [("c", "z", "y", "x"), ("d0", "z", "y", "x")]:
        with pytest.raises(UnsupportedFormat, match="axes"):
            remote.create(uri_of(tmp_path / "new.nii"), VolumeSpec.of((1, 2, 3, 4), "u1", axes=axes))
    with pytest.raises(UnsupportedFormat, match=r"attributes.*offset"):
        remote.create(
            uri_of(tmp_path / "new.nii"),
            VolumeSpec.of((2, 3, 4), "u1", attributes={"a": 1}, offset_nm=(1, 2, 3)),
        )
    with pytest.raises(UnsupportedFormat, match="bool"):
        remote.create(uri_of(tmp_path / "new.nii"), VolumeSpec.of((2, 3, 4), "bool"))
    with pytest.raises(UnsupportedFormat, match=r"\.nii\.gz"):
        remote.create(uri_of(tmp_path / "new.hdr"), VolumeSpec.of((2, 3, 4), "u1"))
    with pytest.raises(NotFound):
        remote.open(uri_of(tmp_path / "new.nii"))
    monkeypatch.setattr(nifti, "GZ_LIMIT_BYTES", 20)
    with pytest.raises(UnsupportedFormat, match="gunzip"):
        remote.create(uri_of(tmp_path / "new.nii.gz"), VolumeSpec.of((2, 3, 4), "u1"))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("left", [0, 100, 0.5, -1])
def test_damage_is_reported(tmp_path: Path, suffix: str, left: float) -> None:
    path = tmp_path / f"a{suffix}"
    nibabel.Nifti1Image(noise((9, 9, 9), "u2"), np.eye(4)).to_filename(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left) if left == 0.5 else int(left)])
    with pytest.raises((CorruptData, UnsupportedFormat), match=r"a\.nii"):
        NiftiRemote().open(uri_of(path)).read(Box((0, 0, 0), (9, 9, 9)))


def test_metadata_that_describe_no_volume_name_their_file(tmp_path: Path) -> None:
    header = nibabel.Nifti1Image(noise((9, 9, 9), "u1"), np.eye(4)).header
    header["dim"][1] = -9
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(1000))
    with pytest.raises(CorruptData, match=r"a\.nii"):
        NiftiRemote().open(uri_of(tmp_path / "a.nii"))


def test_a_compressed_file_is_not_read_far_beyond_its_voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti, "_MOST_TRAILING", 100)
    path, whole = tmp_path / "a.nii.gz", nibabel.Nifti1Image(noise((9, 9, 9), "u1"), np.eye(4)).to_bytes()
    for rest in (100, 101):
        path.write_bytes(gzip.compress(whole + bytes(rest)))
        source = NiftiRemote().open(uri_of(path))
        if rest == 100:
            assert source.read(source.spec.domain).shape == (9, 9, 9)
    with pytest.raises(CorruptData, match="after its voxels"):
        source.read(source.spec.domain)


@pytest.mark.parametrize("klass", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_extensions_of_a_compressed_file_are_no_larger_than_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, klass: Any
) -> None:
    image, path = klass(noise((9, 9, 9), "u1"), np.eye(4)), tmp_path / "a.nii.gz"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", bytes(5000)))
    image.to_filename(path)
    source = NiftiRemote().open(uri_of(path))
    assert_array_equal(source.read(source.spec.domain), noise((9, 9, 9), "u1").T)
    monkeypatch.setattr(nifti, "_MOST_EXTENSIONS", 2000)
    with pytest.raises(CorruptData, match="more than 2000 bytes"):
        NiftiRemote().open(uri_of(path))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_two_writers_in_turn_keep_each_others_voxels(tmp_path: Path, suffix: str) -> None:
    place = uri_of(tmp_path / f"a{suffix}")
    first = NiftiRemote().create(place, VolumeSpec.of((2, 3, 4), "uint8"))
    second = NiftiRemote().open(place, mode="r+")
    for value, source in enumerate([first, second, first, second]):
        box = Box((0, 0, value), (2, 3, value + 1))
        source.write(box, np.full(box.shape, value, "uint8"))
    for source in (first, second, NiftiRemote().open(place)):
        assert_array_equal(source.read(source.spec.domain)[0, 0], [0, 1, 2, 3])


def test_a_reader_never_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nibabel.Nifti1Image(noise((3, 3, 3), "u2"), np.eye(4)).to_filename(path)
    before = path.read_bytes()
    source = NiftiRemote().open(uri_of(path))
    with pytest.raises(ReadOnly):
        source.write(source.spec.domain, np.zeros((3, 3, 3), "u2"))
    assert path.read_bytes() == before


def test_real_files(shared: Path) -> None:
    files = sorted((shared / "data" / "xray").glob("*.nii*"))
    assert len(files) == 10
    for file in files:
        assert NiftiRemote().recognises(file)
        source, image = NiftiRemote().open(uri_of(file)), nibabel.load(file)
        assert source.spec.domain.shape == image.shape[::-1]
        assert source.spec.dtype == image.get_data_dtype()
        assert source.spec.voxel_size_nm == (650, 650, 650)
        assert_array_equal(source.read(source.spec.domain), np.asanyarray(image.dataobj).T)


@pytest.mark.parametrize("flipped", [False, True])
def test_an_affine_that_is_not_followed_is_named(
    tmp_path: Path, flipped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    affine = np.diag([-1.0 if flipped else 1, 2, 3, 1])
    affine[:3, 3] = (5, 6, 7)
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), "uint8"), affine)
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    for _ in range(2):
        spec = NiftiRemote().open(uri_of(tmp_path / "a.nii")).spec
    assert spec.offset_nm == ((0, 0, 0) if flipped else (7000, 6000, 5000))
    assert [("flips, rotates" in one.message, str(tmp_path / "a.nii") in one.message) for one in caplog.records] == (
        [(True, True)] if flipped else []
    )


@pytest.mark.parametrize("unit", ["mm", "unknown"])
def test_a_unit_that_is_taken_for_granted_is_named(tmp_path: Path, unit: str, caplog: pytest.LogCaptureFixture) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), "uint8"), np.diag([6.5e-4, 6.5e-4, 2e-3, 1]))
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "a.nii")
    for _ in range(2):
        assert NiftiRemote().open(uri_of(tmp_path / "a.nii")).spec.voxel_size_nm == (2000, 650, 650)
    expected = f"{tmp_path}/a.nii has no unit of length; without --voxel-size, it is taken as mm, so that voxels are "
    expected += "2000 x 650 x 650 nm (z, y, x)"
    assert [one.message for one in caplog.records] == ([expected] if unit == "unknown" else [])


def test_units_that_nifti_does_not_have_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nibabel.Nifti1Image(np.zeros((3, 4, 5), "uint8"), np.eye(4)).to_filename(path)
    whole = bytearray(path.read_bytes())
    whole[123] = 5  # xyzt_units
    path.write_bytes(whole)
    with pytest.raises(CorruptData, match="units"):
        NiftiRemote().open(uri_of(path))


def test_what_the_library_says_of_a_header_is_a_warning_of_voxome(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4), "uint8"), np.eye(4)), tmp_path / "a.nii")
    header = bytearray((tmp_path / "a.nii").read_bytes())
    header[80:84] = struct.pack("<f", -5)
    (tmp_path / "a.nii").write_bytes(header)
    assert voxome.open(tmp_path / "a.nii").voxel_size_nm is not None
    assert {record.name for record in caplog.records} == {"voxome.remotes.nifti"}
    assert "a.nii: pixdim" in caplog.text
    header[70:72] = struct.pack("<h", 9999)
    (tmp_path / "a.nii").write_bytes(header)
    caplog.clear()
    with pytest.raises(UnsupportedFormat, match="data code 9999"):
        voxome.open(tmp_path / "a.nii")
    assert not caplog.records
    assert capfd.readouterr().err == ""
