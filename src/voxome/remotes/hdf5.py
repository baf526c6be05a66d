"""``hdf5://FILE.h5/internal/path``: any numeric dataset of an HDF5 file, chunked or not.

Voxel sizes are those of CREMI (`resolution` and `offset`, z, y, x, in nm or in `units`) or of ilastik and Fiji
(`element_size_um`); names of axes are HDF5's dimension labels or ilastik's `axistags`; datasets in a group called
`labels` are labels, as in CREMI. Files of BigDataViewer and Imaris are read by their own rules (`hdf5_pyramids`). Links
are followed, and chunks compressed by filters of hdf5plugin are read. The file is opened for each read and each write,
so that written data are on disk and other processes can use it in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # registers its filters
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import Level, require_level
from voxome.contracts.listing import unreadable_entry
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import (
    AccessDenied,
    InvalidInput,
    InvalidUri,
    NotFound,
    ReadOnly,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.geometry.axes import standard_order
from voxome.remotes.arrays import copy_out, writable_slices
from voxome.remotes.hdf5_datasets import (
    add_provenance,
    create_dataset,
    not_a_volume,
    read_provenance,
    require_readable,
    set_attributes,
    spec_of,
    stored_axes,
    unreadable,
)
from voxome.remotes.hdf5_file import open_file
from voxome.remotes.hdf5_ignored import warn_of_ignored
from voxome.remotes.hdf5_links import (
    Identity,
    datasets_below,
    dead_links_below,
    describe_dead_link,
    elsewhere,
    external_link,
    identity,
    refused_link,
    soft_link,
)
from voxome.remotes.hdf5_parts import is_part, replacement
from voxome.remotes.hdf5_pyramids import pyramid_of
from voxome.remotes.hdf5_virtual import files_of
from voxome.remotes.local_files import file_version
from voxome.remotes.spec_checks import parse_options, require_storable
from voxome.storage.atomic import require_space, storing

_OWN_SUFFIXES = (".h5", ".hdf5", ".h5ad", ".nwb", ".ims")
"""Suffixes that no other format has."""
SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".h5ad", ".nwb", ".ims", ".mat")
"""Suffixes of HDF5 files: they mark the end of the file name in the URI of a new one."""

_OPTIONS = ("compression", "compression_opts", "shuffle", "fletcher32")


class Hdf5Source:
    """One dataset."""

    concurrent_writers = False

    def __init__(self, file: Path, inner: str, mode: Mode) -> None:
        self._file, self._inner, self._mode = file, inner, mode
        self._refresh()

    def _refresh(self) -> None:
        with open_file(self._file) as h5:
            dataset = _dataset(h5, self._file, self._inner)
            self._order = standard_order(stored_axes(dataset))
            self._spec = spec_of(dataset, self._inner, self._order)
            self._stored_dtype = self._spec.dtype
            self._pyramid = pyramid_of(h5, self._inner)
            warn_of_ignored(dataset, self._file)
        if self._pyramid is not None:
            self._spec = self._pyramid.applied(self._spec)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        slices = box.within(self._spec.domain)
        with open_file(self._file) as h5:
            stored = _dataset(h5, self._file, self._inner, self._as_stored(slices))[self._as_stored(slices)]
        if self._stored_dtype != self._spec.dtype:
            stored = stored.astype(self._stored_dtype, copy=False).view(self._spec.dtype)
        return copy_out(stored.transpose(self._order), self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        slices = writable_slices(f"hdf5://{self._file}/{self._inner}", self._mode, box, data, self._spec.domain)
        voxels = np.ascontiguousarray(data, self._spec.dtype).view(self._stored_dtype)
        with storing(self._file), open_file(self._file, "r+") as h5:
            dataset = _dataset(h5, self._file, self._inner)
            require_space(self._file, _new_bytes(dataset, box, self._spec))
            dataset[self._as_stored(slices)] = voxels.transpose(np.argsort(self._order))

    def version(self) -> Version:
        with open_file(self._file) as h5:
            files = files_of(_dataset(h5, self._file, self._inner))
        return file_version(*sorted({self._file, *(file for file in files if file.exists())}))

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        if self._mode == "r":
            raise ReadOnly(f"hdf5://{self._file}/{self._inner} is open for reading; open it with mode='r+'")
        with storing(self._file), open_file(self._file, "r+") as h5:
            set_attributes(_dataset(h5, self._file, self._inner), changes)
        self._refresh()

    def read_provenance(self) -> tuple[Provenance, ...]:
        with open_file(self._file) as h5:
            return read_provenance(_dataset(h5, self._file, self._inner))

    def add_provenance(self, one: Provenance) -> None:
        name = f"hdf5://{self._file}/{self._inner}"
        if self._mode == "r":
            raise ReadOnly(f"{name} is open for reading; open it with mode='r+'")
        with storing(self._file), open_file(self._file, "r+") as h5:
            add_provenance(_dataset(h5, self._file, self._inner), one, name)

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


class Hdf5Remote:
    """Datasets of HDF5 files."""

    uri_options = ("external",)
    signature = "an HDF5 file (or FILE/DATASET in it)"
    traits = FormatTraits(suffix=".h5", one_piece=True, codec_option="compression")

    def recognises(self, path: Path) -> bool:
        """Return whether a path is in an HDF5 file, or has the name of one: opening it says what is wrong."""
        file, _ = _split(path)
        return file is not None and (h5py.is_hdf5(file) or (file == path and path.suffix in _OWN_SUFFIXES))

    def open(self, uri: Uri, *, mode: Mode = "r") -> Hdf5Source:
        file, inner = _require_file(uri)
        external = uri.query.get("external", "false") == "true"
        inner = inner or _only_volume(file, external=external)
        with open_file(file) as h5:
            if not external:
                _require_own_links(h5, file, inner)
            pyramid = pyramid_of(h5, inner)
            if not external:
                for path in () if pyramid is None else pyramid.paths:
                    _require_own_links(h5, file, path)
                others = () if pyramid is None else (path for path in pyramid.paths if path in h5)
                for path in {inner, *others}:
                    _require_own_folder(file, _dataset(h5, file, path))
        if pyramid is not None and pyramid.number == 0:
            return Hdf5Pyramid(file, inner, mode)
        return Hdf5Source(file, inner, mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        file, inner = _require_file(uri)
        external = uri.query.get("external", "false") == "true"
        with open_file(file) as h5:
            if not external:
                _require_own_links(h5, file, inner)
            node = _node(h5, file, inner or "/")
            if not external and (problem := elsewhere(h5, node)):
                raise AccessDenied(f"{inner} in {file} is {problem}")
            volumes = _volumes(node, inner, external=external)
            dead = dict(dead_links_below(node, inner.strip("/"), external=external))
        for name, info in volumes.items():
            yield replace(info, uri=str(Uri("hdf5", f"{file}/{name}", uri.query)))
        for name, reason in dead.items():
            yield unreadable_entry(str(Uri("hdf5", f"{file}/{name}", uri.query)), reason)

    def create(self, uri: Uri, spec: VolumeSpec) -> Hdf5Source:
        file, inner = _split_new(uri)
        options = _checked_options(spec)
        new = not file.exists()
        try:
            with storing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                if not new:
                    _require_own_file(file, inner)
                with open_file(file, "w-" if new else "r+") as h5:
                    create_dataset(h5, f"{file}/{inner}", inner, spec, options)
        except VoxomeError:
            if new:
                file.unlink(missing_ok=True)
            raise
        return Hdf5Source(file, inner, "r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        _split_new(uri)
        _checked_options(spec)

    def file_parts(self, uri: Uri) -> tuple[Path, str]:
        file, inner = _split(uri.local_path)
        if file is not None and not inner:
            with suppress(VoxomeError):
                return file, _only_volume(file)
        return _split_new(uri)

    @contextmanager
    def replacement(self, uri: Uri) -> Iterator[Uri]:
        """Replace the dataset at `uri` by another one, when that is complete and was read back.

        It is written beside the other one, or, where HDF5 marks files while they are written, in a copy of the file.

        Yields
        ------
        Uri
            Where to create the other one.
        """
        file, inner = self.file_parts(uri)
        _require_own_file(file, inner)
        with open_file(file) as h5:
            _dataset(h5, file, inner)
        with replacement(file, inner, lambda written, part: Hdf5Source(written, part, "r")) as new:
            yield Uri("hdf5", new, uri.query)

    def check_deletable(self, uri: Uri) -> None:
        file, inner = _require_file(uri)
        with open_file(file) as h5:
            target = soft_link(h5, inner) if inner else None
        if target is not None:
            raise InvalidInput(
                f"{inner} in {file} is a link to {target}; remove the volume by that path, or the link with h5py"
            )

    def delete(self, uri: Uri) -> None:
        self.check_deletable(uri)
        file, inner = _require_file(uri)
        with storing(file):
            if not inner:
                _require_single(file)
                file.unlink()
                return
            _require_own_file(file, inner)
            with open_file(file, "r+") as h5:
                _node(h5, file, inner)
                del h5[inner]


def _new_bytes(dataset: h5py.Dataset, box: Box, spec: VolumeSpec) -> int:
    """Return the most bytes by which a file may grow when a box is written."""
    if dataset.chunks is None:
        return 0 if dataset.id.get_storage_size() else int(dataset.nbytes)
    start = spec.domain.start
    chunks = box.shift([-n for n in start]).snap(spec.write_chunk or box.shape)
    return chunks.size * spec.dtype.itemsize


def _split(whole: Path) -> tuple[Path | None, str]:
    """Return the file that is part of `path`, and the path inside it."""
    for file in (whole, *whole.parents):
        if file.is_file():
            return file, _inside(whole, file)
    return None, ""


def _inside(whole: Path, file: Path) -> str:
    inner = whole.relative_to(file).as_posix()
    return "" if inner == "." else inner


def _require_file(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.local_path)
    if file is None:
        raise NotFound(f"no part of {uri.local_path} is a file; write hdf5://FILE.h5/internal/path")
    return file, inner


def _checked_options(spec: VolumeSpec) -> dict[str, Any]:
    """Return the options in the encoding of `spec`, if HDF5 can store it."""
    require_storable("HDF5", spec)
    options = parse_options("HDF5", spec, _OPTIONS)
    require_readable(spec)
    return options


def _split_new(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.local_path)
    if file is None:
        whole = uri.local_path
        files = [one for one in (whole, *whole.parents) if one.suffix in SUFFIXES]
        if not files:
            raise InvalidUri(f"{uri} does not name an HDF5 file; write hdf5://FILE.h5/internal/path")
        file, inner = files[-1], _inside(whole, files[-1])
    return file, inner or "data"


def _node(h5: h5py.File, file: Path, inner: str) -> h5py.Group | h5py.Dataset:
    try:
        return h5[inner]
    except (KeyError, OSError, RuntimeError) as error:
        if problem := describe_dead_link(h5, inner):
            raise NotFound(f"{inner} in {file} is {problem}") from error
        if not isinstance(error, KeyError):
            raise
        raise NotFound(f"{file} has no {inner}; it has {_list(_volumes(h5))}") from error


def _dataset(h5: h5py.File, file: Path, inner: str, slices: Sequence[slice] | None = None) -> h5py.Dataset:
    """Return a dataset that is a volume; if it is virtual, with all sources of the part that is read."""
    node = _node(h5, file, inner)
    if not isinstance(node, h5py.Dataset):
        raise UnsupportedFormat(f"{inner} in {file} is a group; name a volume in it: {_list(_volumes(node, inner))}")
    if reason := not_a_volume(node) or unreadable(node, slices):
        raise UnsupportedFormat(f"{inner} in {file} has {reason}")
    return node


def _require_own_folder(file: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose voxels are in files that whoever wrote it may have no business to show.

    Raises
    ------
    AccessDenied
    """
    folder = file.resolve().parent
    if outside := sorted(str(one) for one in files_of(dataset) if not one.resolve().is_relative_to(folder)):
        raise AccessDenied(
            f"{dataset.name} in {file} takes voxels from other folders: {', '.join(outside[:3])}; if these are meant, "
            "add ?external=true"
        )


