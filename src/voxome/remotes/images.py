"""``images://FOLDER``, ``images://GLOB``, ``images://FILE``: stacks of PNG, JPEG and TIFF images.

A folder or a glob is a stack of sections in natural order of their names, one image per file: z, y, x, or c, z, y, x if
the images have several samples per pixel; one-bit sections among those of eight bits are 0 and 255. Numbers that are
missing in the names are warned of. A single file is read as it is stored: y, x; a stack of pages; colours. Only
sections that a box touches are decoded; some are cached.

A folder may have a ``voxome.json`` beside its sections, with `voxel_size_nm`, `offset_nm`, `kind` and `attributes`; the
folders that `create` makes have one, with their shape too, and files of unwritten sections are missing.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import in_worker
from voxome.contracts.listing import volume_entry
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidInput,
    InvalidUri,
    NotFound,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.remotes.arrays import require_writable, writable_slices
from voxome.remotes.image_codecs import SUFFIXES, Form, encode, format_of, probe
from voxome.remotes.image_stacks import FileStack, SingleFile, StackSource
from voxome.remotes.json_members import (
    problem_of,
    require_numbers,
    require_object,
    require_text,
    require_whole_numbers,
    wrong_member,
)
from voxome.remotes.local_files import file_version
from voxome.remotes.mesh_formats import FORMATS
from voxome.remotes.natural_order import natural_sort
from voxome.remotes.provenance_json import read_attributes, with_entry
from voxome.remotes.section_numbers import describe_gaps
from voxome.remotes.shape_files import is_shape_folder
from voxome.remotes.spec_checks import parse_options
from voxome.remotes.swc import SUFFIX as SWC
from voxome.remotes.tiff_files import image_series, open_tiff
from voxome.remotes.tiffs import TiffStack, voxel_size
from voxome.storage.atomic import replacing, storing
from voxome.storage.bounded_file import read_document
from voxome.storage.json_store import Json, update_json
from voxome.storage.local import LocalPath

_LOG = logging.getLogger(__name__)
_warned: set[str] = set()
"""Stacks whose numbers were looked at."""
SIDECAR = "voxome.json"
_SUFFIX_OF = {"png": ".png", "tiff": ".tif"}
_MOST_SECTIONS = 10_000_000
_COMPRESSIONS = ("zlib", "lzw", "zstd", "none")


class FolderSource(StackSource):
    """A folder of PNG or TIFF sections; different sections may be written at once."""

    concurrent_writers = True

    def __init__(self, folder: Path, stack: FileStack, mode: Mode, sidecar: Mapping[str, Any]) -> None:
        self._folder, self._files, self._mode, self._sidecar = folder, stack.files, mode, sidecar
        self._writing = threading.Lock()
        known = {name: sidecar[name] for name in ("kind", "attributes", "fill") if name in sidecar}
        known |= {name: tuple(sidecar[name]) for name in ("voxel_size_nm", "offset_nm") if sidecar.get(name)}
        super().__init__(stack.files, stack, **known)
        if start := sidecar.get("start"):
            self._spec = self._spec.replace(domain=self._spec.domain.shift(start))

    def write(self, box: Box, data: NDArray[Any]) -> None:
        slices = self._as_stored(writable_slices(f"images://{self._folder}", self._mode, box, data, self._spec.domain))
        stored = data.transpose(np.argsort(self._order))
        with self._writing:
            for index, position in self._touched(slices[:1]) if data.size else ():
                self._write_section(index, slices[1:], stored[position])

    def _write_section(self, index: int, slices: tuple[slice, ...], part: NDArray[Any]) -> None:
        if part.shape == self._stack.form.shape:
            section = np.asarray(part, self._stack.form.dtype)
        else:
            section = self._section(index).copy()
            section[slices] = part
        file = self._files[index]
        kind = SUFFIXES[file.suffix.lower()]
        with replacing(file) as new:
            encode(new, section, kind, self._sidecar.get("compression", "zlib"))
        with self._lock:
            self._cache.pop(index, None)

    def version(self) -> Version:
        files = (*self.paths, self._folder / SIDECAR)
        return file_version(*(path for path in files if path.exists()))

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        require_writable(f"images://{self._folder}", self._mode)
        sidecar = self._update_sidecar(lambda old: {**old, "attributes": {**old.get("attributes", {}), **changes}})
        self._spec = self._spec.replace(attributes=sidecar["attributes"])

    def read_provenance(self) -> tuple[Provenance, ...]:
        return read_attributes(_read_sidecar(self._folder))

    def add_provenance(self, one: Provenance) -> None:
        require_writable(f"images://{self._folder}", self._mode)
        self._update_sidecar(lambda old: with_entry(old, one, self._folder / SIDECAR))

    def _update_sidecar(self, change: Callable[[Json], Json]) -> Json:
        return update_json(LocalPath(str(self._folder)), SIDECAR, change)


class ImagesRemote:
    """Folders of images, and files of one image or of many pages."""

    uri_options = ("series",)
    signature = "a TIFF, PNG or JPEG file, or a folder of these"
    traits = FormatTraits(codec_option="compression")

    def recognises(self, path: Path) -> bool:
        if path.is_dir():
            shapes = is_shape_folder(path, (*FORMATS, SWC))  # have such a file beside them, too
            return ((path / SIDECAR).is_file() and not shapes) or _has_nothing_but_sections(path)
        files = _files(path)
        try:
            return bool(files) and bool(format_of(files[0]))
        except UnsupportedFormat:
            return False
        except CorruptData:
            return True

    def open(self, uri: Uri, *, mode: Mode = "r") -> StackSource:
        path = uri.local_path
        sidecar = _read_sidecar(path) if path.is_dir() else {}
        files = _section_paths(path, sidecar) if "shape" in sidecar else _files(path)
        if not files:
            raise NotFound(f"{path} has no PNG, JPEG or TIFF images; name a folder, a glob or a file of them")
        if path.is_file():
            return _open_file(path, mode, _series_number(uri))
        stack = _new_stack(files, sidecar) if "shape" in sidecar else _existing_stack(files)
        if "shape" not in sidecar:
            _warn_of_gaps(path, files)
        if mode == "r+" and (not path.is_dir() or any(file.suffix.lower() in (".jpg", ".jpeg") for file in files)):
            raise UnsupportedFormat(f"{path} is read only; only folders of PNG or TIFF sections can be written")
        return FolderSource(path, stack, mode, sidecar) if path.is_dir() else StackSource(files, stack)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        path = uri.local_path
        if path.is_file():
            yield from _list_file(path, uri)
            return
        try:
            spec = self.open(uri).spec
        except VoxomeError:
            if not path.is_dir():
                raise
            for one in natural_sort(path.iterdir()):
                if self.recognises(one):
                    yield from self.list(Uri("images", str(one)))
            return
        yield ResourceInfo.of_spec(str(Uri("images", str(path))), spec)

    def create(self, uri: Uri, spec: VolumeSpec) -> StackSource:
        folder = uri.local_path
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise AlreadyExists(f"{folder} exists; choose another name, or delete it")
        sidecar = _new_sidecar(folder, spec)
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _write_sidecar(folder, sidecar)
        return self.open(uri, mode="r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        _new_sidecar(uri.local_path, spec)

    def listed_files(self, uri: Uri) -> Sequence[Path]:
        """Return the sections, and the metadata beside them.

        Raises
        ------
        InvalidUri
            If they are not a folder or a whole file.
        """
        path = uri.local_path
        source = self.open(uri)
        if not path.exists():
            raise InvalidUri(f"{uri} is a pattern; delete a folder or a file")
        if path.is_file() and (len(source.paths) > 1 or "series" in uri.query):
            files = ", ".join(str(file) for file in source.paths)
            raise InvalidUri(f"{uri} is a part or a set of files, not a file: delete {files} yourself")
        sidecar = path / SIDECAR
        return [*source.paths, *([sidecar] if path.is_dir() and sidecar.is_file() else [])]

    def delete(self, uri: Uri) -> None:
        path = uri.local_path
        files = self.listed_files(uri)
        with storing(path):
            for file in files:
                file.unlink(missing_ok=True)
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _warn_of_gaps(path: Path, files: Sequence[Path]) -> None:
    """Log a warning, once in a process and not in workers, if numbers of sections are missing."""
    if str(path) in _warned or in_worker():
        return
    _warned.add(str(path))
    if problem := describe_gaps(files):
        _LOG.warning("%s: %s", path, problem)


def _files(path: Path) -> list[Path]:
    """Return the image at a path, those in a folder, or those that match a pattern, in natural order."""
    if path.is_file():
        return [path]
    parts = path.parts
    first = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), None)
    if path.is_dir():
        files = list(path.iterdir())
    else:
        files = [] if first is None else list(Path(*parts[:first]).glob("/".join(parts[first:])))
    images = (file for file in files if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return natural_sort(file for file in images if file.is_file())


def _has_nothing_but_sections(folder: Path) -> bool:
    """Return whether a folder is a stack: images of one format, and nothing else but hidden files."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if not all(entry.suffix.lower() in SUFFIXES and entry.is_file() for entry in entries):
        return False
    try:
        return bool(entries) and bool(format_of(entries[0]))
    except (UnsupportedFormat, CorruptData):
        return False


