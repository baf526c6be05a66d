"""Sources as precomputed volumes, which Neuroglancer, cloud-volume and tensorstore read.

===================================================  ============================================================
``GET /precomputed/NAME/info``                       shape and meaning of all levels, as JSON
``GET /precomputed/NAME/LEVEL/X0-X1_Y0-Y1_Z0-Z1``   the voxels of a chunk
``GET /precomputed/NAME/mesh/ID:0``, ``…/ID:0:0``   manifest and surface of a segment, where the store has meshes
``GET /precomputed/NAME/skeletons/ID``               a skeleton, where the store has skeletons
``GET /precomputed/NAME/segment_properties/info``   properties of segments, where the store has them
``GET /precomputed/NAME/…``                          files of a collection of annotations
===================================================  ============================================================

Chunks begin at the first voxel of a level. Labels of 32 and 64 bits are compressed segmentations, all else is raw:
nothing is lossy. Booleans are served as uint8 and float16 as float32, which have the same numbers exactly; other data
types that the format lacks are refused at ``info``. Meshes, skeletons and annotations that are stored in this format
are served as they are stored, with all levels of detail and attributes, by ranges where they are sharded. Of other
stores, meshes have their finest level of detail, and skeletons their radii only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from voxome.contracts.abilities import ability
from voxome.contracts.encoded_shapes import (
    EncodedShapes,
    Shape,
    SupportsEncodedShapes,
    SupportsSegmentProperties,
)
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.contracts.stored_files import StoredPart, SupportsStoredFiles
from voxome.errors import InvalidBox, NotFound, UnsupportedFormat
from voxome.registry import load
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.collections import PermittedCollections
from voxome.relay.dialects.chunk_answer import ChunkAnswer
from voxome.relay.dialects.volume_files import JSON, VolumeFilesDialect
from voxome.relay.files import FileAnswer
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.source_names import split_version
from voxome.relay.sources import Sources
from voxome.relay.stored import ReadPart, stored_response

_SCHEME = "precomputed"
_MESH, _SKELETONS, _PROPERTIES = "mesh", "skeletons", "segment_properties"
"""Members of ``info`` that name folders; the folders are called the same."""
_FOLDERS = f"{_SCHEME}/folders"
"""Key by which those of a source are known."""


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
        relay.sources.facts.define(_FOLDERS, self._folders)

    async def ready(self, request: Request) -> Response | None:
        """Return the answer to a request of a chunk that is in memory; None if a collection has such a name."""
        parts = request.scope["path"].removeprefix(f"{self.prefix}/").split("/")
        if any("/".join(parts[:count]) in self._relay.collections for count in range(1, len(parts))):
            return None
        return await super().ready(request)

    def _answer(self, request: Request, caller: Caller, body: bytearray) -> Response:
        """Answer with a stored file, if the path is that of one, or a computed one."""
        path, sources = request.path_params["path"], PermittedSources(self._relay.sources, caller)
        for name, read, public in self._stored(sources, PermittedCollections(self._relay.collections, caller), path):
            answer = stored_response(
                request, read, media_type=JSON if path.endswith("/info") else "application/octet-stream",
                public=public, immutable=split_version(name)[1] is not None,
                most_bytes=self._relay.largest_cutout_bytes,
            )  # fmt: skip
            if answer is not None:
                return answer
        if (name := path.rstrip("/")) in self._relay.collections:
            PermittedCollections(self._relay.collections, caller).rights(name)
            raise NotFound(
                f"there is no {self.prefix}/{path}, as a collection is no file; read {self.prefix}/{name}/info"
            )
        return super()._answer(request, caller, body)

    def _stored(
        self, sources: PermittedSources, collections: PermittedCollections, path: str
    ) -> Iterator[tuple[str, ReadPart, bool]]:
        """Yield the stored files that a path may name: the name, what reads it, and whether everybody may."""
        parts = path.split("/")
        for count in range(len(parts) - 1, 0, -1):
            name, rest = "/".join(parts[:count]), "/".join(parts[count:])
            if name in collections:
                yield name, partial(collections.read, name, rest), PUBLIC in collections.rights(name).readers
        for name, rest in self._names(sources, path):
            folder, _, file = rest.partition("/")
            if folder in (_MESH, _SKELETONS) and file:
                read = partial(_read_stored, sources, name, folder, file)
                yield name, read, PUBLIC in sources.rights(name).readers

    def attributes(self, sources: PermittedSources, name: str) -> Mapping[str, Any]:
        """Return the folders that a source has beside its voxels."""
        folders: Mapping[str, Any] = sources.fact(name, _FOLDERS)
        return folders

    def _folders(self, name: str) -> Mapping[str, Any]:
        sources = self._relay.sources
        has = {
            _MESH: sources.use(name, MeshSource, lambda source: True),
            _SKELETONS: sources.use(name, SkeletonSource, lambda source: True),
            _PROPERTIES: _properties(sources, name) is not None,
        }
        return {folder: folder for folder, exists in has.items() if exists}

    def file(self, sources: PermittedSources, name: str, path: str) -> FileAnswer | ChunkAnswer | None:
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


def _read_stored(
    sources: PermittedSources, name: str, folder: str, path: str, start: int | None, stop: int | None
) -> StoredPart | None:
    def read(source: SupportsStoredFiles) -> StoredPart | InvalidBox | None:
        files = source.stored_files(folder)
        try:
            return None if files is None else files.read(path, start, stop)
        except InvalidBox as error:  # which is the caller's, not of the store
            return error

    found = sources.use(name, SupportsStoredFiles, read)
    if isinstance(found, InvalidBox):
        raise found
    return found


def _file(files: EncodedShapes[Shape], path: str, read: Callable[[int], Shape]) -> FileAnswer | None:
    """Return a file of a folder of shapes, each of which is read by its id; None if there is no such file."""
    id = files.find(path)
    if id is not None:
        return FileAnswer(files.encode(path, read(id)))
    content = files.metadata().get(path)
    return None if content is None else FileAnswer(content, JSON)


def _properties(sources: PermittedSources | Sources, name: str) -> Mapping[str, Any] | None:
    return sources.use(name, SupportsSegmentProperties, lambda source: source.read_segment_properties())
