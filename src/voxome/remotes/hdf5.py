"""``hdf5://FILE.h5/internal/path``: any numeric dataset of an HDF5 file, chunked or not.

Voxel sizes are those of CREMI (`resolution` and `offset` in nm, z, y, x) or of ilastik and Fiji (`element_size_um`);
names of axes are HDF5's dimension labels or ilastik's `axistags`; what lies in a group called `labels` are labels, as
in CREMI. The file is opened for each read and each write, so that what was written is on the disk and other processes
may come between.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    CorruptData,
    InvalidInput,
    InvalidUri,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.geometry.axes import standard_order
from voxome.remotes.arrays import copy_out, writable_slices
from voxome.remotes.hdf5_datasets import (
    create_dataset,
    refuse_unusual,
    set_attributes,
    spec_of,
    stored_axes,
    unreadable,
)
from voxome.remotes.local_files import file_version
from voxome.remotes.spec_checks import refuse_options, refuse_what_is_lost
from voxome.storage.local import local_path, storing

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".h5ad", ".nwb", ".ims", ".mat")
"""How the names of HDF5 files end: where a new one's name ends in a URI."""

_OPTIONS = ("compression", "compression_opts", "shuffle", "fletcher32")
_LOCK = threading.RLock()
"""One for all files: HDF5 itself runs one thread at a time, and refuses to open a file in two modes at once."""


