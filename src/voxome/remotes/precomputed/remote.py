"""``precomputed://PATH``: volumes, meshes, skeletons and annotations of Neuroglancer, in any store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.listing import unreadable_entry
from voxome.contracts.points import PointsSpec, PointsWriter
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import MeshWriter, ShapesSpec, SkeletonWriter
from voxome.contracts.source import Mode, ResourceInfo, Source
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, AlreadyExists, CorruptData, NotFound
from voxome.remotes.precomputed.annotation_writer import AnnotationWriter
from voxome.remotes.precomputed.create import new_info
from voxome.remotes.precomputed.encoded_shapes import LegacyMeshFiles, SkeletonFiles
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import Json, check, whole_numbers
from voxome.remotes.precomputed.layers import VOLUME, list_layer, open_shapes, read_layer, type_of
from voxome.remotes.precomputed.mesh_writer import check_meshes, open_mesh_writer
from voxome.remotes.precomputed.new_shapes import foreign_names
from voxome.remotes.precomputed.own_files import own_files
from voxome.remotes.precomputed.segment_properties import properties_folder, stored_properties, write_segment_properties
from voxome.remotes.precomputed.skeleton_writer import check_skeletons, open_skeleton_writer
from voxome.remotes.precomputed.source import PrecomputedPyramid, open_level
from voxome.remotes.precomputed.volume_files import PrecomputedFiles
from voxome.storage.find import storage_path
from voxome.storage.json_store import begins_as_object, read_json, update_json
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.storage.walk import walk


class PrecomputedRemote:
    """Layers that Neuroglancer reads."""

    traits = FormatTraits(lossy_codecs=frozenset({"jpeg"}), creates_levels=True)
    marker_files = (INFO,)
    """Files by which a folder is recognised."""
    signature = "a precomputed layer (info)"

    def open(self, uri: Uri, *, mode: Mode = "r") -> Source:
        return self._open(uri, mode)

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> Source:
        return self._open(uri, mode, number)

    def _open(self, uri: Uri, mode: Mode, number: int | None = None) -> Source:
        folder = storage_path(uri, writing=mode == "r+")
        info = read_layer(folder) or read_json(folder, INFO)
        if info is None:
            raise NotFound(f"{uri} is not a precomputed layer: {folder}/{INFO} does not exist")
        if type_of(info) != VOLUME:
            return open_shapes(folder, info, str(uri), mode)
        check(info, str(uri))
        info = whole_numbers(info)
        if number is None:
            return PrecomputedPyramid(folder, info, mode=mode, name=str(uri))
        return open_level(folder, info, number, mode=mode, name=str(uri))

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for folder, info in walk(storage_path(uri), _look):
            if isinstance(info, Exception):
                yield unreadable_entry(folder.uri("precomputed"), info)
            else:
                yield from list_layer(folder, info)

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a folder with the ``info`` of a Neuroglancer layer, even a damaged one."""
        return (path / INFO).is_file() and _is_layer(LocalPath(str(path)))

    def recognises_folder(self, folder: Uri) -> bool:
        return _is_layer(storage_path(folder))

    def create(self, uri: Uri, spec: VolumeSpec) -> PrecomputedPyramid:
        """Create a volume of one scale and open it for writing.

        ``spec.encoding["codec"]`` is raw, jpeg, png or compressed_segmentation (by default the last for labels of 32 or
        64 bits, else raw), or a mapping of ``name`` and options under their names in ``info``. With a `write_chunk`
        larger than `read_chunk`, the volume has shards.
        """
        folder = storage_path(uri, writing=True)
        folder.must_be_free(str(uri))
        info = new_info(spec, str(uri))

        def enter(old: Json) -> Json:
            if old:
                raise AlreadyExists(f"{uri} already exists; choose another path, or delete it")
            return info

        update_json(folder, INFO, enter)
        return PrecomputedPyramid(folder, info, mode="r+", name=str(uri))

    def volume_files(self, levels: Sequence[VolumeSpec], name: str) -> PrecomputedFiles:
        return PrecomputedFiles(levels, name)

    def mesh_files(self) -> LegacyMeshFiles:
        return LegacyMeshFiles()

    def skeleton_files(self) -> SkeletonFiles:
        return SkeletonFiles()

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        new_info(spec, str(uri))

    def check_meshes(self, uri: Uri, spec: ShapesSpec) -> None:
        """Check that meshes can be written into a folder.

        Options of `spec`: ``format`` is multires (levels of detail) or legacy (the finest one); ``bits``, 16 or 10, of
        a coordinate in a fragment, and whether the folder is ``sharded``, are of the former.
        """
        check_meshes(uri, spec)

    def open_mesh_writer(self, uri: Uri, spec: ShapesSpec) -> MeshWriter:
        return open_mesh_writer(uri, spec)

    def check_skeletons(self, uri: Uri, spec: ShapesSpec) -> None:
        """Check that skeletons can be written into a folder; the only option of `spec` is whether it is ``sharded``."""
        check_skeletons(uri, spec)

    def open_skeleton_writer(self, uri: Uri, spec: ShapesSpec) -> SkeletonWriter:
        return open_skeleton_writer(uri, spec)

    def foreign_names(self, uri: Uri) -> Sequence[str]:
        return foreign_names(storage_path(uri))

    def open_points_writer(self, uri: Uri, spec: PointsSpec) -> PointsWriter:
        return AnnotationWriter(storage_path(uri, writing=True), str(uri), spec)

    def segment_properties_file(self, uri: Uri) -> str:
        return (properties_folder(uri) / INFO).address

    def stored_segment_properties(self, uri: Uri) -> tuple[tuple[str, ...], tuple[Provenance, ...]]:
        return stored_properties(uri)

    def write_segment_properties(
        self,
        uri: Uri,
        ids: NDArray[np.uint64],
        columns: Mapping[str, NDArray[Any]],
        provenance: Provenance | None = None,
    ) -> tuple[str, ...]:
        return write_segment_properties(uri, ids, columns, provenance)

    def own_files(self, uri: Uri) -> str:
        folder = storage_path(uri)
        return own_files(folder, read_layer(folder) or {})

    def delete(self, uri: Uri) -> None:
        folder = storage_path(uri, writing=True)
        if read_layer(folder) is None:
            raise NotFound(f"{uri} is not a precomputed layer; nothing was deleted")
        folder.delete()


def _is_layer(folder: StoragePath) -> bool:
    try:
        return read_layer(folder) is not None
    except CorruptData:
        return begins_as_object(folder, INFO)  # so that opening it says what is wrong
    except AccessDenied:
        return False


def _look(folder: StoragePath, folders: Sequence[str], files: Sequence[str]) -> tuple[Json | None, Sequence[str]]:
    info = read_layer(folder) if INFO in files else None
    return info, folders if info is None else ()
