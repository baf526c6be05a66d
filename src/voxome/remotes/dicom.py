"""``dicom://FOLDER``: a series of DICOM images, a file a section, or one file of many frames; read only.

Sections are ordered by their place along the normal of the first (DICOM PS3.3, C.7.6.2), files of no place by their
instance number. Values are those stored; slope and intercept of a rescaling stand in the attributes. Needs the extra
``voxome[dicom]``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidBox, NotFound, ReadOnly, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.local_files import file_version
from voxome.remotes.optional_imports import library
from voxome.storage.local import local_path

_NM_PER_MM = 1e6
_LOOKED_AT = 8
_ABOUT = ("Modality", "SeriesInstanceUID", "SeriesDescription", "RescaleSlope", "RescaleIntercept")


class DicomSource:
    """The sections of one series."""

    concurrent_writers = False

    def __init__(self, files: list[Path], spec: VolumeSpec) -> None:
        self._files, self._spec = files, spec

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        _, rows, columns = box.within(self._spec.domain)
        if out is not None and out.shape != box.shape:
            raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
        data = np.empty(box.shape, self._spec.dtype) if out is None else out
        if box.empty:
            return data
        if len(self._files) == 1:
            data[...] = _pixels(self._files[0]).reshape(self._spec.domain.shape)[box.within(self._spec.domain)]
            return data
        for place, section in enumerate(range(box.start[0], box.stop[0])):
            image = _pixels(self._files[section])
            if image.shape != self._spec.domain.shape[1:]:
                raise CorruptData(
                    f"{self._files[section]} is of shape {image.shape}, the series of {self._spec.domain}"
                )
            data[place] = image[rows, columns]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly("DICOM is read, not written; write zarr")

    def version(self) -> Version:
        return file_version(*self._files)


class DicomRemote:
    """Series of DICOM images."""

    def recognises(self, path: str) -> bool:
        place = local_path(path)
        first = itertools.islice(place.iterdir(), _LOOKED_AT) if place.is_dir() else iter((place,))
        return any(file.is_file() and _is_dicom(file) for file in first)

    def open(self, uri: Uri, *, mode: Mode = "r") -> DicomSource:
        if mode == "r+":
            raise ReadOnly(f"{uri}: DICOM is read, not written; write zarr")
        files = _files(local_path(uri.path))
        if not files:
            raise NotFound(f"{uri}: there is no DICOM file")
        heads = [library("pydicom", "dicom").dcmread(file, stop_before_pixels=True) for file in files]
        series = {str(head.get("SeriesInstanceUID", "")) for head in heads}
        if len(series) > 1:
            raise UnsupportedFormat(f"{uri} holds {len(series)} series; give each a folder of its own")
        order, step_mm = _ordered(heads)
        return DicomSource([files[n] for n in order], _spec(heads[order[0]], len(files), step_mm, str(uri)))

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        folder = local_path(uri.path)
        if not folder.exists():
            raise NotFound(f"there is nothing at {folder}")
        inside = [folder] if _files(folder) else sorted(path for path in folder.iterdir() if _files(path))
        for place in inside:
            yield ResourceInfo(f"dicom://{place}", "volume", f"{len(_files(place))} files")


def _files(path: Path) -> list[Path]:
    """The DICOM files at `path`, by their magic word (PS3.10, 7.1)."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in found if file.is_file() and _is_dicom(file)]


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def _ordered(heads: list[Any]) -> tuple[list[int], float | None]:
    """The order of sections, and the distance in mm from one to the next, if the files say so."""
    first = heads[0]
    if len(heads) == 1 or any("ImagePositionPatient" not in head for head in heads):
        order = sorted(range(len(heads)), key=lambda n: int(heads[n].get("InstanceNumber") or 0))
        step = first.get("SpacingBetweenSlices") or first.get("SliceThickness")
        return order, None if step is None else float(step)
    along = np.array([float(n) for n in first.get("ImageOrientationPatient", (1, 0, 0, 0, 1, 0))])
    normal = np.cross(along[:3], along[3:])
    places = [float(normal @ np.array([float(n) for n in head.ImagePositionPatient])) for head in heads]
    steps = np.diff(sorted(places))
    if not np.allclose(steps, steps[0], rtol=0.01) or steps[0] == 0:
        raise UnsupportedFormat(
            f"the sections of this series lie {min(steps):g} to {max(steps):g} mm apart; equal steps were expected: "
            "one is missing, or two lie in one place"
        )
    return sorted(range(len(heads)), key=lambda n: places[n]), float(steps[0])


def _spec(head: Any, files: int, step_mm: float | None, name: str) -> VolumeSpec:
    if int(head.get("SamplesPerPixel", 1)) != 1:
        raise UnsupportedFormat(f"{name} is in colour; images of one sample a pixel are read")
    frames = int(head.get("NumberOfFrames") or 1)
    if files > 1 and frames > 1:
        raise UnsupportedFormat(f"{name} holds {files} files of {frames} frames; give each file for itself")
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
        attributes={key: str(head[key].value) for key in _ABOUT if key in head},
    )


def _pixels(file: Path) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = library("pydicom", "dicom").dcmread(file).pixel_array
    except Exception as error:
        raise CorruptData(f"{file}: its pixels cannot be decoded: {error}") from error
    return pixels
