"""Annotations that are drawn in the viewer, kept in a store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, get_args

import numpy as np

from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound, StoreError, VoxomeError, describe_value
from voxome.resources.addresses import absolute
from voxome.resources.open import open
from voxome.resources.shapes import Points
from voxome.services.annotations.create import create_annotations
from voxome.services.annotations.sources import open_annotations
from voxome.storage.find import storage_at
from voxome.viewer.inline import inline_entry, read_inline

MOST_ANNOTATIONS = 20_000
"""What a viewer takes in its state; more are shown, not edited."""

_NM = (("x", 1.0), ("y", 1.0), ("z", 1.0))
_PLACES = ("point", "pointA", "pointB", "center", "radii")

_NUMBER = re.compile("[0-9]{1,20}")
_PROBE = ".voxome-view"
"""File that is written and removed to see whether a folder can be written."""

Entry = Mapping[str, Any]
"""An annotation as it is in the state of Neuroglancer, with positions in nm."""


class ChangedElsewhere(StoreError):
    """The stored annotations are not those that an edit began with."""


@dataclass(frozen=True)
class KeptAnnotations:
    """Annotations in a folder: a precomputed collection for each shape, created when it is first needed.

    Its methods may be called from several threads.

    Attributes
    ----------
    uri : str
        ``precomputed://FOLDER``; the collections are ``point``, ``line``, ``box`` and ``ellipsoid`` in it.
    voxel_size_nm : (z, y, x), optional
        Unit of the stored positions.
    """

    uri: str
    voxel_size_nm: tuple[float, float, float] | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def at(cls, location: str, voxel_size_nm: tuple[float, float, float] | None = None) -> KeptAnnotations:
        """Return the annotations at a folder or URI, whose collections need not exist.

        Raises
        ------
        InvalidInput
            If it names another format, has more annotations than the viewer edits, or such with properties or
            relations that an edit would lose.
        StoreError
            If nothing can be written there.
        """
        uri = absolute(Uri.parse(location if "://" in location else f"precomputed://{location}"))
        if uri.scheme != "precomputed":
            raise InvalidInput(f"{uri} cannot keep annotations of the viewer; name a folder, or precomputed://FOLDER")
        kept = cls(str(uri).rstrip("/"), voxel_size_nm)
        for shape in get_args(AnnotationShape):
            kept._check(shape)
        if len(kept.read()) > MOST_ANNOTATIONS:
            raise InvalidInput(
                f"{uri} has over {MOST_ANNOTATIONS:,} annotations, more than the viewer edits; choose another folder"
            )
        _require_writable(uri)
        return kept

    def read(self) -> list[Entry]:
        """Return all annotations, by shape and id."""
        return [entry for shape in get_args(AnnotationShape) for entry in self._entries(shape)]

    def version(self) -> str:
        """Return a digest of all annotations."""
        return digest(self.read())

    def replace(self, entries: Sequence[Entry], seen: str) -> str:
        """Store annotations in place of all that are stored; return their version.

        Parameters
        ----------
        entries : sequence of mapping
            All annotations.
        seen : str
            Version that they were edited from.

        Raises
        ------
        ChangedElsewhere
            If others are stored by now; nothing is changed.
        InvalidInput
            If an annotation is malformed.
        """
        if len(entries) > MOST_ANNOTATIONS:
            raise InvalidInput(f"there are {len(entries):,} annotations; expected at most {MOST_ANNOTATIONS:,}")
        wanted = read_inline([{**one, "id": str(_id(one))} for one in map(_object, entries)], _NM, self.uri)
        with self._lock:
            if self.version() != seen:
                raise ChangedElsewhere("the annotations were changed elsewhere; reload the page to see them")
            for shape in get_args(AnnotationShape):
                self._replace(shape, wanted.get(shape))
            return self.version()

    def _replace(self, shape: AnnotationShape, wanted: Annotations | None) -> None:
        """Write and delete only what is different."""
        stored = {int(one["id"]): one for one in self._entries(shape)}
        given = {} if wanted is None else {int(name): row for row, name in enumerate(wanted.properties["name"])}
        changed: list[int] = []
        if wanted is not None:
            named = _stored_form(wanted, list(given))
            changed = [row for id, row in given.items() if not _equal(stored.get(id), inline_entry(named, row))]
            self._write(shape, named.select(np.array(changed, np.int64)), exists=self._open(shape) is not None)
        gone = sorted(set(stored) - set(given))
        if gone and (points := self._open(shape)) is not None:
            points.delete(gone)

    def _write(self, shape: AnnotationShape, annotations: Annotations, *, exists: bool) -> None:
        if not len(annotations):
            return
        points = self._open(shape) if exists else None
        if points is None:
            create_annotations(f"{self.uri}/{shape}", annotations, voxel_size_nm=self.voxel_size_nm)
        else:
            points.write(annotations)

    def _open(self, shape: AnnotationShape) -> Points | None:
        try:
            return open(f"{self.uri}/{shape}", expect=Points, mode="r+")
        except NotFound:
            return None

    def _check(self, shape: AnnotationShape) -> None:
        """Check that a collection has nothing that an edit in the viewer would lose."""
        points = self._open(shape)
        for batch in () if points is None else open_annotations(points).batches:
            others = {*batch.properties, *batch.relations} - {"description", "segments"}
            if others or set(batch.relations) != {"segments"}:
                raise InvalidInput(
                    f"{self.uri}/{shape} has annotations with {', '.join(sorted(others)) or 'no segments'}, which were "
                    "not drawn in the viewer, and would be lost there; choose another folder"
                )

    def _entries(self, shape: AnnotationShape) -> Iterator[Entry]:
        points = self._open(shape)
        for batch in () if points is None else open_annotations(points).batches:
            for row in range(len(batch)):
                yield inline_entry(batch, row)


def _object(entry: Any) -> Entry:
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"an annotation is {describe_value(entry)}; expected an object")
    return entry


def _equal(stored: Entry | None, given: Entry) -> bool:
    """Return whether an annotation is as it is stored, where positions have 32 bits."""
    if stored is None or stored.keys() != given.keys():
        return False
    same = all(stored[name] == given[name] for name in given if name not in _PLACES)
    return same and all(np.allclose(stored[name], given[name], 2e-7, 1e-3) for name in given if name in _PLACES)


def digest(entries: Sequence[Entry]) -> str:
    """Return a digest of annotations, whatever their order."""
    texts = sorted(json.dumps(one, sort_keys=True) for one in entries)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]


def _id(entry: Entry) -> int:
    """Return the id of an annotation in the store: its number, or a digest of the name that the viewer gave it."""
    name = str(entry.get("id", ""))
    if _NUMBER.fullmatch(name) and int(name) < 2**64:
        return int(name)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def _require_writable(uri: Uri) -> None:
    """Raise why nothing can be written at an address; what was drawn would be lost later."""
    folder = storage_at(uri.path)
    probe = folder / _PROBE
    try:
        probe.write_bytes(b"")
        probe.unlink()
        folder.remove_if_empty()
    except VoxomeError as error:
        raise StoreError(
            f"annotations cannot be kept in {folder}: {error}; choose a folder that can be written"
        ) from error


def _stored_form(annotations: Annotations, ids: Sequence[int]) -> Annotations:
    """Return annotations with the ids, the properties and the relations of the store."""
    return annotations.replace(
        ids=np.array(ids, np.uint64), properties={"description": annotations.properties["description"]}
    )
