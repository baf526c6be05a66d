"""Pyramids in HDF5 files of BigDataViewer and Imaris, which have their own rules for dtypes, extents and sizes.

References
----------
BigDataViewer, https://imagej.net/plugins/bdv/#about-the-bigdataviewer-data-format; Imaris 5.5 file format,
https://imaris.oxinst.com/support/imaris-file-format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np

from voxome.contracts.levels import Lengths, Level, offset_at_corner, scale_between
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, VoxomeError
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.remotes.hdf5_datasets import text_of
from voxome.storage.atomic import read_error
from voxome.storage.bounded_file import read_document
from voxome.storage.xml_document import parse_xml

_BDV = re.compile(r"(?P<time>t\d+)/s(?P<setup>\d+)/(?P<level>\d{1,3})/cells")
_IMARIS = re.compile(r"DataSet/ResolutionLevel (?P<level>\d{1,3})/(?P<rest>TimePoint \d+/Channel \d+)/Data")
_IMARIS_IMAGE = "DataSetInfo/Image"
_DIMENSIONS = 3
_PIXELS = frozenset({"", "pixel", "pixels", "px", "voxel", "voxels"})
"""Units of sizes that are unknown."""
_UNKNOWN_SIZE = "; the voxel size is unknown"
_BDV_STORED, _BDV_MEANT = np.dtype("int16"), np.dtype("uint16")


@dataclass(frozen=True)
class Pyramid:
    """What the rules of a program say about a dataset that is a level of a pyramid.

    Attributes
    ----------
    number : int
        Which of the levels the dataset is.
    paths : tuple of str
        Path of the dataset of each level, finest first; one may be missing.
    levels : tuple of Level
        Their sizes and offsets.
    shape : tuple of int, optional
        True extent, where the dataset is padded.
    unsigned : bool
        Whether int16 voxels are unsigned.
    problems : tuple of str
        What makes no sense in what the program has written, and what stands for it.
    """

    number: int
    paths: tuple[str, ...]
    levels: tuple[Level, ...]
    shape: tuple[int, ...] | None = None
    unsigned: bool = False
    problems: tuple[str, ...] = ()

    def applied(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the spec of the dataset, with what the program's rules say."""
        level = self.levels[self.number]
        if level.voxel_size_nm is not None:
            spec = spec.replace(voxel_size_nm=level.voxel_size_nm, offset_nm=level.offset_nm)
        if self.unsigned and spec.dtype == _BDV_STORED:
            spec = spec.replace(dtype=_BDV_MEANT, fill=int(spec.fill) % 2**16)
        if self.shape is not None:
            shape = tuple(min(a, b) for a, b in zip(self.shape, spec.domain.shape, strict=True))
            spec = spec.replace(domain=Box.of_shape(shape))
        return spec


def pyramid_of(h5: h5py.File, inner: str) -> Pyramid | None:
    """Return the pyramid that the dataset at path `inner` belongs to; None for files of other programs.

    It is None, too, if that is no array with three axes.
    """
    name = inner.strip("/")
    dataset = h5.get(name) if name else None
    if not isinstance(dataset, h5py.Dataset) or len(dataset.shape or ()) != _DIMENSIONS:
        return None
    if found := _BDV.fullmatch(name):
        return _bdv(h5, found)
    if found := _IMARIS.fullmatch(name):
        return _imaris(h5, found)
    return None


def _bdv(h5: h5py.File, found: re.Match[str]) -> Pyramid:
    time, setup, number = found["time"], found["setup"], int(found["level"])
    factors, problems = _bdv_factors(h5.get(f"s{setup}/resolutions"), number)
    finest, problem = _bdv_voxel_size(Path(h5.filename), int(setup))
    setup_group = h5.get(f"s{setup}")
    declared = text_of(setup_group.attrs.get("dataType")) if isinstance(setup_group, h5py.Group) else None
    return Pyramid(
        number,
        tuple(f"{time}/s{setup}/{n}/cells" for n in range(len(factors))),
        tuple(_bdv_level(factor, factors[0], finest) for factor in factors),
        unsigned=declared is None or declared == str(_BDV_MEANT),
        problems=(*problems, *([problem] if problem else [])),
    )


def _bdv_factors(stored: object, number: int) -> tuple[list[Lengths], list[str]]:
    """Return by how much each level is coarser (z, y, x), at least up to level `number`, and what makes no sense."""
    factors: list[Lengths] = [(1.0, 1.0, 1.0)]
    problems: list[str] = []
    if isinstance(stored, h5py.Dataset):
        shape: tuple[int, ...] = stored.shape or ()  # an empty dataset has none
        form = f"{stored.dtype} {shape}"
        if stored.dtype.kind in "fiu" and len(shape) == 2 and shape[1] == 3 and 0 < shape[0] < 1000:
            factors = [(float(z), float(y), float(x)) for x, y, z in stored[...]]
        else:
            problems.append(f"{stored.name} is {form}; expected numbers x, y, z for each level; they are ignored")
        for level in {0, number} & set(range(len(factors))):
            if not _are_positive(factors[level]):
                values = ", ".join(f"{one:g}" for one in reversed(factors[level]))
                text = f"{stored.name} has {values} for level {level}; expected positive numbers x, y, z"
                problems.append(f"{text}{_UNKNOWN_SIZE}")
    while len(factors) <= number:
        factors.append((math.nan,) * 3)
    return factors, problems


def _are_positive(values: Lengths) -> bool:
    return all(math.isfinite(n) and n > 0 for n in values)


