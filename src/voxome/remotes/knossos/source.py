"""The voxels of a folder of cubes, and of the other magnifications."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import (
    Lengths,
    Level,
    coarser,
    offset_at_corner,
    require_coarser,
    require_level,
    require_scale,
    scale_between,
)
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.arrays import allocate, writable_slices
from voxome.remotes.knossos.conf import CONF, Conf
from voxome.remotes.knossos.cubes import CUBE, EDGE, image, overlay, store
from voxome.remotes.local_files import file_version, tree_version
from voxome.remotes.spec_checks import metadata_of
from voxome.storage.atomic import storing


class KnossosSource:
    """The cubes of one magnification: images, or the labels over them."""

    concurrent_writers = True

    def __init__(self, conf: Conf, spec: VolumeSpec, mode: Mode) -> None:
        self._conf, self._spec, self._mode = conf, spec, mode

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = allocate(box, self._spec, out)
        for cube, part in self._touched(box):
            voxels = self._load(cube)
            data[part.within(box)] = 0 if voxels is None else voxels[part.within(Box.of_shape(CUBE, cube.start))]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        writable_slices(f"knossos://{self._conf.folder}", self._mode, box, data, self._spec.domain)
        for cube, part in self._touched(box):
            voxels = np.zeros(CUBE, self._spec.dtype)
            if part != cube & self._spec.domain:
                old = self._load(cube)
                voxels[...] = 0 if old is None else old
            voxels[part.within(Box.of_shape(CUBE, cube.start))] = data[part.within(box)]
            store(self._file(cube), voxels)

    def version(self) -> Version:
        return Version(file_version(self._conf.folder / CONF).token, pinned=False)

    def voxel_version(self) -> Version:
        """Return the state of all files of the magnification."""
        return tree_version(self._conf.folder)

    def _touched(self, box: Box) -> Iterator[tuple[Box, Box]]:
        """Return the cubes that `box` touches, and the part of it in each."""
        if box.empty:
            return
        cubes = box.coarsen(CUBE)
        for index in itertools.product(*(range(a, b) for a, b in zip(cubes.start, cubes.stop, strict=True))):
            cube = Box.of_shape(CUBE, tuple(n * EDGE for n in index))
            yield cube, cube & box

    def _file(self, cube: Box) -> Path:
        return self._conf.cube([n // EDGE for n in cube.start])

    def _load(self, cube: Box) -> NDArray[Any] | None:
        return overlay(self._file(cube)) if self._spec.kind == "labels" else image(self._file(cube))


class KnossosPyramid(KnossosSource):
    """The finest magnification, with all of them as levels."""

    def __init__(self, folders: Mapping[int, Path], overlay: bool, mode: Mode) -> None:
        self._folders, self._overlay = dict(sorted(folders.items())), overlay
        self._finest, first = next(iter(self._folders.items()))
        conf = Conf.read(first)
        self._first = spec_of(conf, overlay)
        super().__init__(conf, self._first, mode)

    @property
    def levels(self) -> Sequence[Level]:
        return [self._level(mag) for mag in self._folders]

    def level(self, number: int) -> KnossosSource:
        require_level(f"knossos://{self._conf.folder.parent}", number, len(self._folders))
        mag, folder = list(self._folders.items())[number]
        conf = Conf.read(folder)
        spec = spec_of(conf, self._overlay).replace(offset_nm=self._level(mag).offset_nm)
        return KnossosSource(conf, spec, self._mode)

    @property
    def next_scale(self) -> tuple[int, int, int]:
        """Twice the scale of the last level, along every axis."""
        last = require_scale(f"knossos://{self._conf.folder.parent}", self.levels, len(self._folders) - 1)
        z, y, x = (2 * n for n in last)
        return z, y, x

    def create_level(self, scale: tuple[int, int, int]) -> KnossosSource:
        """Add a magnification: the same factor along every axis."""
        name = f"knossos://{self._conf.folder}"
        require_coarser(name, self.levels, scale)
        if len(set(scale)) != 1 or not self._conf.folder.name.startswith("mag"):
            raise UnsupportedFormat(
                f"{name}: a level is a folder magN beside it, coarser by the same N along every axis, not {scale}"
            )
        spec = coarser(self._first, scale)
        z, y, x = spec.frame.shape
        folder = self._conf.folder.parent / f"mag{scale[0]}"
        conf = Conf(folder, f"{self._conf.name.removesuffix('_mag1')}_mag{scale[0]}", (z, y, x), spec.voxel_size_nm)
        with storing(folder):
            folder.mkdir(exist_ok=True)
        conf.write(scale[0])
        self._folders[scale[0]] = folder
        return self.level(len(self._folders) - 1)

    def _level(self, mag: int) -> Level:
        fine, coarse = self._conf.voxel_size_nm, self._voxel_size_nm(mag)
        if fine is None or coarse is None:
            return Level(coarse, scale=scale_between((mag,) * 3, (self._finest,) * 3))
        return Level(coarse, offset_at_corner(coarse, fine), scale_between(coarse, fine))

    def _voxel_size_nm(self, mag: int) -> Lengths | None:
        try:
            return Conf.read(self._folders[mag]).voxel_size_nm
        except (CorruptData, OSError):
            return None


def spec_of(conf: Conf, labels: bool) -> VolumeSpec:
    """Return the spec of the images of a folder of cubes, or of the labels over them."""
    with metadata_of(conf.folder / CONF):
        return VolumeSpec.of(
            conf.shape,
            "uint64" if labels else "uint8",
            chunk=CUBE,
            kind="labels" if labels else "image",
            voxel_size_nm=conf.voxel_size_nm,
        )
