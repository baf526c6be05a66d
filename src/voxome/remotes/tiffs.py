"""The pages of one TIFF file as an array: its axes, its voxel size, and its sections.

Sizes come from OME-XML (PhysicalSizeX …) or from ImageJ's description (spacing, unit, resolution); bare resolution tags
are meant for printers, and are not used.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry.units import nm_per
from voxome.remotes.image_codecs import Form, channels_first, voxel_dtype
from voxome.remotes.tiff_files import decode_page, open_tiff, reading, require_series
from voxome.storage.tensorstore import require_chunk

_NAMES = {"X": "x", "Y": "y", "Z": "z", "C": "c", "S": "c", "T": "t", "I": "z", "Q": "z"}
"""tifffile's letters; I and Q are pages without a defined meaning, which are taken as sections."""


class TiffStack:
    """The sections of one series of a file, in stored order.

    Attributes
    ----------
    paths : list of path
        The file, or all files of an OME-TIFF set.
    lead : tuple of int
        Shape of the leading axes.
    form : Form
        Shape and dtype of a section.
    axes : tuple of str
        Names of all axes, as stored.
    voxel_size_nm : (z, y, x) or None
        None where the file has none.
    """

    def __init__(self, path: Path, series_number: int | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        with open_tiff(path) as tiff:
            series = require_series(path, tiff, series_number)
            with reading(path):
                self._pages = list(series.pages)
            files = {Path(page.parent.filehandle.path) for page in self._pages if page is not None}
            self.paths = sorted(files | {path})
            self._layers = len(series.keyframe.axes)
            self.lead, letters = tuple(series.shape[: -self._layers]), series.axes[: -self._layers]
            _require_plain_pages(path, series)
            dtype = voxel_dtype(path, series.dtype)
            self.form = Form(channels_first(series.shape[-self._layers :], series.axes), dtype)
            self.axes = _axis_names(letters + ("SYX" if self._layers == 3 else "YX"))
            self.voxel_size_nm = voxel_size(tiff, series_number or 0)
            self._mapped = _map(tiff, series)
        if self._mapped is None:
            require_chunk(str(path), self.form.shape, self.form.dtype)
        if self._mapped is None and len(self._pages) != math.prod(self.lead):
            raise CorruptData(f"{path} has {len(self._pages)} pages, expected {self.lead}")

    @property
    def mapped(self) -> bool:
        """Whether sections are memory-mapped, so that caching them gains nothing."""
        return self._mapped is not None

    def section(self, index: int) -> NDArray[Any]:
        """Return section `index`, in C order over `lead`."""
        if self._mapped is not None:
            data = self._mapped[np.unravel_index(index, self.lead)] if self.lead else self._mapped
            return np.moveaxis(data, -1, 0) if data.shape != self.form.shape else data
        page = self._pages[index]
        if page is None:
            raise CorruptData(f"{self.path} lacks page {index}")
        handle = page.parent.filehandle
        with self._lock:
            handle.open()
            try:
                data = decode_page(self.path, page)
            finally:
                handle.close()
        if data.shape != self.form.shape:
            raise CorruptData(f"page {index} of {self.path} is {data.shape}, but the first one is {self.form.shape}")
        return data

    def stamp(self, index: int) -> object:
        """Return a value that changes when the section does: None, as the file is read only."""
        return None


def _require_plain_pages(path: Path, series: tifffile.TiffPageSeries) -> None:
    page = series.keyframe
    if page.axes not in ("YX", "YXS", "SYX") or not series.axes.endswith(page.axes):
        raise UnsupportedFormat(f"{path} has axes {series.axes} in pages of {page.axes}; expected pages of y, x")


def _axis_names(letters: str) -> tuple[str, ...]:
    """Return axis names for tifffile's letters; of two with the same name, the earlier is numbered instead."""
    names: list[str] = []
    for axis in reversed(range(len(letters))):
        name = _NAMES.get(letters[axis], letters[axis].lower())
        names.insert(0, f"d{axis}" if name in names else name)
    return tuple(names)


def _map(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> NDArray[Any] | None:
    """Map all voxels into memory; return None if they are not contiguous or are compressed."""
    if series.dataoffset is None or series.dtype == bool:
        return None
    path = Path(series.keyframe.parent.filehandle.path)
    dtype = series.dtype.newbyteorder(tiff.byteorder)
    if path.stat().st_size < series.dataoffset + math.prod(series.shape) * dtype.itemsize:
        raise CorruptData(f"{path} is truncated: {dtype} {series.shape} needs more bytes")
    return np.memmap(path, dtype, "r", series.dataoffset, series.shape)


def voxel_size(tiff: tifffile.TiffFile, series: int = 0) -> tuple[float, float, float] | None:
    """Return edge lengths (z, y, x) in nm as OME or ImageJ wrote them; None unless all three are known."""
    lengths = _ome_lengths(tiff.ome_metadata, series) if tiff.is_ome else _imagej_lengths(tiff)
    z, y, x = lengths
    if z is None or y is None or x is None:
        return None
    return round(z, 6), round(y, 6), round(x, 6)


def _length(value: object, unit: str) -> float | None:
    """Return a length in nm; None if it is not a positive number. Some programs write a decimal comma."""
    per = nm_per(unit)
    try:
        length = float(str(value).replace(",", ".")) * (per or 0)
    except ValueError:
        return None
    return length if math.isfinite(length) and length > 0 else None


def _ome_lengths(xml: str | None, series: int) -> list[float | None]:
    try:
        images = ElementTree.fromstring(xml or "<none/>").findall("{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        images = []
    if not images:
        return [None] * 3
    pixels = images[min(series, len(images) - 1)]
    return [_length(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"]


def _imagej_lengths(tiff: tifffile.TiffFile) -> list[float | None]:
    metadata = tiff.imagej_metadata or {}
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    lengths = [_length(metadata.get("spacing"), unit)]
    for name in ("YResolution", "XResolution"):
        tag = tiff.pages[0].tags.get(name)
        value = () if tag is None else tag.value
        pixels, units = value if isinstance(value, tuple) and len(value) == 2 else (0, 1)
        lengths.append(_length(units / pixels, unit) if pixels else None)
    return lengths