def _bdv_level(factor: Lengths, first: Lengths, finest: Lengths | None) -> Level:
    if not (_are_positive(factor) and _are_positive(first)):
        return Level(None)
    z, y, x = (a / b for a, b in zip(factor, first, strict=True))
    scale = scale_between((z, y, x), (1, 1, 1))
    if finest is None:
        return Level(None, scale=scale)
    size = (finest[0] * z, finest[1] * y, finest[2] * x)
    return Level(size, offset_at_corner(size, finest), scale)


def _bdv_voxel_size(file: Path, setup: int) -> tuple[Lengths | None, str]:
    """Return the voxel size (z, y, x) in nm that the XML file beside an HDF5 file gives for a view setup.

    The second value is what makes no sense there, or empty.

    Raises
    ------
    CorruptData
        If the XML file is damaged.
    StoreError
        If it cannot be read.
    """
    beside = file.with_suffix(".xml")
    try:
        root = parse_xml(read_document(beside), str(beside))
    except FileNotFoundError:
        return None, ""
    except VoxomeError:
        raise
    except OSError as error:
        raise read_error(beside, error) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise CorruptData(
            f"{beside}, which has the voxel size of {file.name}, is not XML: {error}; restore it, or move it away"
        ) from error
    for view in root.iterfind(".//ViewSetup"):
        if (view.findtext("id") or "").strip() == str(setup):
            size, unit = view.findtext("voxelSize/size"), (view.findtext("voxelSize/unit") or "").strip()
            lengths = _lengths((size or "").split(), unit)
            if lengths is not None or size is None or unit.lower() in _PIXELS:
                return lengths, ""
            found = f"{beside.name} has the voxel size {size.strip()!r:.100} in {unit!r:.100} for setup {setup}"
            return None, f"{found}; expected three positive numbers x, y, z and a unit of length{_UNKNOWN_SIZE}"
    return None, ""


def _lengths(xyz: Sequence[str], unit: str | None) -> Lengths | None:
    per = nm_per((unit or "").strip())
    try:
        x, y, z = (float(text.replace(",", ".")) * (per or 0) for text in xyz)
    except ValueError:
        return None
    return (round(z, 6), round(y, 6), round(x, 6)) if all(math.isfinite(n) and n > 0 for n in (x, y, z)) else None


def _imaris(h5: h5py.File, found: re.Match[str]) -> Pyramid:
    numbers = sorted(
        int(name.rpartition(" ")[2]) for name in h5["DataSet"] if re.fullmatch(r"ResolutionLevel \d+", name)
    )
    paths = tuple(f"DataSet/ResolutionLevel {n}/{found['rest']}/Data" for n in numbers)
    channels = [h5.get(path.removesuffix("/Data")) for path in paths]
    extents, bounds = [_imaris_extent(channel) for channel in channels], _imaris_bounds(h5)
    levels = [_imaris_level(bounds, extent) for extent in extents]
    finest = levels[0].voxel_size_nm
    scaled = (replace(level, scale=scale_between(level.voxel_size_nm, finest)) for level in levels)
    number = numbers.index(int(found["level"]))
    problems = []
    if bounds is None:
        problems.append(f"{_bounds_texts(h5)}; expected finite numbers, the first less than the second{_UNKNOWN_SIZE}")
    if extents[number] is None:
        names = ", ".join(f"ImageSize{axis} {_text(channels[number], f'ImageSize{axis}')!r}" for axis in "ZYX")
        problems.append(f"{names}; expected positive whole numbers; padding counts as voxels{_UNKNOWN_SIZE}")
    return Pyramid(number, paths, tuple(scaled), shape=extents[number], problems=tuple(problems))


def _text(group: h5py.Group | None, name: str) -> str | None:
    return text_of(group.attrs.get(name)) if isinstance(group, h5py.Group) else None


def _imaris_extent(channel: h5py.Group | None) -> tuple[int, ...] | None:
    """Return the shape (z, y, x) without padding, if a channel says so."""
    texts = [_text(channel, f"ImageSize{axis}") or "" for axis in "ZYX"]
    return tuple(int(text) for text in texts) if all(text.isdecimal() and int(text) for text in texts) else None


def _imaris_bounds(h5: h5py.File) -> tuple[Lengths, Lengths] | None:
    """Return where the volume begins and ends (z, y, x), in nm; None if what the file says makes no sense."""
    image = h5.get(_IMARIS_IMAGE)
    per = nm_per(_text(image, "Unit") or "um")
    try:
        (z, oz), (y, oy), (x, ox) = (
            [float(_text(image, f"Ext{end}{axis}") or "nan") * (per or math.nan) for end in ("Max", "Min")]
            for axis in (2, 1, 0)
        )
    except ValueError:
        return None
    low, high = (oz, oy, ox), (z, y, x)
    return (low, high) if all(0 < b - a < math.inf for a, b in zip(low, high, strict=True)) else None


def _bounds_texts(h5: h5py.File) -> str:
    image = h5.get(_IMARIS_IMAGE)
    bounds = (f"{_text(image, f'ExtMin{axis}')!r} to {_text(image, f'ExtMax{axis}')!r}" for axis in (2, 1, 0))
    return f"{_IMARIS_IMAGE} has the extents {', '.join(bounds)} in {_text(image, 'Unit') or 'um'}"


def _imaris_level(bounds: tuple[Lengths, Lengths] | None, extent: Sequence[int] | None) -> Level:
    if bounds is None or extent is None:
        return Level(None)
    z, y, x = (round((b - a) / n, 6) for a, b, n in zip(*bounds, extent, strict=True))
    oz, oy, ox = (round(a + n / 2, 6) for a, n in zip(bounds[0], (z, y, x), strict=True))
    return Level((z, y, x), (oz, oy, ox)) if min(z, y, x) > 0 else Level(None)
