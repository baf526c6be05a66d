"""TIFF files opened by tifffile, after a check of their structure and with OME-XML that can be parsed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from voxome.errors import CorruptData, NotFound, OutOfMemory, UnsupportedFormat, VoxomeError
from voxome.remotes.tiff_descriptions import check_index, check_ome_xml, read_micromanager, require_beside
from voxome.remotes.tiff_directories import check_directories, first_description
from voxome.storage.bounded_file import read_document, require_document_size
from voxome.storage.xml_document import parse_xml

_BARE_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z]\w*|#\d+|#x[0-9A-Fa-f]+);)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Control characters, which XML does not allow."""
_CODECS = {
    *("NONE", "PACKBITS", "LZW", "DEFLATE", "ADOBE_DEFLATE", "PIXTIFF", "LZMA", "ZSTD", "ZSTD_DEPRECATED"),
    *("CCITTRLE", "CCITTFAX3", "CCITTFAX4", "JPEG", "OJPEG", "ALT_JPEG", "JPEGXL", "JPEGXL_DNG"),
    *("JPEG2000", "JPEG_2000_LOSSY", "APERIO_JP2000_YCBC", "APERIO_JP2000_RGB"),
}
"""Compressions that are read. A damaged image of JPEG XR ends the process of imagecodecs, many of PNG do, and one of
LERC or WebP may take memory for another size than that of its file."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file; its structure is checked, as tifffile reads a damaged file as a shorter one.

    A file of an OME-TIFF set that only refers to the metadata of the set is opened with them.

    Raises
    ------
    CorruptData
        If the file is truncated or damaged.
    NotFound
        If the metadata of an OME-TIFF set are missing.
    """
    count = check_directories(path)
    xml = _ome_xml(path)
    main = _metadata_file(path, xml)
    if main is not None and main.suffix.lower() in (".tif", ".tiff", ".btf", ".tf2", ".tf8"):
        path, count = main, check_directories(main)
        xml = _ome_xml(path)
    elif main is not None:
        xml = _clean(read_document(main), main)
    check_ome_xml(path, xml)
    with reading(path):
        tiff = tifffile.TiffFile(path, omexml=xml or None)
    with tiff:
        with reading(path):
            if tiff.is_micromanager:
                read_micromanager(path, tiff)
            pages = len(tiff.pages)
            check_index(path, tiff)
            _ = tiff.series
        if pages < count:
            raise CorruptData(f"{path} has {count} directories, but only {pages} of them can be read as images")
        yield tiff


def require_series(path: Path, tiff: tifffile.TiffFile, number: int | None = None) -> tifffile.TiffPageSeries:
    """Return series `number` of a TIFF file, or its only one.

    Raises
    ------
    UnsupportedFormat
        If there are several, and no number is given; if it has a compression that is not read, or sections in another
        folder.
    NotFound
        If there is no such series.
    CorruptData
        If the file has no image, or fewer than its description names.
    """
    series = image_series(tiff)
    if not series:
        raise CorruptData(f"{path} has no image")
    if number is None and len(series) > 1:
        forms = ", ".join(f"{index}: {one.dtype} {one.shape}" for index, one in enumerate(series))
        raise UnsupportedFormat(f"{path} has several series, choose one, as in images://{path}?series=0: {forms}")
    if number is not None and number >= len(series):
        raise NotFound(f"{path} has no series {number}: its series are 0 to {len(series) - 1}")
    selected = series[number or 0]
    if not all(isinstance(n, int | np.integer) for n in selected.shape):
        raise CorruptData(f"{path} has the shape {selected.shape} by its description; whole numbers were expected")
    _require_codec(path, selected.keyframe)
    _require_promised(path, tiff, selected)
    with reading(path):  # of pages that tifffile has not looked at
        parents = {page.parent.filehandle.path for page in selected.pages if page is not None}
    for parent in parents - {str(path)}:
        require_beside(path, os.path.relpath(parent, path.parent))
        check_directories(Path(parent))
    return selected


def image_series(tiff: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return the series of a TIFF file, without the thumbnails of Zeiss's LSM files."""
    return [one for one in tiff.series if not (one.kind == "lsm" and one.pages[0].is_reduced)]


def decode_page(path: Path, page: tifffile.TiffPage) -> NDArray[Any]:
    """Return the section of one page of a TIFF file."""
    _require_codec(path, page)
    with reading(path):
        data = page.asarray()
    return np.moveaxis(data, -1, 0) if page.axes.endswith("S") else data


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors of codecs for damaged files into CorruptData, and a lack of memory into OutOfMemory."""
    try:
        yield
    except VoxomeError:
        raise
    except MemoryError as error:
        raise OutOfMemory(
            f"{path} cannot be decoded: the memory has no room for the pixels that it claims; read it where there is "
            "more memory, or restore it if it is damaged"
        ) from error
    except Exception as error:  # decoders raise whatever they meet
        raise CorruptData(f"{path} cannot be decoded: {str(error) or type(error).__name__}") from error


def _require_codec(path: Path, page: tifffile.TiffPage) -> None:
    known = {int(one): one.name for one in tifffile.COMPRESSION}
    stored: object = page.compression  # a plain number where the tag is missing, anything where it is damaged
    name = known.get(stored, str(stored)) if isinstance(stored, int) else repr(stored)
    if name not in _CODECS:
        raise UnsupportedFormat(
            f"{path} is compressed with {name}, which voxome does not read; convert it, for instance to DEFLATE or ZSTD"
        )


def _require_promised(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Raise if a series has fewer images than ImageJ's description names: tifffile then reads the first only."""
    metadata = tiff.imagej_metadata if tiff.is_imagej else None
    if not metadata or series.kind == "imagej":
        return
    counts = [metadata.get(name, 1) for name in ("frames", "slices")]
    images = len(tiff.pages)
    if all(isinstance(count, int) for count in counts) and counts[0] * counts[1] > images:
        raise CorruptData(f"{path} is truncated: it has {images} images, but its description names {counts} of them")


def _ome_xml(path: Path) -> str:
    """Return the OME-XML of a TIFF file, mended so that it can be parsed; empty if it has none."""
    description = first_description(path)
    require_document_size(len(description), f"the description of {path}")
    return _clean(description, path) if description.rstrip().endswith(b"OME>") else ""


def _clean(xml: bytes, path: Path) -> str:
    """Return the OME-XML of a file as text that can be parsed; empty if it cannot be mended."""
    try:
        text = xml.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = xml.decode("cp1252", errors="replace")
    text = _BARE_AMPERSAND.sub("&amp;", _FORBIDDEN.sub("", text))
    try:
        parse_xml(text, f"the OME-XML of {path}")
    except (ElementTree.ParseError, ValueError):
        return ""
    return text


def _metadata_file(path: Path, xml: str) -> Path | None:
    """Return the file with the OME metadata of a set, if the file at `path` only refers to it."""
    reference = ElementTree.fromstring(xml).find("{*}BinaryOnly") if xml else None
    if reference is None:
        return None
    name = reference.get("MetadataFile", "")
    require_beside(path, name)
    if not name or not (path.parent / name).is_file():
        raise NotFound(f"{path} is part of an OME-TIFF set whose metadata are in {name!r}, which is missing")
    return path.parent / name
