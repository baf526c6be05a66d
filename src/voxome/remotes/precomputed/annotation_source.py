"""A precomputed collection of annotations as a source: its indices, and the edits beside them.

An edit is seen by every reader at once. `fold` writes all indices again, in folders of their own, and then replaces the
metadata, so that a reader sees the collection before or after it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.points import PointsSpec, PointsSummary
from voxome.contracts.provenance import Provenance
from voxome.contracts.ragged import Ragged
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import NotFound, ReadOnly, StoreError, TooManyFound, UnknownName, VoxomeError
from voxome.remotes.annotation_rows import type_name
from voxome.remotes.precomputed.annotation_edits import Edits, EditsFile
from voxome.remotes.precomputed.annotation_generations import edits_key, generation_of, remove_replaced
from voxome.remotes.precomputed.annotation_writer import AnnotationWriter
from voxome.remotes.precomputed.annotations import BATCH, AnnotationIndices
from voxome.remotes.precomputed.folders import INFO, ShapeFolder
from voxome.remotes.precomputed.info import OWN
from voxome.remotes.precomputed.provenance import add_provenance, read_provenance
from voxome.remotes.precomputed.stored_files import FolderFiles
from voxome.storage.json_store import read_json, update_json

T = TypeVar("T")

_WAIT_S = 0.1
_PATIENCE_S = 10.0
"""How long an edit waits for the end of a fold, before it takes the one who folds for dead."""


class PrecomputedAnnotations:
    """Annotations of one collection.

    Parameters
    ----------
    folder : ShapeFolder
        The collection; it can be edited if its mode is "r+".
    """

    def __init__(self, folder: ShapeFolder) -> None:
        self._path, self.name, self._mode = folder.path, folder.name, folder.mode
        self._open(folder)

    def _open(self, folder: ShapeFolder) -> None:
        self._folder = folder
        self._state = (folder.path / INFO).file_state()
        self._indices = AnnotationIndices(folder)
        self._file = EditsFile(folder.path, edits_key(folder.info), self._indices.none())
        self._edits, self._edits_state = Edits(self._indices.none()), object()

    def _refresh(self) -> None:
        """Notice what other processes have written since the last call."""
        state = (self._path / INFO).file_state()
        if state != self._state:
            info = read_json(self._path, INFO)
            if info is None:
                raise NotFound(f"{self.name} does not exist any more")
            self._open(ShapeFolder(self._path, info, self.name, self._mode))
            self._state = state
        edits_state = self._file.state()
        if edits_state != self._edits_state:
            self._edits, self._edits_state = self._file.read(), edits_state

    def _query(self, query: Callable[[AnnotationIndices, Edits], T]) -> T:
        """Return the answer of a query, again if the indices were replaced while they were read."""
        while True:
            self._refresh()
            state = self._state
            try:
                answer = query(self._indices, self._edits)
            except VoxomeError:
                if (self._path / INFO).file_state() == state:
                    raise
                continue
            if (self._path / INFO).file_state() == state:
                return answer

    @property
    def shape(self) -> AnnotationShape:
        return self._indices.shape

    @property
    def relations(self) -> Sequence[str]:
        return self._indices.relations

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Unit of the positions: z, y, x."""
        return self._indices.codec.voxel_size_nm

    @property
    def relation_versions(self) -> Mapping[str, Mapping[str, Any]]:
        """Labels that the ids of relations are of: their ``uri`` and ``version``."""
        self._refresh()
        versions: Mapping[str, Mapping[str, Any]] = self._folder.info.get(OWN, {}).get("relations", {})
        return versions

    def set_relation_versions(self, versions: Mapping[str, Mapping[str, Any]]) -> None:
        """Say of which labels the ids of relations are."""
        self._require_editable()

        def change(info: dict[str, Any]) -> dict[str, Any]:
            own = info.get(OWN, {})
            return {**info, OWN: {**own, "relations": {**own.get("relations", {}), **versions}}}

        update_json(self._path, INFO, change)

    def stored_files(self, folder: str) -> FolderFiles | None:
        """Return the files of the indices; None while there are edits beside them, which no file has."""
        self._refresh()
        return FolderFiles(self._path) if folder == "annotations" and not len(self._edits) else None

    def summarise(self) -> PointsSummary:
        """Return what the metadata and the edits say."""
        return self._query(self._summarise)

    def _summarise(self, indices: AnnotationIndices, edits: Edits) -> PointsSummary:
        count, bounds = self._folder.info.get(OWN, {}).get("count"), indices.bounds_nm
        if count is not None and len(edits):
            count += len(edits.live) - len(indices.get_existing(edits.ids))
        if bounds is not None and len(edits.live):
            ends = np.concatenate([[bounds], edits.live.bounds_nm])
            bounds = np.stack([ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)])
        return PointsSummary(
            count=count,
            properties={name: type_name(values) for name, values in indices.none().properties.items()},
            bounds_nm=None if bounds is None or count == 0 else (tuple(bounds[0].tolist()), tuple(bounds[1].tolist())),
        )

    def ids(self) -> NDArray[np.uint64]:
        return self._query(_ids)

    def get(self, ids: Iterable[int]) -> Annotations:
        requested = list(ids)
        return self._query(lambda indices, edits: _get(indices, edits, requested, self.name))

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        return self._query(
            lambda indices, edits: _overlay(
                indices.within(start_nm, stop_nm), edits, lambda live: live.within(start_nm, stop_nm)
            )
        )

    def within_limit(self, start_nm: Sequence[float], stop_nm: Sequence[float], most: int) -> Annotations:
        def find(indices: AnnotationIndices, edits: Edits) -> Annotations:
            stored = indices.within_limit(start_nm, stop_nm, most + len(edits))  # which may have replaced as many
            return _overlay(stored, edits, lambda live: live.within(start_nm, stop_nm))

        return _require_few(self._query(find), most)

    def related_limit(self, relation: str, label: int, most: int) -> Annotations:
        def find(indices: AnnotationIndices, edits: Edits) -> Annotations:
            stored = indices.related_limit(relation, label, most + len(edits))
            return _overlay(stored, edits, lambda live: _related(live, relation, label))

        return _require_few(self._query(find), most)

    def related(self, relation: str, label: int) -> Annotations:
        return self._query(
            lambda indices, edits: _overlay(
                indices.related(relation, label), edits, lambda live: _related(live, relation, label)
            )
        )

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations with their relations, sorted by id; at least one part, which may be empty.

        If the indices are replaced meanwhile, those that follow are of the new ones.

        Yields
        ------
        Annotations
        """
        last: np.uint64 | None = None
        while True:
            state, indices, edits, ids = self._query(
                lambda indices, edits: (self._state, indices, edits, _ids(indices, edits))
            )
            if last is not None:
                ids = ids[np.searchsorted(ids, last, side="right") :]
            elif not len(ids):
                yield indices.none()
            for start in range(0, len(ids), BATCH):
                try:
                    part = _get(indices, edits, ids[start : start + BATCH], self.name)
                except VoxomeError:
                    if (self._path / INFO).file_state() == state:
                        raise
                    break
                yield part
                last = part.ids[-1]
            else:
                return

    def write(self, annotations: Annotations) -> None:
        self._require_editable()
        self._refresh()
        checked = self._indices.conform(annotations)
        self._change(lambda edits: edits.write(checked))

    def delete(self, ids: Iterable[int]) -> None:
        self._require_editable()
        gone = np.unique(np.array(list(ids), np.uint64))
        self.get(gone.tolist())
        self._change(lambda edits: edits.delete(gone))

    def update(self, ids: Iterable[int], change: Callable[[Annotations], Annotations]) -> int:
        self._require_editable()
        self._refresh()
        keys = self._indices.check_ids(ids)
        counts: list[int] = []

        def write(edits: Edits) -> Edits:
            stored = self._indices.get_existing(keys[~np.isin(keys, edits.ids)])
            live = edits.live.select(np.flatnonzero(np.isin(edits.live.ids, keys)))
            changed = change(Annotations.join([stored, live]))
            counts[:] = [len(changed)]
            return edits.write(self._indices.conform(changed)) if len(changed) else edits

        self._change(write)
        return counts[0]

    def _change(self, change: Callable[[Edits], Edits]) -> None:
        while True:
            file = self._file
            try:
                changed = file.change(change)
            except VoxomeError:
                self._refresh()
                if self._file.key == file.key:
                    raise
                continue
            if changed is None:
                self._wait_for_fold()
            else:
                self._refresh()
            if self._file.key != file.key:
                file.remove()  # of a generation that was replaced while the edit was written
            elif changed is not None:
                return

    def _wait_for_fold(self) -> None:
        """Refresh, and wait while others fold; a fold that does not end is taken for dead, and cannot end any more."""
        self._refresh()
        fold, patience = self._edits.closed_by, time.monotonic() + _PATIENCE_S
        while fold and self._edits.closed_by == fold:
            if time.monotonic() > patience:
                self._abandon(fold)
            else:
                time.sleep(_WAIT_S)
            self._refresh()

    def _abandon(self, fold: str) -> None:
        """Let the edits be changed that a fold has closed, after it was forbidden to replace the metadata."""
        key = self._file.key

        def change(info: dict[str, Any]) -> dict[str, Any]:
            own = info.get(OWN, {})
            abandoned = sorted({*own.get("abandoned", ()), fold})
            return {**info, OWN: {**own, "abandoned": abandoned}} if edits_key(info) == key else info

        update_json(self._path, INFO, change)
        self._file.reopen(fold)

    def fold(self) -> None:
        self._require_editable()
        self._wait_for_fold()
        folder, indices, file, edits = self._folder, self._indices, self._file, self._file.read()
        if not len(edits):
            return
        fold = os.urandom(8).hex()
        try:
            new = self._fold(folder, indices, file, edits, fold)
        except BaseException as error:
            file.reopen(fold)
            self._refresh()
            if isinstance(error, VoxomeError) and self._file.key != file.key:
                file.remove()
                raise StoreError(
                    f"{self.name} was folded by another process at the same time; nothing was changed"
                ) from error
            raise
        remove_replaced(self._path, folder.info, generation_of(folder.info) + 1, new)

    def _fold(self, folder: ShapeFolder, indices: AnnotationIndices, file: EditsFile, edits: Edits, fold: str) -> str:
        """Write the indices again with `edits`, and return the name of the file of later edits."""
        own = folder.info.get(OWN, {})
        spec = PointsSpec(
            voxel_size_nm=None if own.get("voxel_size_unknown") else indices.codec.voxel_size_nm,
            limit=indices.limit,
            seed=int(own.get("seed", 0)),
            relation_versions=own.get("relations", {}),
        )
        generation = generation_of(folder.info) + 1
        busy = f"{self.name} is being folded by another process; nothing was changed; fold again later"
        with AnnotationWriter(self._path, self.name, spec, generation=generation, kept=folder.info) as writer:
            for batch in indices.batches():
                writer.write(batch.select(np.flatnonzero(~np.isin(batch.ids, edits.ids))))
            writer.write(edits.live)

            def carry_over() -> None:
                """Move edits that were made in the meantime to the new generation."""
                last = file.close(fold)
                if last is None:
                    raise StoreError(busy)
                later = last.since(edits.next)
                if len(later):
                    EditsFile(self._path, writer.edits_key, indices.none()).put(later)

            def check_replaced(info: dict[str, Any]) -> None:
                if edits_key(info) != file.key or fold in info.get(OWN, {}).get("abandoned", ()):
                    raise StoreError(busy)

            writer.finish(None, before_info=carry_over, check_replaced=check_replaced)
            return writer.edits_key

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the file ``provenance`` of the collection says."""
        return read_provenance(self._path)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the file ``provenance``; atomic."""
        add_provenance(self._path, one)

    def _require_editable(self) -> None:
        if self._mode != "r+":
            raise ReadOnly(f"{self.name} is open for reading only; open it with mode='r+' to edit annotations")


def _ids(indices: AnnotationIndices, edits: Edits) -> NDArray[np.uint64]:
    """Return all ids, sorted."""
    return np.union1d(np.setdiff1d(indices.ids(), edits.ids), edits.live.ids)


def _get(indices: AnnotationIndices, edits: Edits, ids: Sequence[int] | NDArray[np.uint64], name: str) -> Annotations:
    keys = indices.check_ids(ids)
    if gone := [id for id in keys.tolist() if id in edits.deleted]:
        raise NotFound(f"{name} has no annotation {gone[0]}")
    edited = np.isin(keys, edits.live.ids)
    stored = indices.get(keys[~edited])
    live = edits.live.select(np.searchsorted(edits.live.ids, keys[edited]))
    return Annotations.join([stored, live])


def _overlay(stored: Annotations, edits: Edits, find: Callable[[Annotations], Annotations]) -> Annotations:
    if not len(edits):
        return stored
    kept = stored.select(np.flatnonzero(~np.isin(stored.ids, edits.ids)))
    return Annotations.join([kept, find(edits.live).replace(relations={})])


def _require_few(found: Annotations, most: int) -> Annotations:
    if len(found) > most:
        raise TooManyFound(f"{len(found)} annotations are found, more than {most}; look for fewer")
    return found


def _related(live: Annotations, relation: str, label: int) -> Annotations:
    if relation not in live.relations:
        raise UnknownName.of("relation", relation, live.relations)
    labels = Ragged.of(relation, live.relations[relation])
    rows = np.repeat(np.arange(len(live)), labels.counts)
    return live.select(np.unique(rows[labels.values == np.uint64(label)]))