def _series_number(uri: Uri) -> int | None:
    """Return the number in ``?series=``, or None."""
    text = uri.query.get("series")
    if text is not None and not text.isdecimal():
        raise InvalidUri(f"{uri}: series {text!r} is not a number; write ?series=0")
    return None if text is None else int(text)


def _open_file(file: Path, mode: Mode, series: int | None) -> StackSource:
    if mode == "r+":
        raise UnsupportedFormat(f"{file} is read only; only folders of PNG or TIFF sections can be written")
    if format_of(file) == "tiff":
        stack = TiffStack(file, series)
        return StackSource(stack.paths, stack)
    if series:
        raise NotFound(f"{file} has a single image, not a series {series}")
    return StackSource([file], SingleFile(file, probe(file)))


def _list_file(file: Path, uri: Uri) -> Iterator[ResourceInfo]:
    """List a file of images: one volume, or one for each series of a TIFF file."""
    count, number = 1, _series_number(uri)
    with suppress(VoxomeError):  # a damaged file says so when it is opened
        if number is None and format_of(file) == "tiff":
            with open_tiff(file) as tiff:
                count = len(image_series(tiff))
    for index in [number] if count == 1 else range(count):
        query = {} if index is None else {"series": str(index)}
        yield volume_entry(str(Uri("images", str(file), query)), partial(_spec_of, file, index))


