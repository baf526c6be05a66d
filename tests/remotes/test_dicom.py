"""Series of DICOM images, written by pydicom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError
from voxome.remotes.dicom import DicomRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

Mm = tuple[float, float, float]


def write(path: Path, pixels: NDArray[Any], *, place: float | None, number: int = 1, size_mm: Mm = (3, 2, 1)) -> None:
    """One file: a section at `place` along z, or frames."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsAllocated - 1, int(pixels.dtype.kind == "i")
    dataset.PixelSpacing, dataset.SliceThickness = [size_mm[1], size_mm[2]], size_mm[0]
    dataset.SeriesInstanceUID, dataset.InstanceNumber, dataset.Modality = "1.2.3", number, "CT"
    if place is not None:
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, place], [1, 0, 0, 0, 1, 0]
    dataset["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", pixels.tobytes())
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


class TestDicom(VolumeRemoteContract):
    dtypes = ("uint8", "uint16", "int16")
    ranks = (3,)
    creates = False
    deletes = False
    negative_start = False
    seeded_fields = frozenset({"voxel_size_nm"})

    @pytest.fixture
    def remote(self) -> DicomRemote:
        return DicomRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: Uri.parse(f"dicom://{tmp_path / uuid4().hex}")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        folder = Path(uri.path)
        folder.mkdir()
        z, y, x = (n / 1e6 for n in spec.voxel_size_nm or (1e6, 1e6, 1e6))
        for n in np.random.default_rng(1).permutation(len(array)):
            write(folder / f"{uuid4().hex}.dcm", array[n], place=n * z, size_mm=(z, y, x))

    def parent_uri(self, uri: Uri) -> Uri:
        return Uri("dicom", str(Path(uri.path).parent))


def test_frames_of_one_file(tmp_path: Path) -> None:
    pixels = noise((5, 6, 8), "uint16")
    write(tmp_path / "a.dcm", pixels, place=None)
    opened = voxome.open(str(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(opened[...], pixels)
    assert opened.voxel_size_nm == (3e6, 2e6, 1e6)
    assert opened.spec.attributes["Modality"] == "CT"


def test_without_positions_instance_numbers_give_the_order(tmp_path: Path) -> None:
    pixels = noise((5, 6, 8), "uint16")
    for n in range(5):
        write(tmp_path / f"{9 - n}.dcm", pixels[n], place=None, number=n + 1)
    np.testing.assert_array_equal(voxome.open(f"dicom://{tmp_path}")[...], pixels)


def test_a_missing_section_is_reported(tmp_path: Path) -> None:
    for n in (0, 1, 3):
        write(tmp_path / f"{n}.dcm", noise((6, 8), "uint16"), place=n)
    with pytest.raises(UnsupportedFormat, match="one is missing"):
        voxome.open(f"dicom://{tmp_path}")


def test_a_truncated_file_is_corrupt(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / f"{n}.dcm", noise((64, 64), "uint16"), place=n)
    file = tmp_path / "1.dcm"
    file.write_bytes(file.read_bytes()[:-1000])
    opened = voxome.open(f"dicom://{tmp_path}")
    with pytest.raises(CorruptData, match=r"1\.dcm"):
        opened[...]


def test_runs_that_cannot_be_the_image_are_corrupt(tmp_path: Path) -> None:
    write(tmp_path / "0.dcm", np.zeros((64, 64), np.uint8), place=0)
    elements = pydicom.dcmread(tmp_path / "0.dcm")
    elements.compress(pydicom.uid.RLELossless)
    elements.save_as(tmp_path / "0.dcm")
    assert not voxome.open(f"dicom://{tmp_path}", expect=voxome.Volume)[...].any()
    elements.Rows = elements.Columns = 60000
    elements.save_as(tmp_path / "0.dcm")
    with pytest.raises(CorruptData, match="can stand for"):
        voxome.open(f"dicom://{tmp_path}", expect=voxome.Volume)[0, :4, :4]


def test_damaged_elements_are_corrupt_data(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.dcm", noise((5, 6), "uint8"), place=3.0 * number, number=number)
    whole = (tmp_path / "1.dcm").read_bytes()
    for seed in range(150):
        random, data = Random(seed), bytearray(whole)
        for _ in range(random.randint(1, 4)):
            data[random.randrange(132, len(data))] = random.randrange(256)
        (tmp_path / "1.dcm").write_bytes(data[: random.choice((len(data), random.randrange(133, len(data))))])
        with suppress(VoxomeError):
            volume = voxome.open(f"dicom://{tmp_path}", expect=voxome.Volume)
            volume.cutout(volume.domain)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("ImagePositionPatient", [0, 0]), ("PixelSpacing", [1]), ("BitsAllocated", 12), ("Rows", 0), ("Columns", None)],
)
def test_elements_that_make_no_volume_are_corrupt_data(tmp_path: Path, keyword: str, value: Any) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.dcm", noise((5, 6), "uint8"), place=3.0 * number, number=number)
        dataset = pydicom.dcmread(tmp_path / f"{number}.dcm")
        setattr(dataset, keyword, value)
        pydicom.dcmwrite(tmp_path / f"{number}.dcm", dataset, enforce_file_format=True)
    with pytest.raises(CorruptData, match="elements of DICOM that cannot be decoded"):
        voxome.open(f"dicom://{tmp_path}")
