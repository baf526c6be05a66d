"""Writing of annotations as a precomputed collection, in bounded memory.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst

Annotations are first sorted into temporary files (`AnnotationSpool`), from which each index is written, shard by shard:
by id, by the labels of every relation, and by position (`annotation_levels`). The metadata come last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from glob import escape
from typing import Any, Self

import numpy as np

from voxome.contracts.points import PointsSpec
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput, VoxomeError
from voxome.remotes.precomputed.annotation_codec import AnnotationCodec
from voxome.remotes.precomputed.annotation_fields import Fields
from voxome.remotes.precomputed.annotation_generations import edits_key, edits_key_of
from voxome.remotes.precomputed.annotation_index_writer import LEVEL_FOLDER, AnnotationIndexWriter
from voxome.remotes.precomputed.annotation_metadata import BESIDE, bounds_of, draft_metadata, keep_metadata
from voxome.remotes.precomputed.annotation_spool import AnnotationSpool
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import OWN, Json
from voxome.remotes.precomputed.provenance import FILE as PROVENANCE_FILE
from voxome.remotes.precomputed.provenance import add_provenance
from voxome.remotes.precomputed.writer_claim import WriterClaim, require_free
from voxome.storage.json_store import read_json, to_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.probe import require_write_access

_RUN = 1 << 17
"""Annotations that are sorted into partitions at once."""


class AnnotationWriter:
    """Writes one collection.

    Parameters
    ----------
    folder : StoragePath
        Its folder.
    name : str
        URI, for messages.
    spec : PointsSpec
        What is written.
    generation : int
        1, or more for a collection that replaces another in this folder; its folders have names of their own.
    kept : mapping or None
        Metadata of the collection that is replaced.
    """

    def __init__(
        self,
        folder: StoragePath,
        name: str,
        spec: PointsSpec,
        *,
        generation: int = 1,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder, self._name, self._spec = folder, name, spec
        self._generation, self._kept = generation, kept
        self._prefix = "" if kept is None else f"{generation}-{os.urandom(4).hex()}/"
        self._fields: Fields | None = None
        self._codec: AnnotationCodec | None = None
        self._spool: AnnotationSpool | None = None
        self._info: Json = {}
        self._waiting: list[Annotations] = []
        if kept is None:
            require_free(folder, name)
        require_write_access(folder / INFO, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def write(self, annotations: Annotations) -> None:
        if self._fields is None:
            self._begin(annotations)
        self._check(annotations)
        for start in range(0, max(1, len(annotations)), _RUN):
            whole = len(annotations) <= _RUN
            self._waiting.append(
                annotations if whole else annotations.select(np.arange(start, min(start + _RUN, len(annotations))))
            )
            if sum(map(len, self._waiting)) >= _RUN:
                self._flush()

    def _begin(self, annotations: Annotations) -> None:
        self._fields = Fields.of(annotations.properties, self._name)
        relations = tuple(annotations.relations)
        self._info = draft_metadata(annotations.shape, self._fields, relations, self._spec, self._prefix)
        self._codec = AnnotationCodec(self._info, self._name)
        self._spool = AnnotationSpool(self._codec, self._fields.beside, self._spec.seed)

    def _check(self, annotations: Annotations) -> None:
        assert self._codec is not None
        assert self._fields is not None
        if annotations.shape != self._codec.shape:
            raise InvalidInput(
                f"{self._name}: annotations of shape {annotations.shape} after those of shape {self._codec.shape}; a "
                "collection has one geometry: write each into its own"
            )
        if set(annotations.relations) != set(self._codec.relations):
            raise InvalidInput(
                f"{self._name}: these annotations have the relations {', '.join(annotations.relations) or 'none'}; "
                f"those before had {', '.join(self._codec.relations) or 'none'}"
            )
        self._fields.check(annotations.properties)

    def _flush(self) -> None:
        assert self._spool is not None
        parts, self._waiting = self._waiting, []
        if parts:
            self._spool.add(parts[0] if len(parts) == 1 else Annotations.concatenate(parts))

    def finish(
        self,
        provenance: Provenance | None,
        part: str | None = None,
        before_info: Callable[[], None] = lambda: None,
        check_replaced: Callable[[Json], None] = lambda info: None,
    ) -> str:
        if part is not None:
            self._folder = self._folder / part
        if self._codec is None or self._spool is None:
            raise InvalidInput(
                f"{self._name}: there are no annotations to write; an empty collection needs one empty part"
            )
        self._flush()
        info = {**self._info, **bounds_of(self._spool)}
        claim = WriterClaim.of_this_process(self._names())
        if self._kept is None:
            claim.take(self._folder, self._name)
        try:
            writer = AnnotationIndexWriter(self._folder, self._name, self._codec, self._spool, info)
            writer.write_ids()
            writer.write_relations()
            info["spatial"] = writer.write_levels(self._spec.limit)
            info[OWN] = {**info[OWN], "count": len(self._spool), "generation": self._generation}
            before_info()
            if provenance is not None:
                add_provenance(self._folder, provenance)
            self._write_info(info, check_replaced)
        except BaseException:
            with suppress(VoxomeError):
                self._remove(claim)
            raise
        if self._kept is None:
            claim.release(self._folder)
        return self._folder.uri("precomputed")

    def _write_info(self, info: Json, check_replaced: Callable[[Json], None]) -> None:
        if self._kept is None:
            (self._folder / INFO).write_bytes(to_json(info, self._name))
            return

        def replaced(old: Json) -> Json:
            check_replaced(old)
            return keep_metadata(old, info)

        update_json(self._folder, INFO, replaced)

    @property
    def edits_key(self) -> str:
        """Name of the file of its edits."""
        return edits_key_of(self._prefix)

    def _names(self) -> list[str]:
        """Return patterns, as those of a shell, of the names of what a new collection has in its folder."""
        keys = [entry["key"] for entry in (self._info["by_id"], *self._info["relationships"])]
        keys += [entry["key"] for entry in (self._info[OWN].get(BESIDE),) if entry]
        levels = (f"{LEVEL_FOLDER}[0-9]", f"{LEVEL_FOLDER}[0-9][0-9]")
        return [*map(escape, keys), *levels, INFO, PROVENANCE_FILE]

    def _remove(self, claim: WriterClaim) -> None:
        """Remove what a failed `finish` has written."""
        if self._kept is None:
            claim.remove_written(self._folder)
            claim.release(self._folder)
        elif edits_key(read_json(self._folder, INFO) or {}) != self.edits_key:
            (self._folder / self._prefix.rstrip("/")).delete()
            (self._folder / self.edits_key).unlink()
