"""Meshes of a precomputed layer, in one resolution or in several.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/mesh.rst
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource
from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.mesh_files.draco import decode_draco, decode_draco_arrays
from voxome.remotes.mesh_files.ngmesh import decode_ngmesh
from voxome.remotes.precomputed.folders import ShapeFolder, read_files
from voxome.remotes.precomputed.keyed import KeyedValues, check_id
from voxome.remotes.precomputed.mesh_manifest import Manifest
from voxome.remotes.precomputed.provenance import FolderProvenance
from voxome.remotes.precomputed.shards import locate_value
from voxome.remotes.precomputed.transforms import Transform
from voxome.storage.inside import inside

MULTIRESOLUTION = "neuroglancer_multilod_draco"
_DRACO = b"DRACO"


def open_meshes(folder: ShapeFolder) -> MeshSource:
    """Return the meshes in `folder`."""
    return MultiresolutionMeshes(folder) if folder.info.get("@type") == MULTIRESOLUTION else LegacyMeshes(folder)


class LegacyMeshes(FolderProvenance):
    """Meshes in one resolution: a manifest for each segment, and the fragments that it lists."""

    def __init__(self, folder: ShapeFolder) -> None:
        self.name, self._folder = folder.name, folder.path
        self._manifests = KeyedValues(folder.path, None, ":0")

    def ids(self) -> NDArray[np.uint64]:
        return self._manifests.ids()

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        manifest = self._manifests.read(id)
        if manifest is None:
            raise NotFound(f"{self.name} has no mesh of segment {id}")
        if lod != 0:
            raise NotFound(f"{self.name} has one level of detail, 0, not {lod}")
        names = [self._within_folder(fragment) for fragment in self._fragments(id, manifest)]
        files = dict(zip(names, read_files(self._folder, names), strict=True))
        missing = [fragment for fragment, data in files.items() if data is None]
        if missing:
            raise CorruptData(
                f"{self.name}: segment {id} lacks {len(missing)} of {len(files)} fragments, as {missing[0]}"
            )
        return Mesh.join([self._decode(fragment, data or b"") for fragment, data in files.items()])

    def _fragments(self, id: int, manifest: bytes) -> list[str]:
        try:
            return [str(fragment) for fragment in json.loads(manifest)["fragments"]]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise CorruptData(f"{self.name}: cannot decode the manifest of segment {id}: {error!r}") from error

    def _within_folder(self, fragment: str) -> str:
        """Return the name of a fragment in the folder; the manifests of graphene repeat that of the folder."""
        inside(self._folder, fragment)
        return fragment.removeprefix(f"{self._folder.name}/")

    def _decode(self, fragment: str, data: bytes) -> Mesh:
        try:
            return decode_draco(data) if data.startswith(_DRACO) else decode_ngmesh(data)
        except (ValueError, IndexError, struct.error, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode fragment {fragment}: {error}") from error


class MultiresolutionMeshes(FolderProvenance):
    """Meshes in several levels of detail, each cut into Draco fragments."""

    def __init__(self, folder: ShapeFolder) -> None:
        self.name, self._folder = folder.name, folder.path
        self._manifests = KeyedValues(folder.path, folder.info.get("sharding"), ".index")
        self._transform = Transform(folder.info, folder.name)
        bits = folder.info["vertex_quantization_bits"]
        if type(bits) is not int or bits not in (10, 16):
            raise UnsupportedFormat(f"{folder.name}: vertex_quantization_bits is {bits!r}; expected 10 or 16")
        self._steps = (1 << bits) - 1

    def ids(self) -> NDArray[np.uint64]:
        return self._manifests.ids()

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        manifest = self._manifest(id)
        if not 0 <= lod < len(manifest.levels):
            raise NotFound(f"{self.name}: segment {id} has levels of detail 0 to {len(manifest.levels) - 1}, not {lod}")
        level = manifest.levels[lod]
        before = sum(int(one.sizes.sum()) for one in manifest.levels[:lod])
        data = self._read_fragments(id, manifest, before, before + int(level.sizes.sum()))
        starts = np.cumsum([0, *level.sizes])
        fragments = [
            (position, *self._decode(id, data[start:stop]))
            for start, stop, position in zip(starts[:-1], starts[1:], level.positions, strict=True)
            if stop > start
        ]
        if not fragments:
            return Mesh.join([])
        from voxome.remotes.precomputed.mesh_welding import weld  # it imports SciPy, which takes 0.2 s

        nodes, faces = weld(fragments, self._steps)
        model = manifest.grid_origin + level.offset + manifest.chunk_shape * (1 << lod) * nodes
        return Mesh(self._transform.to_nm(model).astype(np.float32), self._transform.orient(faces))

    def _manifest(self, id: int) -> Manifest:
        data = self._manifests.read(id)
        if data is None:
            raise NotFound(f"{self.name} has no mesh of segment {id}")
        try:
            return Manifest.decode(data)
        except (ValueError, struct.error) as error:
            raise CorruptData(f"{self.name}: cannot decode the manifest of segment {id}: {error}") from error

    def _read_fragments(self, id: int, manifest: Manifest, start: int, stop: int) -> bytes:
        """Read some of the fragments, which are in a separate file, or just before the manifest in its shard."""
        if start == stop:
            return b""
        if self._manifests.sharding is None:
            found = read_files(self._folder, [str(check_id(id))])[0]
            data = None if found is None else found[start:stop]
        else:
            location = locate_value(self._folder, self._manifests.sharding, check_id(id))
            first = 0 if location is None else location.start - sum(int(one.sizes.sum()) for one in manifest.levels)
            data = None if location is None or first < 0 else location.file.read_range(first + start, first + stop)
        if data is None or len(data) != stop - start:
            raise CorruptData(f"{self.name}: the fragments of segment {id} are missing or cut short")
        return data

    def _decode(self, id: int, data: bytes) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        try:
            points, faces = decode_draco_arrays(data)
        except ValueError as error:
            raise CorruptData(f"{self.name}: cannot decode a fragment of segment {id}: {error}") from error
        return points.reshape(-1, 3), faces.reshape(-1, 3)