class Hdf5Source:
    """One dataset."""

    concurrent_writers = False

    def __init__(self, file: Path, inner: str, mode: Mode) -> None:
        self._file, self._inner, self._mode = file, inner, mode
        self._refresh()

    def _refresh(self) -> None:
        with _opened(self._file) as h5:
            dataset = _dataset(h5, self._file, self._inner)
            self._order = standard_order(stored_axes(dataset))
            self._spec = spec_of(dataset, self._order)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        places = box.within(self._spec.domain)
        with _opened(self._file) as h5:
            stored = _dataset(h5, self._file, self._inner)[self._as_stored(places)]
        return copy_out(stored.transpose(self._order), self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        places = writable_slices(f"hdf5://{self._file}/{self._inner}", self._mode, box, data, self._spec.domain)
        with storing(self._file), _opened(self._file, "r+") as h5:
            _dataset(h5, self._file, self._inner)[self._as_stored(places)] = data.transpose(np.argsort(self._order))

    def version(self) -> Version:
        return file_version(self._file)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        if self._mode == "r":
            raise ReadOnly(f"hdf5://{self._file}/{self._inner} is open for reading; open it with mode='r+'")
        with storing(self._file), _opened(self._file, "r+") as h5:
            set_attributes(_dataset(h5, self._file, self._inner), changes)
        self._refresh()

    def _as_stored(self, places: tuple[slice, ...]) -> tuple[slice, ...]:
        return tuple(places[i] for i in np.argsort(self._order))


class Hdf5Remote:
    """Datasets of HDF5 files."""

    def recognises(self, path: str) -> bool:
        file, _ = _split(path)
        return file is not None and h5py.is_hdf5(file)

    def open(self, uri: Uri, *, mode: Mode = "r") -> Hdf5Source:
        file, inner = _existing(uri)
        return Hdf5Source(file, inner or _only_volume(file), mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        file, inner = _existing(uri)
        with _opened(file) as h5:
            found = _volumes(_node(h5, file, inner or "/"))
        for name, text in found.items():
            yield ResourceInfo(f"hdf5://{file}/{name}", "volume", text)

    def create(self, uri: Uri, spec: VolumeSpec) -> Hdf5Source:
        file, inner = _new_place(uri)
        refuse_what_is_lost("HDF5", spec)
        options = refuse_options("HDF5", spec, _OPTIONS)
        refuse_unusual(spec)
        new = not file.exists()
        try:
            with storing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                with _opened(file, "w-" if new else "r+") as h5:
                    create_dataset(h5, f"{file}/{inner}", inner, spec, options)
        except VoxomeError:
            if new:
                file.unlink(missing_ok=True)
            raise
        return Hdf5Source(file, inner, "r+")

    def delete(self, uri: Uri) -> None:
        file, inner = _existing(uri)
        with storing(file):
            if not inner:
                _refuse_others(file)
                file.unlink()
                return
            with _opened(file, "r+") as h5:
                _node(h5, file, inner)
                del h5[inner]


@contextmanager
def _opened(file: Path, mode: str = "r") -> Iterator[h5py.File]:
    """The file, alone; what HDF5 says is told in our errors."""
    with _LOCK:
        if mode != "w-" and not h5py.is_hdf5(file):
            raise UnsupportedFormat(f"{file} is no HDF5 file: it lacks HDF5's signature")
        try:
            with h5py.File(file, mode) as h5:
                yield h5
        except VoxomeError:
            raise
        except (OSError, RuntimeError) as error:
            raise _ours(file, error) from error


def _ours(file: Path, error: OSError | RuntimeError) -> VoxomeError:
    said = str(error)
    if "unable to lock" in said or "already open" in said:
        return StoreError(f"{file} is open elsewhere, and HDF5 lets one process write at a time: {said}")
    if getattr(error, "errno", None) or re.search(r"errno = [1-9]", said):
        return StoreError(f"{file} cannot be read or written: {said}")
    return CorruptData(f"{file} is cut short or damaged: {said}")


def _split(path: str) -> tuple[Path | None, str]:
    """The file that exists along `path`, and the path inside it."""
    whole = local_path(path)
    for file in (whole, *whole.parents):
        if file.is_file():
            return file, _inside(whole, file)
    return None, ""


def _inside(whole: Path, file: Path) -> str:
    inner = whole.relative_to(file).as_posix()
    return "" if inner == "." else inner


def _existing(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.path)
    if file is None:
        raise NotFound(f"there is no file at or along {local_path(uri.path)}; write hdf5://FILE.h5/internal/path")
    return file, inner


def _new_place(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.path)
    if file is None:
        whole = local_path(uri.path)
        named = [one for one in (whole, *whole.parents) if one.suffix in SUFFIXES]
        if not named:
            raise InvalidUri(f"{uri} names no HDF5 file: write hdf5://FILE.h5/internal/path")
        file, inner = named[-1], _inside(whole, named[-1])
    return file, inner or "data"


def _node(h5: h5py.File, file: Path, inner: str) -> h5py.Group | h5py.Dataset:
    try:
        return h5[inner]
    except KeyError as error:
        raise NotFound(f"there is no {inner} in {file}; it has {_told(_volumes(h5))}") from error


def _dataset(h5: h5py.File, file: Path, inner: str) -> h5py.Dataset:
    node = _node(h5, file, inner)
    if not isinstance(node, h5py.Dataset):
        raise UnsupportedFormat(f"{inner} in {file} is a group; name a volume in it: {_told(_volumes(node))}")
    if why := unreadable(node):
        raise UnsupportedFormat(f"{inner} in {file} holds {why}")
    return node


def _volumes(group: h5py.Group | h5py.Dataset) -> dict[str, str]:
    """Path in the file → dtype and shape, for each dataset in `group` that can be read."""
    return {dataset.name.lstrip("/"): f"{dataset.dtype} {dataset.shape}" for dataset in _readable(group)}


def _refuse_others(file: Path) -> None:
    """Refuse to take a file for one volume that holds more than that."""
    with _opened(file) as h5:
        names = [one.name for one in _within(h5) if isinstance(one, h5py.Dataset)]
    if len(names) > 1:
        raise InvalidInput(
            f"{file} holds {', '.join(names)}: name what is to go, as in hdf5://{file}{names[0]}, or remove the file "
            "yourself"
        )


def _within(node: h5py.Group | h5py.Dataset) -> list[h5py.Group | h5py.Dataset]:
    """A node and all that is in it."""
    nodes = [node]
    if isinstance(node, h5py.Group):
        node.visititems(lambda _, one: nodes.append(one))
    return nodes


def _readable(node: h5py.Group | h5py.Dataset) -> list[h5py.Dataset]:
    return [one for one in _within(node) if isinstance(one, h5py.Dataset) and not unreadable(one)]


def _told(volumes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({text})" for name, text in volumes.items()) or "no volume"


def _only_volume(file: Path) -> str:
    """The path of the one volume of a file; arrays of fewer than three axes count only where there is no other."""
    with _opened(file) as h5:
        datasets = _readable(h5)
        deep = [dataset.name for dataset in datasets if dataset.ndim >= 3] or [dataset.name for dataset in datasets]
        if len(deep) != 1:
            raise UnsupportedFormat(
                f"{file} is not a single volume; name one of its datasets, as in hdf5://{file}/PATH: "
                f"{_told(_volumes(h5))}"
            )
    return str(deep[0]).lstrip("/")
