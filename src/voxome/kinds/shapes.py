"""Meshes and skeletons that tools of groups of ids return, in a store for them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from voxome.contracts.abilities import SupportsUriOptions
from voxome.contracts.formats import FILE
from voxome.contracts.handle import Handle
from voxome.contracts.json_text import parse_object
from voxome.contracts.kinds import Kind, Reader, Target
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.shape_writers import (
    RECORD,
    MeshWriter,
    ShapesSpec,
    SkeletonWriter,
    SupportsWriteMeshes,
    SupportsWriteSkeletons,
)
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.ownership import FOREIGN, require_own
from voxome.kinds.versions import pinned_folder, require_recordable
from voxome.resources.open import absolute, open
from voxome.resources.recognition import get_remote
from voxome.resources.shapes import Meshes as StoredMeshes
from voxome.resources.shapes import Skeletons as StoredSkeletons
from voxome.storage.find import storage_options, storage_path
from voxome.storage.path import StoragePath
from voxome.storage.probe import write_problem

FORMAT = "precomputed"
"""The format of the shapes that a run keeps in its own store."""


@dataclass(frozen=True)
class ShapesReader:
    """Meshes or skeletons as an input."""

    shapes: StoredMeshes | StoredSkeletons

    def read(self, box: Box) -> StoredMeshes | StoredSkeletons:
        """Return them all."""
        return self.shapes

    def view(self) -> StoredMeshes | StoredSkeletons:
        """Return them all."""
        return self.shapes


class ShapesWriter:
    """Meshes or skeletons that are written group by group."""

    def __init__(self, writer: MeshWriter | SkeletonWriter) -> None:
        self._writer = writer

    def begin_job(self) -> None:
        """Do nothing: groups that were written are written again."""

    def write(self, value: Any, block: Block) -> None:
        """Write the shapes of a group."""
        self._writer.write_group(block.index, value)

    def end_job(self, phase: int, job: int) -> None:
        """Do nothing: every group is stored when it is written."""


@dataclass(frozen=True)
class Shapes(Kind):
    """Shapes by id, which a tool of scope ``groups`` returns for each group."""

    resource: ClassVar[type[StoredMeshes] | type[StoredSkeletons]]
    """What is opened."""

    @abstractmethod
    def _check(self, uri: Uri, spec: ShapesSpec) -> None:
        """Check that the shapes can be written there."""

    @abstractmethod
    def _open_writer(self, uri: Uri, spec: ShapesSpec) -> MeshWriter | SkeletonWriter:
        """Open the writer of the store."""

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        uri = absolute(Uri.parse(handle.uri))
        folder = pinned_folder(replace(handle, uri=_folder(uri).address), RECORD)
        return replace(folder, uri=str(uri))

    def open(self, handle: Handle) -> Reader:
        return ShapesReader(open(handle.uri, expect=self.resource))

    def location(self, base: str) -> str:
        return f"{FORMAT}://{base}"

    def target_uri(self, uri: str) -> str:
        return require_recordable(absolute(Uri.parse(uri)))

    def prepare(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        owner, complete = _record_of(uri)
        require_own(target, owner)
        if not complete:
            self._check(*_plain(uri, target))
        if owner is None:
            _folder(uri).put_new({RECORD: _record(target, complete=False)})

    def target_problems(self, target: Target, workers: int) -> Sequence[str]:  # type: ignore[override]
        uri = Uri.parse(target.uri)
        owner, complete = _record_of(uri)
        if owner not in (None, target.key):
            others = "another program" if owner == FOREIGN else "another call" + ("" if complete else ", unfinished")
            return [f"{uri} has {self.type} of {others}; choose another folder, or remove it"]
        self._check(*_plain(uri, target))
        problem = write_problem(_folder(uri)) if owner is None else None
        return [] if problem is None else [f"{uri}: {problem}"]

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        return _record_of(Uri.parse(target.uri))[0] != target.key

    def is_complete(self, target: Target) -> bool:
        return _record_of(Uri.parse(target.uri)) == (target.key, True)

    def remove(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        if _record_of(uri)[0] == target.key:
            _folder(uri).delete()

    def writer(self, target: Target) -> ShapesWriter:
        return ShapesWriter(self._open_writer(*_plain(Uri.parse(target.uri), target)))

    def finish(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        origin = target.provenance or Provenance.now(self.type, LOCAL, target.tool, "", target.parameters)
        self._open_writer(*_plain(uri, target)).finish(replace(origin, service=self.type))
        (_folder(uri) / RECORD).write_bytes(_record(target, complete=True))


@dataclass(frozen=True)
class Meshes(Shapes):
    """Meshes by id: a tool of scope ``groups`` returns pairs of an id and its levels of detail, finest first."""

    type: ClassVar[str] = "meshes"
    resource = StoredMeshes

    def _check(self, uri: Uri, spec: ShapesSpec) -> None:
        _mesh_store(uri).check_meshes(uri, spec)

    def _open_writer(self, uri: Uri, spec: ShapesSpec) -> MeshWriter:
        return _mesh_store(uri).open_mesh_writer(uri, spec)


@dataclass(frozen=True)
class Skeletons(Shapes):
    """Skeletons by id: a tool of scope ``groups`` returns pairs of an id and its skeleton."""

    type: ClassVar[str] = "skeletons"
    resource = StoredSkeletons

    def _check(self, uri: Uri, spec: ShapesSpec) -> None:
        _skeleton_store(uri).check_skeletons(uri, spec)

    def _open_writer(self, uri: Uri, spec: ShapesSpec) -> SkeletonWriter:
        return _skeleton_store(uri).open_skeleton_writer(uri, spec)


def _mesh_store(uri: Uri) -> SupportsWriteMeshes:
    remote = get_remote(uri.scheme)
    if not isinstance(remote, SupportsWriteMeshes):
        raise UnsupportedFormat(f"{uri}: {uri.scheme}:// does not store meshes; use precomputed://FOLDER")
    return remote


def _skeleton_store(uri: Uri) -> SupportsWriteSkeletons:
    remote = get_remote(uri.scheme)
    if not isinstance(remote, SupportsWriteSkeletons):
        raise UnsupportedFormat(f"{uri}: {uri.scheme}:// does not store skeletons; use precomputed://FOLDER")
    return remote


def split_options(uri: Uri) -> tuple[Uri, dict[str, str]]:
    """Return a URI without the options that are only for writing, and these options.

    Examples
    --------
    >>> split_options(Uri.parse("precomputed://meshes?format=legacy"))
    (Uri('precomputed://meshes'), {'format': 'legacy'})
    """
    kept = {*storage_options(uri), *_own_options(uri)}
    query = {name: text for name, text in uri.query.items() if name in kept}
    return replace(uri, query=query), {name: text for name, text in uri.query.items() if name not in kept}


def _own_options(uri: Uri) -> tuple[str, ...]:
    remote = get_remote(uri.scheme)
    return remote.uri_options if isinstance(remote, SupportsUriOptions) else ()


def _plain(uri: Uri, target: Target) -> tuple[Uri, ShapesSpec]:
    """Return the URI for the remote, and what it writes."""
    if target.frame is None:
        raise InvalidInput(f"the output {target.name!r} of {target.tool} needs labels as input, of which it is")
    plain, options = split_options(uri)
    spec = ShapesSpec(
        groups=len(target.grids[0]),
        voxel_size_nm=target.frame.scale_nm,
        domain=target.frame.domain,
        options=options,
    )
    return plain, spec


def _folder(uri: Uri) -> StoragePath:
    """Return the folder of shapes."""
    kept = storage_options(uri)
    return storage_path(replace(uri, query={name: text for name, text in uri.query.items() if name in kept}))


def _record_of(uri: Uri) -> tuple[str | None, bool]:
    """Return the key of the step that has written a folder of shapes, and whether it has completed it.

    The key is `FOREIGN` if no step has, and None if nothing is there.
    """
    folder = _folder(uri)
    text = (folder / RECORD).read_bytes()
    if text is None:
        return (FOREIGN if folder.taken() else None), False
    stored = parse_object(text)
    content = FILE.content(stored, folder / RECORD) if stored else {}
    return str(content.get("step_key", FOREIGN)), bool(content.get("complete"))


def _record(target: Target, *, complete: bool) -> bytes:
    return json.dumps(FILE.stamp({"step_key": target.key, "complete": complete})).encode()
