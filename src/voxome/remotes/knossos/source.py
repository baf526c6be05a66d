"""The voxels of a folder of cubes, and of the magnifications beside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Level
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.arrays import writable_slices
from voxome.remotes.knossos.conf import CONF, Conf
from voxome.remotes.knossos.cubes import CUBE, EDGE, image, overlay, store
from voxome.remotes.levels import check_coarser, coarser, whole_scale
from voxome.remotes.local_files import file_version
from voxome.storage.local import storing


class KnossosSource:
    """The cubes of one magnification: images, or the labels over them."""

    concurrent_writers = True

    def __init__(self, conf: Conf, spec: VolumeSpec, mode: Mode) -> None:
        self._conf, self._spec, self._mode = conf, spec, mode

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        box.within(self._spec.domain)
        if out is not None and out.shape != box.shape:
            raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
        data = np.empty(box.shape, self._spec.dtype) if out is None else out
        for cube, part in self._touched(box):
            voxels = self._load(cube)
            data[part.within(box)] = 0 if voxels is None else voxels[part.within(Box.of_shape(CUBE, cube.start))]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        writable_slices(f"knossos://{self._conf.folder}", self._mode, box, data, self._spec.domain)
        for cube, part in self._touched(box):
            whole = np.zeros(CUBE, self._spec.dtype)
            if part != cube & self._spec.domain:
                old = self._load(cube)
                whole[...] = 0 if old is None else old
            whole[part.within(Box.of_shape(CUBE, cube.start))] = data[part.within(box)]
            store(self._file(cube), whole)

    def version(self) -> Version:
        return file_version(self._conf.folder / CONF)

    def _touched(self, box: Box) -> Iterator[tuple[Box, Box]]:
        """Cubes (whole ones) that `box` touches, and the parts of it in them."""
        if box.empty:
            return
        cubes = box.coarsen(CUBE)
        for at in itertools.product(*(range(a, b) for a, b in zip(cubes.start, cubes.stop, strict=True))):
            cube = Box.of_shape(CUBE, tuple(n * EDGE for n in at))
            yield cube, cube & box

    def _file(self, cube: Box) -> Path:
        return self._conf.cube([n // EDGE for n in cube.start])

    def _load(self, cube: Box) -> NDArray[Any] | None:
        return overlay(self._file(cube)) if self._spec.kind == "labels" else image(self._file(cube))


class KnossosPyramid(KnossosSource):
    """A source with the other magnifications beside it."""

    def __init__(self, confs: Mapping[int, Conf], overlay: bool, mode: Mode) -> None:
        self._confs, self._overlay = dict(sorted(confs.items())), overlay
        first = next(iter(self._confs.values()))
        self._first = spec_of(first, overlay)
        super().__init__(first, self._first, mode)

    @property
    def levels(self) -> Sequence[Level]:
        return [
            Level(self._scale(conf, mag), self._offset(self._scale(conf, mag))) for mag, conf in self._confs.items()
        ]

    def level(self, number: int) -> KnossosSource:
        level, conf = self.levels[number], list(self._confs.values())[number]
        return KnossosSource(conf, spec_of(conf, self._overlay).replace(offset_nm=level.offset_nm), self._mode)

    @property
    def next_scale(self) -> tuple[int, int, int]:
        """Twice the last, along every axis."""
        z, y, x = (2 * n for n in self.levels[-1].scale)
        return z, y, x

    def create_level(self, scale: tuple[int, int, int]) -> KnossosSource:
        """Add a magnification: the same factor along every axis."""
        name = f"knossos://{self._conf.folder}"
        check_coarser(name, self.levels[-1].scale, scale)
        if len(set(scale)) != 1 or not self._conf.folder.name.startswith("mag"):
            raise UnsupportedFormat(
                f"{name}: a level is a folder magN beside it, coarser by N along every axis, not {scale}"
            )
        spec = coarser(self._first, scale)
        z, y, x = spec.frame.shape
        folder = self._conf.folder.parent / f"mag{scale[0]}"
        made = Conf(folder, f"{self._conf.name.removesuffix('_mag1')}_mag{scale[0]}", (z, y, x), spec.voxel_size_nm)
        with storing(folder):
            folder.mkdir(exist_ok=True)
        made.write(scale[0])
        self._confs[scale[0]] = made
        return self.level(len(self._confs) - 1)

    def _scale(self, conf: Conf, mag: int) -> tuple[int, int, int]:
        fine = self._conf.voxel_size_nm
        if fine is None or conf.voxel_size_nm is None:
            step = mag // next(iter(self._confs))
            return (step, step, step)
        return whole_scale(str(conf.folder), conf.voxel_size_nm, fine)

    def _offset(self, scale: tuple[int, int, int]) -> tuple[float, float, float]:
        return coarser(self._first, scale).offset_nm


def spec_of(conf: Conf, labels: bool) -> VolumeSpec:
    """What a folder of cubes says of its images, or of the labels over them."""
    return VolumeSpec.of(
        conf.shape,
        "uint64" if labels else "uint8",
        chunk=CUBE,
        kind="labels" if labels else "image",
        voxel_size_nm=conf.voxel_size_nm,
    )
