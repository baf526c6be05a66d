"""``wkw://FOLDER``: a layer of a WEBKNOSSOS dataset, read through the wkw library.

A layer is a folder of magnifications (``1``, ``2-2-1``, …: x, y, z), each with a ``header.wkw``; its extent and voxel
size are in ``datasource-properties.json`` beside it. Without that file the extent is that of the existing files, and
the voxel size unknown. Needs the extra ``voxome[webknossos]``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import Lengths, Level, offset_at_corner, require_level, scale_between
from voxome.contracts.listing import volume_entry
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, NotFound, ReadOnly, UnsupportedFormat
from voxome.extras import require
from voxome.geometry import Box
from voxome.remotes.arrays import allocate
from voxome.remotes.local_files import file_version, tree_version
from voxome.remotes.spec_checks import metadata_of
from voxome.storage.bounded_file import BoundedFile, read_document

HEADER = "header.wkw"
PROPERTIES = "datasource-properties.json"
_EDGES, _MOST_BITS = 4, 8
"""Byte of a header with the edges of blocks and files, and most bits of the latter: their index has 128 MiB."""
_PLACE = re.compile(r"z(\d{1,18})/y(\d{1,18})/x(\d{1,18})\.wkw", re.ASCII)
Triple = tuple[int, int, int]


class WkwSource:
    """One magnification of a layer, read only.

    Parameters
    ----------
    folder : path
        Folder with the header.
    spec : VolumeSpec
        Shape and meaning.
    """

    concurrent_writers = False

    def __init__(self, folder: Path, spec: VolumeSpec) -> None:
        self._folder, self._spec = folder, spec

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = allocate(box, self._spec, out)
        if not box.empty:
            frame = self._spec.spatial_box(box)
            channels = slice(box.start[0], box.stop[0]) if box.ndim == 4 else 0
            data[...] = _read(self._folder, frame)[channels]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly(f"wkw://{self._folder} is read only; write zarr, which WEBKNOSSOS reads too")

    def version(self) -> Version:
        return Version(file_version(self._folder / HEADER).token, pinned=False)

    def voxel_version(self) -> Version:
        """Return the state of all files of the magnification."""
        return tree_version(self._folder)


class WkwPyramid(WkwSource):
    """A layer with all its magnifications."""

    def __init__(self, layer: Path, magnifications: Mapping[Triple, Path]) -> None:
        self._folders = dict(magnifications)
        self._properties = _properties(layer)
        with metadata_of(layer):
            super().__init__(next(iter(self._folders.values())), self._spec_of(0))

    @property
    def levels(self) -> Sequence[Level]:
        size, (finest, *_) = self._properties.get("voxel_size_nm"), self._folders
        levels = []
        for mag in self._folders:
            coarse, offset = (None, (0.0, 0.0, 0.0)) if size is None else _placement(size, mag, finest)
            levels.append(Level(coarse, offset, scale_between(mag, finest)))
        return levels

    def level(self, number: int) -> WkwSource:
        require_level(f"wkw://{self._folder.parent}", number, len(self._folders))
        return WkwSource(list(self._folders.values())[number], self._spec_of(number))

    def create_level(self, scale: Triple) -> WkwSource:
        raise ReadOnly(f"wkw://{self._folder} is read only; no level can be added")

    def _spec_of(self, number: int) -> VolumeSpec:
        mag, folder = list(self._folders.items())[number]
        header = _header(folder)
        whole = self._properties.get("box") or _extent(folder, header.block_len * header.file_len, mag)
        frame = whole.coarsen(mag)
        lead = (header.num_channels,) if header.num_channels > 1 else ()
        size = self._properties.get("voxel_size_nm")
        coarse, offset = (None, (0.0, 0.0, 0.0)) if size is None else _placement(size, mag, next(iter(self._folders)))
        chunk = (*lead, *(header.block_len,) * 3)
        return VolumeSpec(
            Box((0,) * len(lead) + frame.start, lead + frame.stop),
            np.dtype(header.voxel_type),
            axes=("c", "z", "y", "x") if lead else ("z", "y", "x"),
            kind="labels" if self._properties.get("category") == "segmentation" else "image",
            voxel_size_nm=coarse,
            offset_nm=offset,
            read_chunk=chunk,
            write_chunk=chunk,
        )


class WkwRemote:
    """Layers of WEBKNOSSOS datasets."""

    uri_options = ()
    signature = "a WEBKNOSSOS layer (folders with header.wkw)"

    def recognises(self, path: Path) -> bool:
        return bool(_magnifications(path))

    def open(self, uri: Uri, *, mode: Mode = "r") -> WkwPyramid:
        layer = uri.local_path
        magnifications = _magnifications(layer)
        if not magnifications:
            raise NotFound(f"{uri}: no folder in {layer} has a {HEADER}; name a layer, as wkw://DATASET/color")
        if mode == "r+":
            raise ReadOnly(f"{uri} is read only; write zarr, which WEBKNOSSOS reads too")
        return WkwPyramid(layer, magnifications)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        folder = uri.local_path
        if not folder.is_dir():
            raise NotFound(f"{folder} is not a folder")
        for layer in [folder] if _magnifications(folder) else sorted(p for p in folder.iterdir() if _magnifications(p)):
            yield volume_entry(str(Uri("wkw", str(layer))), partial(_spec_of, layer))


def _spec_of(layer: Path) -> VolumeSpec:
    return WkwPyramid(layer, _magnifications(layer)).spec


def _placement(size: Lengths, mag: Triple, finest: Triple) -> tuple[Lengths, Lengths]:
    """Voxel size, and centre of voxel 0, of a magnification of a dataset whose voxels have `size` in nm."""
    (coarse, fine) = ((size[0] * m[0], size[1] * m[1], size[2] * m[2]) for m in (mag, finest))
    return coarse, offset_at_corner(coarse, fine)


def _magnifications(layer: Path) -> dict[Triple, Path]:
    """Magnification (z, y, x) → its folder, finest first."""
    folders = {}
    for folder in layer.iterdir() if layer.is_dir() else ():
        parts = folder.name.split("-")
        if (
            all(part.isascii() and part.isdecimal() for part in parts)
            and len(parts) in (1, 3)
            and (folder / HEADER).is_file()
        ):
            x, y, z = (int(part) for part in (parts if len(parts) == 3 else parts * 3))
            folders[z, y, x] = folder
    return {mag: folders[mag] for mag in sorted(folders, key=lambda mag: (math.prod(mag), mag))}


def _properties(layer: Path) -> dict[str, Any]:
    """Return what the dataset lists of a layer: ``category``, ``box`` at magnification 1, ``voxel_size_nm``."""
    path = layer.parent / PROPERTIES
    if not path.is_file():
        return {}
    try:
        dataset = json.loads(read_document(path))
        scale = dataset["scale"]
        if isinstance(scale, dict):
            if scale.get("unit", "nanometer") != "nanometer":
                raise UnsupportedFormat(f"{path}: the scale is in {scale['unit']}, expected nanometer")
            scale = scale["factor"]
        x, y, z = (float(n) for n in scale)
        properties: dict[str, Any] = {"voxel_size_nm": (z, y, x)}
        for one in dataset["dataLayers"]:
            if one["name"] == layer.name:
                corner, box = one["boundingBox"]["topLeft"], one["boundingBox"]
                properties["category"] = one.get("category")
                properties["box"] = Box.of_shape((box["depth"], box["height"], box["width"]), corner[::-1])
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptData(f"{path} cannot be interpreted: {error!r}") from error
    return properties


def _extent(folder: Path, edge: int, mag: Triple) -> Box:
    """Return the extent of the existing files, in voxels of magnification 1."""
    cubes = []
    for file in folder.glob("z*/y*/x*.wkw"):
        place = _PLACE.fullmatch("/".join(file.parts[-3:]))
        if place is None:
            raise CorruptData(f"{file} is no file of voxels: expected a name such as z0/y0/x0.wkw; remove it")
        cubes.append(tuple(int(n) for n in place.groups()))
    if not cubes:
        raise NotFound(f"{folder} has a header but no voxels, and {PROPERTIES} does not give its size")
    sides = [edge * n for n in mag]
    ends = [
        (min(along) * side, (max(along) + 1) * side)
        for along, side in zip(zip(*cubes, strict=True), sides, strict=True)
    ]
    return Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))


def _header(folder: Path) -> Any:
    require("webknossos", "wkw")
    import wkw

    with BoundedFile(folder / HEADER) as file:
        head = file.read(8)
    if len(head) > _EDGES and head[_EDGES] >> 4 > _MOST_BITS:  # wkw would end the process
        raise CorruptData(f"{folder / HEADER}: files of {2 ** (head[_EDGES] >> 4)} blocks along each axis are not read")
    try:
        with wkw.Dataset.open(str(folder)) as opened:
            return opened.header
    except (wkw.wkw.WKWException, AssertionError, OverflowError, ValueError) as error:
        raise CorruptData(f"{folder / HEADER} cannot be read: {error or 'its values are invalid'}") from error


def _read(folder: Path, frame: Box) -> NDArray[Any]:
    """Voxels (c, z, y, x)."""
    require("webknossos", "wkw")
    import wkw

    try:
        with wkw.Dataset.open(str(folder)) as opened:
            data: NDArray[Any] = opened.read(frame.start[::-1], frame.shape[::-1])
    except (wkw.wkw.WKWException, AssertionError, OverflowError, ValueError) as error:
        raise CorruptData(f"{folder}: {error}") from error
    return data.transpose(0, 3, 2, 1)
