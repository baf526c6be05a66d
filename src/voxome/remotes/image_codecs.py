"""Sections of image stacks: decoding and encoding one PNG, JPEG or TIFF file.

A section is (y, x), or (c, y, x) if its file has several samples per pixel. One-bit images are booleans.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from voxome.errors import CorruptData, NotFound, UnsupportedFormat
from voxome.remotes.png_format import decode_png, read_header
from voxome.remotes.tiff_files import decode_page, open_tiff, reading, require_series
from voxome.storage.tensorstore import require_chunk

_TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", **dict.fromkeys(_TIFF_SUFFIXES, "tiff")}
"""Suffixes of the sections of a folder, with their format; a single file may have any other."""

_RATIO = 1100
"""Bytes that a byte of PNG or JPEG stands for at most: 1032 of deflate, 1024 of Huffman's codes."""

_MAGIC = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}


@dataclass(frozen=True)
class Form:
    """Shape and dtype of a section."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def fits(self, common: Form) -> bool:
        """Return whether such a section fits those of `common` form; a one-bit mask fits 8 bits, as 0 and 255."""
        mask = self.dtype == bool and common.dtype == np.uint8
        return self.shape == common.shape and (mask or self.dtype == common.dtype)

    def __str__(self) -> str:
        return f"{self.dtype} {'x'.join(str(n) for n in self.shape)}"


def format_of(path: Path) -> str:
    """Return ``"png"``, ``"jpeg"`` or ``"tiff"``, by the content of a file.

    Raises
    ------
    NotFound, UnsupportedFormat
    CorruptData
        If a file with the suffix of an image ends before its first bytes are complete.
    """
    if not path.is_file():
        raise NotFound(f"{path} does not exist")
    with path.open("rb") as file:
        head = file.read(8)
    for name, starts in _MAGIC.items():
        if head.startswith(starts):
            return name
    if path.suffix.lower() in SUFFIXES and any(
        start.startswith(head) for starts in _MAGIC.values() for start in starts
    ):
        raise CorruptData(f"{path} is truncated: it ends after {len(head)} bytes")
    raise UnsupportedFormat(f"{path} is not a PNG, JPEG or TIFF image: it starts with {head!r}")


def probe(path: Path) -> Form:
    """Return shape and dtype of the section in a file, from its header where that suffices.

    Raises
    ------
    CorruptData
        If it is damaged, or its header claims more pixels than so many bytes can stand for.
    UnsupportedFormat
        If it has several images, or one that is larger than ``largest_chunk_bytes``.
    """
    kind = format_of(path)
    with reading(path):
        if kind == "png":
            form = _probe_png(path)
        elif kind == "jpeg":
            with JpegImagePlugin.JpegImageFile(path) as image:
                bands = len(image.getbands())
                _require_plausible(path, image.size, bands, path.stat().st_size)
                form = Form((*([bands] if bands > 1 else []), image.height, image.width), np.dtype("uint8"))
        else:
            with open_tiff(path) as tiff:
                page = require_series(path, tiff).pages[0]
                if len(tiff.pages) > 1:
                    raise UnsupportedFormat(
                        f"{path} has {len(tiff.pages)} images, but a section is one; open the file separately"
                    )
                form = Form(channels_first(page.shape, page.axes), voxel_dtype(path, page.dtype))
    require_chunk(str(path), form.shape, form.dtype)
    return form


def decode(path: Path, expected: Form) -> NDArray[Any]:
    """Return the section in a file, which should have the form that is expected.

    Raises
    ------
    CorruptData
        If it is truncated or damaged, or has another height or width: these are compared before anything is decoded.
    """
    kind = format_of(path)
    with reading(path):
        if kind == "tiff":
            with open_tiff(path) as tiff:
                page = tiff.pages[0]
                _require_lengths(path, channels_first(page.shape, page.axes)[-2:], expected)
                return decode_page(path, page)
        if kind == "png":
            with path.open("rb") as file:
                header = read_header(file)
            _require_lengths(path, (header.height, header.width), expected)
            data = decode_png(path.read_bytes())
        else:
            with JpegImagePlugin.JpegImageFile(path) as image:
                _require_lengths(path, (image.height, image.width), expected)
                data = np.asarray(image)
    return np.moveaxis(data, -1, 0) if data.ndim == 3 else data


def _require_lengths(path: Path, lengths: tuple[int, ...], expected: Form) -> None:
    if lengths != expected.shape[-2:]:
        found = "x".join(str(n) for n in lengths)
        raise CorruptData(f"{path} is {found} (y, x), but the other sections are {expected}")


def encode(path: Path, section: NDArray[Any], kind: str, compression: str) -> None:
    """Write a section as the only image of a file."""
    colour = section.ndim == 3
    pixels = np.ascontiguousarray(np.moveaxis(section, 0, -1) if colour else section)
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(pixels))
        return
    extra = {"extrasamples": ["unassalpha"]} if colour and pixels.shape[-1] == 4 else {}
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb" if colour else "minisblack",
        compression=None if compression == "none" else compression,
        metadata=None,
        **extra,
    )


def _probe_png(path: Path) -> Form:
    with path.open("rb") as file:
        header = read_header(file)
    _require_plausible(path, (header.width, header.height), header.pixel_bits / 8, path.stat().st_size)
    samples = [header.samples] if header.samples > 1 else []
    return Form((*samples, header.height, header.width), header.dtype)


def _require_plausible(path: Path, size: tuple[int, int], bytes_each: float, nbytes: int) -> None:
    """Refuse an image that claims more pixels than the `nbytes` of its file can stand for, by the bytes of a pixel."""
    if size[0] * size[1] * bytes_each > _RATIO * nbytes:
        raise CorruptData(
            f"{path} claims {size[0]:,} x {size[1]:,} pixels, more than its {nbytes:,} bytes can stand for; "
            "it is truncated or damaged"
        )


def channels_first(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the shape of a page with its samples before y, x."""
    return (shape[-1], *shape[:-1]) if axes.endswith("S") else tuple(shape)


def voxel_dtype(path: Path, dtype: np.dtype[Any] | None) -> np.dtype[Any]:
    """Return the native dtype of the samples of a TIFF; raise if voxome cannot read them."""
    if dtype is None or dtype.kind not in "biuf":
        raise UnsupportedFormat(f"{path} has samples of dtype {dtype}; voxome reads booleans, integers and floats")
    return dtype.newbyteorder("=")
