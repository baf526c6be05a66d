"""``swc://FOLDER``: skeletons as SWC files, one an object, called by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_files import UNITS
from voxome.contracts.shape_writers import ShapesSpec
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, NotFound, UnsupportedFormat
from voxome.remotes.shape_files import ShapeFiles, is_shape_folder, require_new
from voxome.remotes.swc_format import decode_swc, encode_swc
from voxome.remotes.writer_options import read_options, take_options
from voxome.storage.find import storage_path

SUFFIX = ".swc"
_OPTIONS: Mapping[str, Sequence[Any]] = {"unit": ("", *UNITS)}


class SwcFiles:
    """The skeletons of a folder; also their writer.

    Parameters
    ----------
    files : ShapeFiles
        The files.
    unit : str or None
        Unit of the files; the one in their headers if None.
    """

    def __init__(self, files: ShapeFiles, unit: str | None = None) -> None:
        self._files, self._unit, self.name = files, unit, files.name
        self.read_provenance, self.add_provenance = files.read_provenance, files.add_provenance

    def ids(self) -> NDArray[np.uint64]:
        return self._files.ids()

    def skeleton(self, id: int) -> Skeleton:
        return read_swc(*self._files.read(id), self._unit)

    def write_group(self, group: int, skeletons: Iterable[tuple[int, Skeleton]]) -> None:
        """Write a file for each skeleton; see `SkeletonWriter`."""
        for id, skeleton in skeletons:
            (self._files.folder / f"{id}{SUFFIX}").write_bytes(encode_swc(skeleton, id).encode())

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder; see `SkeletonWriter`."""
        self._files.finish(provenance)


class SwcRemote:
    """Folders of SWC files; ``?unit=`` is that of files whose headers do not say it: nm, um or mm."""

    file_suffixes = (SUFFIX,)
    signature = "skeletons (ID.swc)"

    def recognises(self, path: Path) -> bool:
        return is_shape_folder(path, (SUFFIX,))

    def open(self, uri: Uri, *, mode: Mode = "r") -> SwcFiles:
        plain, given = take_options(uri, _OPTIONS)
        files = ShapeFiles(storage_path(plain), (SUFFIX,), str(uri))
        if not files.folder.taken():
            raise NotFound(f"{uri} does not exist: there are no files in it")
        return SwcFiles(files, read_options(given, _OPTIONS, "swc://")["unit"] or None)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        plain, _ = take_options(uri, _OPTIONS)
        return ShapeFiles(storage_path(plain), (SUFFIX,), str(uri)).list("skeletons")

    def check_skeletons(self, uri: Uri, spec: ShapesSpec) -> None:
        require_new(_new_files(uri, spec).folder, str(uri))

    def open_skeleton_writer(self, uri: Uri, spec: ShapesSpec) -> SwcFiles:
        return SwcFiles(_new_files(uri, spec))

    def foreign_names(self, uri: Uri) -> Sequence[str]:
        plain, _ = take_options(uri, _OPTIONS)
        return ShapeFiles(storage_path(plain), (SUFFIX,), str(uri)).foreign_names()

    def decode_file(self, name: str, data: bytes, unit: str | None = None) -> Skeleton:
        return read_swc(name, data, unit)

    def encode_file(self, name: str, shape: Mesh | Skeleton) -> bytes:
        if isinstance(shape, Mesh):
            raise UnsupportedFormat(f"{name} is a format of skeletons; save meshes as .ply, .obj, .stl or .glb")
        return encode_swc(shape).encode()

    def delete(self, uri: Uri) -> None:
        storage_path(take_options(uri, _OPTIONS)[0], writing=True).delete()


def read_swc(name: str, data: bytes, unit: str | None = None) -> Skeleton:
    """Decode the content of a file, as `decode_swc` does."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CorruptData(f"{name} is not text: {error}") from error
    return decode_swc(text, name, unit)


def _new_files(uri: Uri, spec: ShapesSpec) -> ShapeFiles:
    read_options(spec.options, {}, "swc://")
    return ShapeFiles(storage_path(uri, writing=True), (SUFFIX,), str(uri))
