"""Sources as precomputed volumes, which Neuroglancer, cloud-volume and tensorstore read.

===================================================  ============================================================
``GET /precomputed/NAME/info``                       shape and meaning of all levels, as JSON
``GET /precomputed/NAME/LEVEL/X0-X1_Y0-Y1_Z0-Z1``   the voxels of a chunk
``GET /precomputed/NAME/mesh/ID:0``, ``…/ID:0:0``   manifest and surface of a segment, where the store has meshes
``GET /precomputed/NAME/skeletons/ID``               a skeleton, where the store has skeletons
``GET /precomputed/NAME/segment_properties/info``   properties of segments, where the store has them
===================================================  ============================================================

Chunks begin at the first voxel of a level. Labels of 32 and 64 bits are compressed segmentations, all else is raw:
nothing is lossy. Booleans are served as uint8 and float16 as float32, which have the same numbers exactly; other data
types that the format lacks are refused at ``info``. Meshes are served in their finest level of detail, skeletons with
their radii only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from voxome.contracts.abilities import ability
from voxome.contracts.encoded_shapes import (
    EncodedShapes,
    Shape,
    SupportsEncodedShapes,
    SupportsSegmentProperties,
)
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.errors import UnsupportedFormat
from voxome.registry import load
from voxome.relay.dialects.volume_files import JSON, VolumeFilesDialect
from voxome.relay.files import FileAnswer
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay

_SCHEME = "precomputed"
_MESH, _SKELETONS, _PROPERTIES = "mesh", "skeletons", "segment_properties"
"""Members of ``info`` that name folders; the folders are called the same."""


class PrecomputedDialect(VolumeFilesDialect):
    """Sources as precomputed volumes under ``/precomputed``, with the meshes and skeletons that their stores have.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay, f"/{_SCHEME}", _SCHEME, together="c")
        shapes = ability(load("voxome.remotes", _SCHEME)(), SupportsEncodedShapes)
        if shapes is None:
            raise UnsupportedFormat(f"the remote {_SCHEME} has no files of meshes and skeletons that could be served")
        self._meshes: EncodedShapes[Mesh] = shapes.mesh_files()
        self._skeletons: EncodedShapes[Skeleton] = shapes.skeleton_files()

    def attributes(self, sources: PermittedSources, name: str) -> Mapping[str, Any]:
        """Return the folders that a source has beside its voxels."""
        has = {
            _MESH: sources.use(name, MeshSource, lambda source: True),
            _SKELETONS: sources.use(name, SkeletonSource, lambda source: True),
            _PROPERTIES: _properties(sources, name) is not None,
        }
        return {folder: folder for folder, exists in has.items() if exists}

    def file(self, sources: PermittedSources, name: str, path: str) -> FileAnswer | None:
        """Return a file of the volume, or of a folder beside its voxels; None if it has none."""
        folder, _, rest = path.partition("/")
        if folder == _MESH:
            return sources.use(name, MeshSource, lambda source: _file(self._meshes, rest, source.mesh))
        if folder == _SKELETONS:
            return sources.use(name, SkeletonSource, lambda source: _file(self._skeletons, rest, source.skeleton))
        if path == f"{_PROPERTIES}/info":
            properties = _properties(sources, name)
            return None if properties is None else FileAnswer(json.dumps(properties).encode(), JSON)
        return super().file(sources, name, path)


def _file(files: EncodedShapes[Shape], path: str, read: Callable[[int], Shape]) -> FileAnswer | None:
    """Return a file of a folder of shapes, each of which is read by its id; None if there is no such file."""
    id = files.find(path)
    if id is not None:
        return FileAnswer(files.encode(path, read(id)))
    content = files.metadata().get(path)
    return None if content is None else FileAnswer(content, JSON)


def _properties(sources: PermittedSources, name: str) -> Mapping[str, Any] | None:
    return sources.use(name, SupportsSegmentProperties, lambda source: source.read_segment_properties())
