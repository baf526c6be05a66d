"""Datasets of HDF5 files, as sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # registers its filters
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import Level, require_level
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, Version
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.axes import standard_order
from voxome.remotes.arrays import copy_out, require_writable, writable_slices
from voxome.remotes.hdf5_datasets import add_provenance, read_provenance, set_attributes, spec_of, stored_axes
from voxome.remotes.hdf5_file import open_file
from voxome.remotes.hdf5_ignored import warn_of_ignored
from voxome.remotes.hdf5_nodes import dataset_at
from voxome.remotes.hdf5_pyramids import pyramid_of
from voxome.remotes.hdf5_virtual import files_of
from voxome.remotes.local_files import file_version
from voxome.storage.atomic import require_space, storing


class Hdf5Source:
    """One dataset."""

    concurrent_writers = False

    def __init__(self, file: Path, inner: str, mode: Mode) -> None:
        self._file, self._inner, self._mode = file, inner, mode
        self._refresh()

    def _refresh(self) -> None:
        with open_file(self._file) as h5:
            dataset = dataset_at(h5, self._file, self._inner)
            self._order = standard_order(stored_axes(dataset))
            self._spec = spec_of(dataset, self._inner, self._order)
            self._stored_dtype = self._spec.dtype
            self._pyramid = pyramid_of(h5, self._inner)
            warn_of_ignored(dataset, self._file, self._pyramid.problems if self._pyramid else ())
        if self._pyramid is not None:
            self._spec = self._pyramid.applied(self._spec)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        slices = box.within(self._spec.domain)
        with open_file(self._file) as h5:
            stored = dataset_at(h5, self._file, self._inner, self._as_stored(slices))[self._as_stored(slices)]
        if self._stored_dtype != self._spec.dtype:
            stored = stored.astype(self._stored_dtype, copy=False).view(self._spec.dtype)
        return copy_out(stored.transpose(self._order), self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        slices = writable_slices(f"hdf5://{self._file}/{self._inner}", self._mode, box, data, self._spec.domain)
        voxels = np.ascontiguousarray(data, self._spec.dtype).view(self._stored_dtype)
        with storing(self._file), open_file(self._file, "r+") as h5:
            dataset = dataset_at(h5, self._file, self._inner)
            require_space(self._file, _new_bytes(dataset, box, self._spec))
            dataset[self._as_stored(slices)] = voxels.transpose(np.argsort(self._order))

    def version(self) -> Version:
        with open_file(self._file) as h5:
            files = files_of(dataset_at(h5, self._file, self._inner))
        return file_version(*sorted({self._file, *(file for file in files if file.exists())}))

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        require_writable(f"hdf5://{self._file}/{self._inner}", self._mode)
        with storing(self._file), open_file(self._file, "r+") as h5:
            set_attributes(dataset_at(h5, self._file, self._inner), changes)
        self._refresh()

    def read_provenance(self) -> tuple[Provenance, ...]:
        with open_file(self._file) as h5:
            return read_provenance(dataset_at(h5, self._file, self._inner))

    def add_provenance(self, one: Provenance) -> None:
        name = f"hdf5://{self._file}/{self._inner}"
        require_writable(name, self._mode)
        with storing(self._file), open_file(self._file, "r+") as h5:
            add_provenance(dataset_at(h5, self._file, self._inner), one, name)

    def _as_stored(self, slices: tuple[slice, ...]) -> tuple[slice, ...]:
        return tuple(slices[i] for i in np.argsort(self._order))


class Hdf5Pyramid(Hdf5Source):
    """The finest dataset of a pyramid of BigDataViewer or Imaris, with the others as levels."""

    @property
    def levels(self) -> Sequence[Level]:
        return () if self._pyramid is None else self._pyramid.levels

    def level(self, number: int) -> Hdf5Source:
        require_level(f"hdf5://{self._file}/{self._inner}", number, len(self.levels))
        assert self._pyramid is not None
        return Hdf5Source(self._file, self._pyramid.paths[number], self._mode)

    def create_level(self, scale: Scale) -> Hdf5Source:
        raise UnsupportedFormat(
            f"hdf5://{self._file}/{self._inner}: levels are written by BigDataViewer or Imaris; copy it to zarr instead"
        )


def _new_bytes(dataset: h5py.Dataset, box: Box, spec: VolumeSpec) -> int:
    """Return the most bytes by which a file may grow when a box is written."""
    if dataset.chunks is None:
        return 0 if dataset.id.get_storage_size() else int(dataset.nbytes)
    start = spec.domain.start
    chunks = box.shift([-n for n in start]).snap(spec.write_chunk or box.shape)
    return chunks.size * spec.dtype.itemsize
