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
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.ownership import FOREIGN, require_own, require_still_own
from voxome.kinds.versions import pinned_folder, require_recordable
from voxome.resources.addresses import absolute
from voxome.resources.open import open
from voxome.resources.provenance import read_provenance
from voxome.resources.recognition import get_remote
from voxome.resources.shapes import Meshes as StoredMeshes
from voxome.resources.shapes import Skeletons as StoredSkeletons
from voxome.storage.find import storage_options, storage_path
from voxome.storage.json_store import read_document
from voxome.storage.path import StoragePath
from voxome.storage.probe import write_problem

FORMAT = "precomputed"
"""The format of the shapes that a run keeps in its own store."""
_OVERWRITE = "--overwrite, overwrite=True"
_MOST_NAMED = 5


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

    def __init__(self, writer: MeshWriter | SkeletonWriter, target: Target) -> None:
        self._writer, self._target = writer, target

    def begin_job(self) -> None:
        """Do nothing: groups that were written are written again."""

    def write(self, value: Any, block: Block) -> None:
        """Write the shapes of a group, unless another call has replaced the folder."""
        require_still_own(self._target, _read_record(Uri.parse(self._target.uri)).owner)
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

    @abstractmethod
    def _foreign_names(self, uri: Uri) -> Sequence[str]:
        """Return the names in a folder of the store that its writers have not written."""

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
        record = _read_record(uri)
        require_own(target, record.owner)
        if not record.complete:
            self._check(*_plain(uri, target))
        if record.owner is None:
            _folder(uri).put_new({RECORD: self._record(target, complete=False)})

    def target_problems(self, target: Target, workers: int) -> Sequence[str]:  # type: ignore[override]
        uri = Uri.parse(target.uri)
        record = _read_record(uri)
        if record.owner not in (None, target.key):
            return self._problems_of_replacing(uri, record, target)
        self._check(*_plain(uri, target))
        problem = write_problem(_folder(uri)) if record.owner is None else None
        return [] if problem is None else [f"{uri}: {problem}"]

    def _problems_of_replacing(self, uri: Uri, record: _Record, target: Target) -> Sequence[str]:
        """Return why what is in a folder cannot be replaced."""
        if record.owner == FOREIGN or record.type != self.type:
            others = "another program" if record.owner == FOREIGN else "voxome"
            what = "data" if record.owner == FOREIGN else record.type
            return [f"{uri} has {what} of {others}; choose another folder, or remove it"]
        if not target.replacing:
            others = f"another call, {_difference(uri, target) if record.complete else 'unfinished'}"
            return [f"{uri} has {self.type} of {others}; choose another folder, or replace them ({_OVERWRITE})"]
        foreign = self._foreign_problems(uri)
        if foreign:
            return foreign
        plain, spec = _plain(uri, target)
        self._open_writer(plain, spec)  # refuses wrong options
        return []

    def _foreign_problems(self, uri: Uri) -> Sequence[str]:
        """Return why a folder cannot be removed, although its shapes can."""
        names = self._foreign_names(split_options(uri)[0])
        if not names:
            return []
        listed = ", ".join(names[:_MOST_NAMED]) + (f", … ({len(names):,})" if len(names) > _MOST_NAMED else "")
        return [f"{uri} has files or folders of others, {listed}; choose another folder, or move them away"]

    def _delete(self, uri: Uri) -> None:
        """Remove a folder in which there is nothing of others."""
        for problem in self._foreign_problems(uri):
            raise AlreadyExists(problem)
        _folder(uri).delete()

    def discard(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        if target.replacing and _read_record(uri).owner not in (None, target.key, FOREIGN):
            self._delete(uri)

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        return _read_record(Uri.parse(target.uri)).owner != target.key

    def is_complete(self, target: Target) -> bool:
        record = _read_record(Uri.parse(target.uri))
        return record.owner == target.key and record.complete

    def remove(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        if _read_record(uri).owner == target.key:
            self._delete(uri)

    def writer(self, target: Target) -> ShapesWriter:
        return ShapesWriter(self._open_writer(*_plain(Uri.parse(target.uri), target)), target)

    def finish(self, target: Target) -> None:
        uri = Uri.parse(target.uri)
        require_still_own(target, _read_record(uri).owner)
        origin = target.provenance or Provenance.now(self.type, LOCAL, target.tool, "", target.parameters)
        self._open_writer(*_plain(uri, target)).finish(replace(origin, service=self.type))
        (_folder(uri) / RECORD).write_bytes(self._record(target, complete=True))

    def _record(self, target: Target, *, complete: bool) -> bytes:
        return json.dumps(FILE.stamp({"type": self.type, "step_key": target.key, "complete": complete})).encode()


@dataclass(frozen=True)
class Meshes(Shapes):
    """Meshes by id: a tool of scope ``groups`` returns pairs of an id and its levels of detail, finest first."""

    type: ClassVar[str] = "meshes"
    resource = StoredMeshes

    def _check(self, uri: Uri, spec: ShapesSpec) -> None:
        _mesh_store(uri).check_meshes(uri, spec)

    def _open_writer(self, uri: Uri, spec: ShapesSpec) -> MeshWriter:
        return _mesh_store(uri).open_mesh_writer(uri, spec)

    def _foreign_names(self, uri: Uri) -> Sequence[str]:
        return _mesh_store(uri).foreign_names(uri)


@dataclass(frozen=True)
class Skeletons(Shapes):
    """Skeletons by id: a tool of scope ``groups`` returns pairs of an id and its skeleton."""

    type: ClassVar[str] = "skeletons"
    resource = StoredSkeletons

    def _check(self, uri: Uri, spec: ShapesSpec) -> None:
        _skeleton_store(uri).check_skeletons(uri, spec)

    def _open_writer(self, uri: Uri, spec: ShapesSpec) -> SkeletonWriter:
        return _skeleton_store(uri).open_skeleton_writer(uri, spec)

    def _foreign_names(self, uri: Uri) -> Sequence[str]:
        return _skeleton_store(uri).foreign_names(uri)


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


def _difference(uri: Uri, target: Target) -> str:
    """Return in which parameters of the tool complete shapes differ from those of a target; or that these are equal."""
    made = next(reversed(read_provenance(open(str(split_options(uri)[0])).source)), None)
    if made is None:
        return "which is not recorded"
    wanted = json.loads(json.dumps(dict(target.parameters), default=str))
    pairs = {name: (made.parameters.get(name), value) for name, value in wanted.items()}
    differing = [f"{name} {old} rather than {new}" for name, (old, new) in pairs.items() if old != new]
    if differing:
        return f"with {', '.join(differing)}"
    return "with the same parameters, and other labels, another box, or other options of the pieces"


def _folder(uri: Uri) -> StoragePath:
    """Return the folder of shapes."""
    kept = storage_options(uri)
    return storage_path(replace(uri, query={name: text for name, text in uri.query.items() if name in kept}))


@dataclass(frozen=True)
class _Record:
    """Whose a folder of shapes is.

    Attributes
    ----------
    owner : str or None
        Key of the step that has written it, `FOREIGN` if no step has, None if nothing is there.
    type : str
        What it has: ``meshes``, ``skeletons``.
    complete : bool
        Whether the step has completed it.
    """

    owner: str | None
    type: str = ""
    complete: bool = False


def _read_record(uri: Uri) -> _Record:
    folder = _folder(uri)
    text = read_document(folder / RECORD)
    if text is None:
        return _Record(FOREIGN if folder.taken() else None)
    stored = parse_object(text)
    content = FILE.content(stored, folder / RECORD) if stored else {}
    return _Record(str(content.get("step_key", FOREIGN)), str(content.get("type", "")), bool(content.get("complete")))
