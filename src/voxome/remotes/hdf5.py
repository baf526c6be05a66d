"""``hdf5://FILE.h5/internal/path``: any numeric dataset of an HDF5 file, chunked or not.

Voxel sizes are those of CREMI (`resolution` and `offset`, z, y, x, in nm or in `units`) or of ilastik and Fiji
(`element_size_um`); names of axes are HDF5's dimension labels or ilastik's `axistags`; datasets in a group called
`labels` are labels, as in CREMI. Files of BigDataViewer and Imaris are read by their own rules (`hdf5_pyramids`). Links
are followed, and chunks compressed by filters of hdf5plugin are read. The file is opened for each read and each write,
so that written data are on disk and other processes can use it in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from voxome.contracts.listing import unreadable_entry
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, InvalidInput, InvalidUri, NotFound, VoxomeError
from voxome.remotes.hdf5_datasets import create_dataset, require_readable
from voxome.remotes.hdf5_file import open_file
from voxome.remotes.hdf5_links import (
    datasets_below,
    dead_links_below,
    elsewhere,
    external_link,
    refused_link,
    soft_link,
)
from voxome.remotes.hdf5_nodes import dataset_at, node_at, only_volume, volumes_below
from voxome.remotes.hdf5_parts import replacement
from voxome.remotes.hdf5_pyramids import pyramid_of
from voxome.remotes.hdf5_source import Hdf5Pyramid, Hdf5Source
from voxome.remotes.hdf5_virtual import files_of
from voxome.remotes.spec_checks import parse_options, require_storable
from voxome.storage.atomic import storing

_OWN_SUFFIXES = (".h5", ".hdf5", ".h5ad", ".nwb", ".ims")
"""Suffixes that no other format has."""
SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".h5ad", ".nwb", ".ims", ".mat")
"""Suffixes of HDF5 files: they mark the end of the file name in the URI of a new one."""

_OPTIONS = ("compression", "compression_opts", "shuffle", "fletcher32")


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
        inner = inner or only_volume(file, external=external)
        with open_file(file) as h5:
            if not external:
                _require_own_links(h5, file, inner)
            pyramid = pyramid_of(h5, inner)
            if not external:
                for path in () if pyramid is None else pyramid.paths:
                    _require_own_links(h5, file, path)
                others = () if pyramid is None else (path for path in pyramid.paths if path in h5)
                for path in {inner, *others}:
                    _require_own_folder(file, dataset_at(h5, file, path))
        if pyramid is not None and pyramid.number == 0:
            return Hdf5Pyramid(file, inner, mode)
        return Hdf5Source(file, inner, mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        file, inner = _require_file(uri)
        external = uri.query.get("external", "false") == "true"
        with open_file(file) as h5:
            if not external:
                _require_own_links(h5, file, inner)
            node = node_at(h5, file, inner or "/")
            if not external and (problem := elsewhere(h5, node)):
                raise AccessDenied(f"{inner} in {file} is {problem}")
            volumes = volumes_below(node, inner, external=external)
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
                return file, only_volume(file)
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
            dataset_at(h5, file, inner)
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
                node_at(h5, file, inner)
                del h5[inner]


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


def _require_single(file: Path) -> None:
    """Raise if a file contains more than one dataset."""
    with open_file(file) as h5:
        names = [f"/{name}" for name, _ in datasets_below(h5, "")]
    if len(names) > 1:
        raise InvalidInput(
            f"{file} contains {', '.join(names)}: name the one to delete, as hdf5://{file}{names[0]}, or remove "
            "the file yourself"
        )
