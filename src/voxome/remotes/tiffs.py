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
from voxome.remotes.image_codecs import Form, channels_first, decode_page, open_tiff, single_series, voxel_dtype

_NAMES = {"X": "x", "Y": "y", "Z": "z", "C": "c", "S": "c", "T": "t", "I": "z", "Q": "z"}
"""tifffile's letters; I and Q are pages without a defined meaning, which are taken as sections."""


class TiffStack:
    """The sections of one file, in stored order.

    Attributes
    ----------
    lead : tuple of int
        Shape of the leading axes.
    form : Form
        Shape and dtype of a section.
    axes : tuple of str
        Names of all axes, as stored.
    voxel_size_nm : (z, y, x) or None
        None where the file has none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with open_tiff(path) as tiff:
            series = single_series(path, tiff)
            self._pages = list(series.pages)
            self._layers = len(self._pages[0].axes)
            self.lead, letters = tuple(series.shape[: -self._layers]), series.axes[: -self._layers]
            _require_plain_pages(path, series)
            dtype = voxel_dtype(path, series.dtype)
            self.form = Form(channels_first(series.shape[-self._layers :], series.axes), dtype)
            self.axes = _axis_names(letters + ("SYX" if self._layers == 3 else "YX"))
            self.voxel_size_nm = voxel_size(tiff)
            self._mapped = _map(path, tiff, series)
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
                return decode_page(self.path, page)
            finally:
                handle.close()

    def stamp(self, index: int) -> object:
        """Return a value that changes when the section does: None, as the file is read only."""
        return None


def _require_plain_pages(path: Path, series: tifffile.TiffPageSeries) -> None:
    page = series.pages[0]
    if page.axes not in ("YX", "YXS", "SYX") or not series.axes.endswith(page.axes):
        raise UnsupportedFormat(f"{path} has axes {series.axes} in pages of {page.axes}; expected pages of y, x")


def _axis_names(letters: str) -> tuple[str, ...]:
    """Return axis names for tifffile's letters; of two with the same name, the earlier is numbered instead."""
    names: list[str] = []
    for axis in reversed(range(len(letters))):
        name = _NAMES.get(letters[axis], letters[axis].lower())
        names.insert(0, f"d{axis}" if name in names else name)
    return tuple(names)


def _map(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> NDArray[Any] | None:
    """All voxels memory-mapped, if they are contiguous and uncompressed."""
    if series.dataoffset is None or series.dtype == bool:
        return None
    dtype = series.dtype.newbyteorder(tiff.byteorder)
    if path.stat().st_size < series.dataoffset + math.prod(series.shape) * dtype.itemsize:
        raise CorruptData(f"{path} is truncated: {dtype} {series.shape} needs more bytes")
    return np.memmap(path, dtype, "r", series.dataoffset, series.shape)


def voxel_size(tiff: tifffile.TiffFile) -> tuple[float, float, float] | None:
    """Return edge lengths (z, y, x) in nm as OME or ImageJ wrote them; None unless all three are known."""
    lengths = _ome_lengths(tiff.ome_metadata) if tiff.is_ome else _imagej_lengths(tiff)
    z, y, x = lengths
    if z is None or y is None or x is None or min(z, y, x) <= 0:
        return None
    return round(z, 6), round(y, 6), round(x, 6)


def _ome_lengths(xml: str | None) -> list[float | None]:
    pixels = ElementTree.fromstring(xml or "<none/>").find(".//{*}Pixels")
    lengths: list[float | None] = []
    for axis in "ZYX":
        value = None if pixels is None else pixels.get(f"PhysicalSize{axis}")
        per = nm_per("µm" if pixels is None else pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        lengths.append(None if value is None or per is None else float(value) * per)
    return lengths


def _imagej_lengths(tiff: tifffile.TiffFile) -> list[float | None]:
    metadata = tiff.imagej_metadata or {}
    per, spacing = nm_per(str(metadata.get("unit", "")).replace("\\u00B5", "µ")), metadata.get("spacing")
    lengths: list[float | None] = [spacing]
    for name in ("YResolution", "XResolution"):
        tag = tiff.pages[0].tags.get(name)
        pixels, units = (0, 1) if tag is None else tag.value
        lengths.append(units / pixels if pixels else None)
    return [None if length is None or per is None else float(length) * per for length in lengths]