def _spec_of(file: Path, series: int | None) -> VolumeSpec:
    return _open_file(file, "r", series).spec


def _existing_stack(files: Sequence[Path]) -> FileStack:
    """Return the stack of existing sections, all of one form."""
    kind, forms = format_of(files[0]), [probe(file) for file in files]
    common = next((form for form in forms if form.dtype != bool), forms[0])
    for file, form in zip(files, forms, strict=True):
        if (other := format_of(file)) != kind:
            raise UnsupportedFormat(f"{file} is {other}, {files[0]} is {kind}: name the sections by a glob, as *.png")
        if not form.fits(common):
            raise UnsupportedFormat(
                f"{file} is {form}, but {files[0]} is {forms[0]}: sections must have the same shape and dtype"
            )
    size = None
    if kind == "tiff":
        with open_tiff(files[0]) as tiff:
            size = voxel_size(tiff)
    return FileStack(files, common, voxel_size_nm=size)


def _read_sidecar(folder: Path) -> dict[str, Any]:
    """Return the content of the sidecar of a folder; empty if it does not exist."""
    path = folder / SIDECAR
    if not path.is_file():
        return {}
    try:
        return _checked_sidecar(require_object("its content", json.loads(read_document(path))))
    except (KeyError, ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise CorruptData(f"{path} is not a valid sidecar: {problem_of(error)}") from error


def _checked_sidecar(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members with their numbers as numbers.

    Raises
    ------
    KeyError, ValueError, TypeError or SyntaxError
        For the first member that is something else than we write.
    """
    checked = dict(sidecar)
    for name in ("voxel_size_nm", "offset_nm"):
        if sidecar.get(name):
            checked[name] = require_numbers(name, sidecar[name], 3)
    if "start" in sidecar:
        checked["start"] = require_whole_numbers("start", sidecar["start"], -(1 << 60), len(sidecar["shape"]))
    if "shape" not in sidecar:
        return checked
    checked["shape"] = shape = require_whole_numbers("shape", sidecar["shape"], 1)
    if len(shape) not in (3, 4) or shape[-3] > _MOST_SECTIONS:
        raise wrong_member("shape", shape, f"three or four numbers, at most {_MOST_SECTIONS:,} sections")
    if np.dtype(require_text("dtype", sidecar["dtype"])).kind not in "biuf":
        raise wrong_member("dtype", sidecar["dtype"], "a type of numbers")
    if not isinstance(sidecar["fill"], int | float):
        raise wrong_member("fill", sidecar["fill"], "a number")
    if require_text("format", sidecar["format"]) not in _SUFFIX_OF:
        raise wrong_member("format", sidecar["format"], f"one of {', '.join(_SUFFIX_OF)}")
    return checked


def _write_sidecar(folder: Path, sidecar: Mapping[str, Any]) -> None:
    with replacing(folder / SIDECAR) as new:
        new.write_text(json.dumps(sidecar, indent=1))


def _new_sidecar(folder: Path, spec: VolumeSpec) -> dict[str, Any]:
    """Return the sidecar of a new folder for `spec`."""
    if folder.suffix.lower() in SUFFIXES:
        raise InvalidUri(
            f"{folder} names an image; a new stack is a folder of sections: images://{folder.with_suffix('')}"
        )
    options = parse_options("image stacks", spec, ("format", "compression"))
    kind, compression = options.get("format", "tiff"), options.get("compression", "zlib")
    if kind not in _SUFFIX_OF or compression not in _COMPRESSIONS:
        raise InvalidInput(
            f"images of format {kind!r}, compression {compression!r} cannot be written; formats: "
            f"{', '.join(_SUFFIX_OF)}; compressions (for tiff): {', '.join(_COMPRESSIONS)}"
        )
    colours = spec.domain.shape[0] in (3, 4)
    if spec.axes != ("z", "y", "x") and not (spec.axes == ("c", "z", "y", "x") and colours):
        raise UnsupportedFormat(
            f"image stacks have axes z, y, x, or c, z, y, x with 3 or 4 channels, not "
            f"{'/'.join(spec.axes)} of shape {spec.domain.shape}"
        )
    if spec.dtype.kind not in "biuf" or (kind == "png" and spec.dtype not in (np.uint8, np.uint16)):
        raise UnsupportedFormat(f"{kind} images cannot store voxels of dtype {spec.dtype}; PNG stores uint8 and uint16")
    return {
        "shape": spec.domain.shape,
        "start": spec.domain.start,
        "dtype": spec.dtype.name,
        "fill": spec.fill,
        "kind": spec.kind,
        "voxel_size_nm": spec.voxel_size_nm,
        "offset_nm": spec.offset_nm,
        "attributes": dict(spec.attributes),
        "format": kind,
        "compression": compression,
    }


def _section_paths(folder: Path, sidecar: Mapping[str, Any]) -> list[Path]:
    """Return the path of each section of a folder that voxome created, written or not."""
    return [folder / f"{z:06d}{_SUFFIX_OF[sidecar['format']]}" for z in range(sidecar["shape"][-3])]


def _new_stack(files: Sequence[Path], sidecar: Mapping[str, Any]) -> FileStack:
    *channels, _, y, x = sidecar["shape"]
    return FileStack(files, Form((*channels, y, x), np.dtype(sidecar["dtype"])), fill=sidecar["fill"])
