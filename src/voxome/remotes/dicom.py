"""``dicom://FOLDER``: a series of DICOM images, one file per section, or one file of many frames; read only.

Sections are ordered by position along the normal of the first (DICOM PS3.3, C.7.6.2), files without a position by
instance number. Values are those stored; slope and intercept of a rescaling are in the attributes. Needs the extra
``voxome[dicom]``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, NotFound, ReadOnly, UnsupportedFormat
from voxome.extras import require
from voxome.geometry import Box
from voxome.remotes.arrays import allocate
from voxome.remotes.decompression import inflate
from voxome.remotes.local_files import file_version
from voxome.storage.bounded_file import BoundedFile

_NM_PER_MM = 1e6
_META_START, _META_BYTES = 132, 4096
"""Where the elements about a file begin (PS3.10, 7.1), and in how many bytes the way of its encoding is among them."""
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_RLE, _RLE_RATIO = "1.2.840.10008.1.2.5", 64
"""Encoding by PackBits (PS3.5, G), two bytes of which stand for at most 128."""
_ATTRIBUTES = ("Modality", "SeriesInstanceUID", "SeriesDescription", "RescaleSlope", "RescaleIntercept")


class DicomSource:
    """The sections of one series."""

    concurrent_writers = False

    def __init__(self, files: list[Path], spec: VolumeSpec) -> None:
        self._files, self._spec = files, spec

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = allocate(box, self._spec, out)
        if box.empty:
            return data
        if len(self._files) == 1:
            image = _pixels(self._files[0])
            if image.size != self._spec.domain.size:
                raise CorruptData(f"{self._files[0]} has shape {image.shape}, but its head says {self._spec.domain}")
            data[...] = image.reshape(self._spec.domain.shape)[box.within(self._spec.domain)]
            return data
        _, rows, columns = box.within(self._spec.domain)
        for row, section in enumerate(range(box.start[0], box.stop[0])):
            image = _pixels(self._files[section])
            if image.shape != self._spec.domain.shape[1:]:
                raise CorruptData(
                    f"{self._files[section]} has shape {image.shape}, but the series has {self._spec.domain}"
                )
            data[row] = image[rows, columns]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly("DICOM is read only; write zarr instead")

    def version(self) -> Version:
        return file_version(*self._files)


class DicomRemote:
    """Series of DICOM images."""

    uri_options = ()
    signature = "DICOM files"

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a DICOM file, or a folder of nothing else but hidden files."""
        if not path.is_dir():
            return path.is_file() and _is_dicom(path)
        files = [file for file in path.iterdir() if not file.name.startswith(".")]
        try:
            return bool(files) and all(file.is_file() and _is_dicom(file) for file in files)
        except OSError:  # a file that cannot be read does not make its folder DICOM
            return False

    def open(self, uri: Uri, *, mode: Mode = "r") -> DicomSource:
        if mode == "r+":
            raise ReadOnly(f"{uri}: DICOM is read only; write zarr instead")
        require("dicom", "pydicom")
        files = _files(uri.local_path)
        if not files:
            raise NotFound(f"{uri} contains no DICOM file")
        with _reading(str(uri)):
            heads = [_read(file, stop_before_pixels=True) for file in files]
            series = {str(head.get("SeriesInstanceUID", "")) for head in heads}
            if len(series) > 1:
                raise UnsupportedFormat(f"{uri} contains {len(series)} series; put each into a separate folder")
            order, step_mm = _section_order(heads)
            spec = _spec(heads[order[0]], len(files), step_mm, str(uri))
        return DicomSource([files[n] for n in order], spec)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        folder = uri.local_path
        if not folder.exists():
            raise NotFound(f"{folder} does not exist")
        inside = [folder] if _files(folder) else sorted(path for path in folder.iterdir() if _files(path))
        for path in inside:
            yield ResourceInfo(str(Uri("dicom", str(path))), "volume", f"{len(_files(path))} files")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what pydicom raises of damaged elements, as it decodes them, into CorruptData."""
    try:
        yield
    except (UnsupportedFormat, MemoryError):
        raise
    except Exception as error:
        raise CorruptData(f"{name} has elements of DICOM that cannot be decoded: {error}") from error


def _files(path: Path) -> list[Path]:
    """Return the DICOM files at `path`, by their magic number (PS3.10, 7.1)."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.is_file() and _is_dicom(file)]


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def _section_order(heads: list[Any]) -> tuple[list[int], float | None]:
    """Return the order of sections and the distance in mm between them, None if the files do not specify it."""
    first = heads[0]
    if len(heads) == 1 or any("ImagePositionPatient" not in head for head in heads):
        order = sorted(range(len(heads)), key=lambda n: int(heads[n].get("InstanceNumber") or 0))
        step = first.get("SpacingBetweenSlices") or first.get("SliceThickness")
        return order, None if step is None else float(step)
    along = np.array([float(n) for n in first.get("ImageOrientationPatient", (1, 0, 0, 0, 1, 0))])
    normal = np.cross(along[:3], along[3:])
    positions = [float(normal @ np.array([float(n) for n in head.ImagePositionPatient])) for head in heads]
    steps = np.diff(sorted(positions))
    if not np.allclose(steps, steps[0], rtol=0.01) or steps[0] == 0:
        raise UnsupportedFormat(
            f"the sections of this series are {min(steps):g} to {max(steps):g} mm apart, not evenly spaced: "
            "one is missing, or two have the same position"
        )
    return sorted(range(len(heads)), key=lambda n: positions[n]), float(steps[0])