def _require_own_links(h5: h5py.File, file: Path, inner: str) -> None:
    """Refuse a path that leads by links into another folder, before a file there is opened.

    Raises
    ------
    AccessDenied, NotFound
    """
    if problem := refused_link(h5, inner):
        raise type(problem)(f"{inner} in {file} is {problem}")


def _require_own_file(file: Path, inner: str) -> None:
    """Refuse a path that leads into another file by an external link: what changes there is done by its own name.

    Raises
    ------
    AccessDenied
    """
    with open_file(file) as h5:
        found = external_link(h5, inner)
    if found is not None:
        path, link = found
        raise AccessDenied(f"{path} in {file} is a link to {link.path} in {link.filename}; name that file")


def _volumes(node: h5py.Group | h5py.Dataset, path: str = "", *, external: bool = False) -> dict[str, ResourceInfo]:
    """Path in the file → entry, for each volume at or below a node; the description says why one cannot be read."""
    volumes = {}
    for name, dataset in datasets_below(node, path.strip("/"), external=external):
        if not not_a_volume(dataset):
            info = ResourceInfo.of_volume(name, dataset.dtype.name, dataset.shape)
            try:
                reason = unreadable(dataset)
            except (OSError, RuntimeError, ValueError) as error:
                reason = str(error)
            text = f"{info.description}, unreadable: {reason}" if reason else info.description
            volumes[name] = replace(info, description=text)
    return volumes


