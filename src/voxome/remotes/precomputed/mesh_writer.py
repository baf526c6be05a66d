"""Writing of meshes in Neuroglancer's formats: in levels of detail, or in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec
from voxome.contracts.shapes import Mesh
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh
from voxome.remotes.precomputed.keyed_writer import KeyedWriter
from voxome.remotes.precomputed.layers import LEGACY_MESHES
from voxome.remotes.precomputed.meshes import MULTIRESOLUTION
from voxome.remotes.precomputed.multiresolution import encode_multiresolution
from voxome.remotes.precomputed.new_shapes import IDENTITY, complete_folder, new_folder
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.writer_options import read_options
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath

Encode = Callable[[int, Sequence[Mesh]], tuple[bytes, bytes]]
"""Returns manifest and fragments of the mesh of a segment."""

_OPTIONS: Mapping[str, Sequence[Any]] = {
    "format": ("multires", "legacy"),
    "bits": (16, 10),
    "sharded": (True, False),
}


@dataclass(frozen=True)
class _Format:
    """A format of meshes.

    Attributes
    ----------
    info : mapping
        Metadata of the folder.
    sharding : Sharding or None
        Parameters of its shards.
    manifest, fragments : str
        What follows the id in the names of files.
    encode : function
        Encodes a mesh.
    """

    info: Mapping[str, Any]
    sharding: Sharding | None
    manifest: str
    fragments: str
    encode: Encode


def check_meshes(uri: Uri, spec: ShapesSpec) -> None:
    """Check that meshes can be written into a folder; see `SupportsWriteMeshes`."""
    _format_of(spec)
    new_folder(uri)


def open_mesh_writer(uri: Uri, spec: ShapesSpec) -> PrecomputedMeshWriter:
    """Open the writer of a folder of meshes; see `SupportsWriteMeshes`."""
    return PrecomputedMeshWriter(storage_path(uri, writing=True), _format_of(spec))


class PrecomputedMeshWriter:
    """Writes the meshes of a folder, group by group; several processes may write other groups at once."""

    def __init__(self, folder: StoragePath, format: _Format) -> None:
        self._folder, self._format = folder, format
        self._writer = KeyedWriter(folder, format.sharding, format.manifest, format.fragments)

    def write_group(self, group: int, meshes: Iterable[tuple[int, Sequence[Mesh]]]) -> None:
        """Write all meshes of a group; see `MeshWriter`.

        Raises
        ------
        InvalidInput
            If a mesh has no faces, or ids are not those of the group in ascending order.
        """
        self._writer.write_group(group, ((id, *self._format.encode(id, levels)) for id, levels in meshes))

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder; see `MeshWriter`."""
        complete_folder(self._folder, "mesh", self._format.info, self._writer.ids(), provenance)


def _format_of(spec: ShapesSpec) -> _Format:
    options = read_options(spec.options, _OPTIONS, "meshes in precomputed://")
    return _FORMATS[options["format"]](options, spec)


def _multiresolution(options: Mapping[str, Any], spec: ShapesSpec) -> _Format:
    sharding = Sharding.of_groups(spec.groups, data_encoding="gzip") if options["sharded"] else None
    info = {
        "@type": MULTIRESOLUTION,
        "vertex_quantization_bits": options["bits"],
        "transform": IDENTITY,
        "lod_scale_multiplier": 1,
        **({"sharding": sharding.to_json()} if sharding is not None else {}),
    }

    def encode(id: int, levels: Sequence[Mesh]) -> tuple[bytes, bytes]:
        return encode_multiresolution(id, levels, options["bits"])

    return _Format(info, sharding, ".index", "", encode)


def _legacy(options: Mapping[str, Any], spec: ShapesSpec) -> _Format:
    return _Format({"@type": LEGACY_MESHES}, None, ":0", ":0:0", _encode_legacy)


def _encode_legacy(id: int, levels: Sequence[Mesh]) -> tuple[bytes, bytes]:
    """Encode the finest level, the only one that the format has."""
    if not levels or not len(levels[0].faces):
        raise InvalidInput(f"the mesh of segment {id} has no faces; leave out objects without a surface")
    return json.dumps({"fragments": [f"{id}:0:0"]}).encode(), encode_ngmesh(levels[0])


_FORMATS: Mapping[str, Callable[[Mapping[str, Any], ShapesSpec], _Format]] = {
    "multires": _multiresolution,
    "legacy": _legacy,
}