def _spec(head: Any, files: int, step_mm: float | None, name: str) -> VolumeSpec:
    if int(head.get("SamplesPerPixel", 1)) != 1:
        raise UnsupportedFormat(f"{name} is in colour; images with one sample per pixel are read")
    frames = int(head.get("NumberOfFrames") or 1)
    if files > 1 and frames > 1:
        raise UnsupportedFormat(f"{name} has {files} files of {frames} frames; open each file separately")
    signed = "int" if int(head.PixelRepresentation) else "uint"
    spacing = head.get("PixelSpacing")
    size = None
    if spacing is not None and step_mm:
        size = (step_mm * _NM_PER_MM, float(spacing[0]) * _NM_PER_MM, float(spacing[1]) * _NM_PER_MM)
    return VolumeSpec.of(
        (max(files, frames), int(head.Rows), int(head.Columns)),
        np.dtype(f"{signed}{int(head.BitsAllocated)}"),
        chunk=(1, int(head.Rows), int(head.Columns)),
        voxel_size_nm=size,
        attributes={key: str(head[key].value) for key in _ATTRIBUTES if key in head},
    )


def _read(file: Path, *, stop_before_pixels: bool = False) -> Any:
    """Return the elements of a file; those whose length is that of more than the file end in an error of pydicom."""
    import pydicom

    with BoundedFile(file) as opened:
        _require_plausible(opened)
        return pydicom.dcmread(opened, stop_before_pixels=stop_before_pixels)


def _require_plausible(opened: BoundedFile) -> None:
    """Refuse elements that are deflated (PS3.5, A.5) and would fill the memory; raises zlib.error."""
    meta = opened.read(_META_START + _META_BYTES)[_META_START:]
    if _DEFLATED in meta:
        length = int.from_bytes(meta[8:12], "little")
        opened.seek(_META_START + 12 + length)
        inflate(opened.read(), -zlib.MAX_WBITS)
    opened.seek(0)


def _require_rle(elements: Any) -> None:
    """Refuse images that are larger than their runs can stand for, before there is memory for them."""
    if elements.file_meta.TransferSyntaxUID != _RLE:
        return
    frames = int(elements.get("NumberOfFrames") or 1)
    claimed = frames * int(elements.Rows) * int(elements.Columns) * int(elements.BitsAllocated) // 8
    if claimed > (found := len(elements.PixelData)) * _RLE_RATIO:
        raise ValueError(f"its header claims {claimed:,} bytes, more than {found:,} bytes of runs can stand for")


def _pixels(file: Path) -> NDArray[Any]:
    try:
        elements = _read(file)
        _require_rle(elements)
        pixels: NDArray[Any] = elements.pixel_array
    except Exception as error:
        raise CorruptData(f"{file}: its pixels cannot be decoded: {error}") from error
    return pixels