def _require_single(file: Path) -> None:
    """Raise if a file contains more than one dataset."""
    with open_file(file) as h5:
        names = [f"/{name}" for name, _ in datasets_below(h5, "")]
    if len(names) > 1:
        raise InvalidInput(
            f"{file} contains {', '.join(names)}: name the one to delete, as hdf5://{file}{names[0]}, or remove "
            "the file yourself"
        )


def _list(volumes: Mapping[str, ResourceInfo]) -> str:
    return ", ".join(f"{name} ({info.description})" for name, info in volumes.items()) or "no volume"


def _only_volume(file: Path, *, external: bool = False) -> str:
    """Return the path of the only volume of a file; arrays of fewer than three axes count only if no other exists.

    A pyramid counts as one volume, and so does a dataset with several paths.
    """
    with open_file(file) as h5:
        found: dict[Identity, tuple[str, int]] = {}
        for name, dataset in datasets_below(h5, "", external=external):
            pyramid = pyramid_of(h5, name)
            if not not_a_volume(dataset) and (pyramid is None or pyramid.number == 0) and not is_part(name):
                found.setdefault(identity(dataset), (name, dataset.ndim))
        deep = [name for name, ndim in found.values() if ndim >= 3] or [name for name, _ in found.values()]
        if len(deep) != 1:
            raise UnsupportedFormat(
                f"{file} is not a single volume; name one of its datasets, as in hdf5://{file}/PATH: "
                f"{_list(_volumes(h5))}"
            )
    return deep[0]
