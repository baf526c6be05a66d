"""Descriptions in TIFF files, from which tifffile takes numbers and names before it looks at what there is.

A few hundred bytes can describe billions of sections, for each of which tifffile would take memory, or name files in
other folders.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import tifffile

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.tiff_directories import page_voxels
from voxome.storage.bounded_file import BoundedFile
from voxome.storage.xml_document import parse_xml

T = TypeVar("T", int, float)

_LONGEST_NAME = 255
"""Bytes of the name of a file, at most."""
_MOST_SECTIONS = 1 << 20
"""Most sections of all images of a file, each of which takes some memory, whether it is there or not."""
_MOST_PAGES = 1 << 23
"""Most pages that an image of OME-XML may have by its number of voxels: tifffile takes 8 bytes for each."""


def check_ome_xml(path: Path, xml: str) -> None:
    """Require that OME-XML refers to files beside `path` only, and does not describe too many sections.

    Elements count as what the end of their name says, and numbers may be all that `int` parses, as in tifffile.

    Raises
    ------
    UnsupportedFormat
        If it refers to a file elsewhere.
    CorruptData
        If it describes too many sections.
    """
    sections, pages, names = 0, 0, {path.name}
    for element in ElementTree.fromstring(xml).iter() if xml else ():
        if element.tag.endswith("UUID"):
            require_beside(path, element.get("FileName", ""))
            names.add(element.get("FileName", ""))
        elif element.tag.endswith("Pixels"):
            sections += _sections(element)
            pages = max(pages, math.prod(_number(element.attrib, f"Size{axis}", int) for axis in "XYZCT"))
        elif element.tag[:-1].endswith("Along"):
            sections += _steps(element)
    _require_plausible(path, "OME-XML", sections)
    if pages > _MOST_PAGES:
        pages //= min(page_voxels([path.parent / name for name in names if (path.parent / name).is_file()]), default=1)
    if pages > _MOST_PAGES:
        raise CorruptData(
            f"the OME-XML of {path} describes an image of {pages:,} times the pixels of its smallest page; at most "
            f"{_MOST_PAGES:,} are read: restore it if it is damaged"
        )


def read_micromanager(path: Path, tiff: tifffile.TiffFile) -> None:
    """Read the summary and the index map of a file of Micro-Manager, as far as they are in the file.

    tifffile would ask for as much memory as they claim to have.
    """
    with BoundedFile(path) as file:
        tiff.micromanager_metadata = tifffile.read_micromanager_metadata(file, {"Summary", "IndexMap"})


def check_index(path: Path, tiff: tifffile.TiffFile) -> None:
    """Require that the descriptions of Leica and Micro-Manager do not list too many sections.

    Raises
    ------
    CorruptData
        If one lists too many.
    """
    if tiff.is_scn:
        root = parse_xml(tiff.pages.first.description, f"the description of {path}")
        dimensions = [one for one in root.iter() if one.tag.endswith("dimension")]
        most = [max((_number(one.attrib, axis, int) for one in dimensions), default=0) + 1 for axis in "cz"]
        _require_plausible(path, "description", math.prod(most))
    if tiff.is_mmstack:
        found: Any = tiff.micromanager_metadata
        indices = found["IndexMap"][:, :4].max(axis=0, initial=0)
        names = ("Channels", "Slices", "Frames", "Positions")
        shape = [max(int(n) + 1, _number(found["Summary"], name, int)) for n, name in zip(indices, names, strict=True)]
        _require_plausible(path, "index map", math.prod(shape))


def require_beside(path: Path, name: str) -> None:
    """Require that a file that the one at `path` refers to is in its folder.

    Raises
    ------
    UnsupportedFormat
    """
    if "\0" in name or any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(name).parts):
        raise UnsupportedFormat(f"{path} refers to {name!r:.200}, which cannot be the name of a file")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UnsupportedFormat(f"{path} refers to {name}, outside its folder; voxome reads files beside it only")


def _require_plausible(path: Path, what: str, sections: int) -> None:
    if sections > _MOST_SECTIONS:
        raise CorruptData(f"the {what} of {path} lists more than {_MOST_SECTIONS:,} sections, the most that are read")


def _sections(pixels: ElementTree.Element) -> int:
    """Return how many sections an image has by its sizes or its data, whichever has more."""
    sizes = [_number(pixels.attrib, f"Size{axis}", int) for axis in pixels.get("DimensionOrder", "")[2:]]
    counts = [_number(data.attrib, name, int) for data in pixels for name in ("PlaneCount", "NumPlanes")]
    return max([math.prod(sizes), *counts])


def _steps(along: ElementTree.Element) -> int:
    """Return into how many parts an annotation divides an axis."""
    start, end, step = (_number(along.attrib, name, float) for name in ("Start", "End", "Step"))
    steps = abs((end - start) / (step or 1))
    return int(steps) if math.isfinite(steps) else 0


def _number(values: Mapping[str, Any], name: str, parse: Callable[[str], T]) -> T:
    """Return one of the values as a number; 0 for what tifffile refuses."""
    try:
        return parse(values.get(name, "0"))
    except (TypeError, ValueError, OverflowError):
        return parse("0")
