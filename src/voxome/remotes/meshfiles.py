"""``meshfiles://FOLDER``: meshes as files, one an object, called by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.mesh_formats import FORMATS, WRITTEN, decode_mesh, encode_mesh
from voxome.remotes.shape_files import ShapeFiles, is_shape_folder, require_new
from voxome.remotes.writer_options import read_options, take_options
from voxome.storage.find import storage_path

_FORMAT = "format"
_NAMES = ("ply", "obj", "stl", "glb", "ngmesh")
_WRITES: Mapping[str, Sequence[Any]] = {_FORMAT: _NAMES}
_READS: Mapping[str, Sequence[Any]] = {_FORMAT: ("", *(suffix.removeprefix(".") for suffix in FORMATS))}
assert {f".{name}" for name in _NAMES} == set(WRITTEN)


class MeshFiles:
    """The meshes of a folder, in one level of detail; also their writer.

    Parameters
    ----------
    files : ShapeFiles
        The files.
    """

    def __init__(self, files: ShapeFiles) -> None:
        self._files, self.name = files, files.name
        self.read_provenance, self.add_provenance = files.read_provenance, files.add_provenance

    def ids(self) -> NDArray[np.uint64]:
        return self._files.ids()

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        if lod != 0:
            raise NotFound(f"{self.name} has one level of detail, 0, not {lod}")
        return decode_mesh(*self._files.read(id))

    def write_group(self, group: int, meshes: Iterable[tuple[int, Sequence[Mesh]]]) -> None:
        """Write the finest level of detail of each mesh; see `MeshWriter`."""
        for id, levels in meshes:
            if not levels:
                raise InvalidInput(f"the mesh of segment {id} has no level of detail; expected at least one")
            name = f"{id}{self._files.suffixes[0]}"
            (self._files.folder / name).write_bytes(encode_mesh(name, levels[0]))

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder; see `MeshWriter`."""
        self._files.finish(provenance)


class MeshFilesRemote:
    """Folders of mesh files: OBJ, PLY, STL and Draco in nm, GLB in metres; x, y, z.

    ``?format=`` is that of new files (ply, obj, stl, glb or ngmesh; ply by default), or of those that are read (all by
    default).
    """

    file_suffixes = tuple(FORMATS)
    signature = "meshes (ID.ply)"

    def recognises(self, path: Path) -> bool:
        return is_shape_folder(path, tuple(FORMATS))

    def open(self, uri: Uri, *, mode: Mode = "r") -> MeshFiles:
        files = _files(uri)
        if not files.folder.taken():
            raise NotFound(f"{uri} does not exist: there are no files in it")
        return MeshFiles(files)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        return _files(uri).list("meshes")

    def check_meshes(self, uri: Uri, spec: ShapesSpec) -> None:
        require_new(_new_files(uri, spec).folder, str(uri))

    def open_mesh_writer(self, uri: Uri, spec: ShapesSpec) -> MeshFiles:
        return MeshFiles(_new_files(uri, spec))

    def foreign_names(self, uri: Uri) -> Sequence[str]:
        plain, _ = take_options(uri, _READS)
        return ShapeFiles(storage_path(plain), tuple(WRITTEN), str(uri)).foreign_names()

    def decode_file(self, name: str, data: bytes, unit: str | None = None) -> Mesh:
        if unit is not None:
            raise InvalidInput(f"{name}: unit={unit!r} is for skeletons; vertices are in nm, those of .glb in metres")
        return decode_mesh(name, data)

    def encode_file(self, name: str, shape: Mesh | Skeleton) -> bytes:
        if isinstance(shape, Skeleton):
            raise UnsupportedFormat(f"{name} is a format of meshes; save skeletons as .swc")
        return encode_mesh(name, shape)

    def delete(self, uri: Uri) -> None:
        storage_path(take_options(uri, _READS)[0], writing=True).delete()


def _files(uri: Uri) -> ShapeFiles:
    plain, given = take_options(uri, _READS)
    chosen = read_options(given, _READS, "meshfiles://")[_FORMAT]
    return ShapeFiles(storage_path(plain), (f".{chosen}",) if chosen else tuple(FORMATS), str(uri))


def _new_files(uri: Uri, spec: ShapesSpec) -> ShapeFiles:
    plain, given = take_options(uri, _WRITES)
    chosen = read_options({**spec.options, **given}, _WRITES, "meshfiles://")[_FORMAT]
    return ShapeFiles(storage_path(plain, writing=True), (f".{chosen}",), str(uri))
