"""Writing of annotations as a precomputed collection, in bounded memory.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst

Annotations are first sorted into temporary files (`AnnotationSpool`), from which each index is written, shard by shard:
by id, by the labels of every relation, and by position (`annotation_levels`). The metadata come last.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from glob import escape
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.points import PointsSpec
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput, VoxomeError
from voxome.remotes.precomputed.annotation_cells import CellGrid
from voxome.remotes.precomputed.annotation_codec import SHAPES, AnnotationCodec
from voxome.remotes.precomputed.annotation_fields import Fields
from voxome.remotes.precomputed.annotation_levels import Level, assign_levels
from voxome.remotes.precomputed.annotation_spool import MINISHARD_BITS, AnnotationSpool
from voxome.remotes.precomputed.beside_table import write_beside
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import OWN, Json
from voxome.remotes.precomputed.provenance import FILE as PROVENANCE_FILE
from voxome.remotes.precomputed.provenance import add_provenance
from voxome.remotes.precomputed.shard_writer import write_packed_shard
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.precomputed.writer_claim import WriterClaim, require_free
from voxome.remotes.spilled_rows import PARTITIONS
from voxome.storage.inside import inside
from voxome.storage.json_store import read_json, to_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.probe import require_write_access

TYPE = "neuroglancer_annotations_v1"
BESIDE = "beside"
"""Properties beside the records: the metadata's key, and the name of the table without its suffix."""
_GENERATION = re.compile(r"\d+-[0-9a-f]{8}")
"""Folder with the indices of a collection that replaced another."""
_OF_GENERATION = ("abandoned", BESIDE)
"""Own metadata that do not pass to the next generation."""
_LEVEL = "spatial"
"""Beginning of the name of the folder of a level."""

_RUN = 1 << 17
"""Annotations that are sorted into partitions at once."""
_IDS_PER_SHARD = 1 << 18
_SHARD_BYTES = 1 << 25
_CELL_BYTES = 1 << 13
"""Size of a cell by which the limit is chosen: a view of Neuroglancer fetches one or two cells of every level."""
_LARGEST_SHARD_BITS = 8
_CELL_MINISHARD_BITS = 10


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
        self._info = _draft(annotations.shape, self._fields, relations, self._spec, self._prefix)
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
        info = {**self._info, **_bounds(self._spool)}
        claim = WriterClaim.of_this_process(self._names())
        if self._kept is None:
            claim.take(self._folder, self._name)
        try:
            indices = _Indices(self._folder, self._name, self._codec, self._spool, info)
            indices.write_ids()
            indices.write_relations()
            info["spatial"] = indices.write_levels(self._spec.limit)
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
            return _keep_metadata(old, info)

        update_json(self._folder, INFO, replaced)

    @property
    def edits_key(self) -> str:
        """Name of the file of its edits."""
        return _edits_key(self._prefix)

    def _names(self) -> list[str]:
        """Return patterns, as those of a shell, of the names of what a new collection has in its folder."""
        keys = [entry["key"] for entry in (self._info["by_id"], *self._info["relationships"])]
        keys += [entry["key"] for entry in (self._info[OWN].get(BESIDE),) if entry]
        levels = (f"{_LEVEL}[0-9]", f"{_LEVEL}[0-9][0-9]")
        return [*map(escape, keys), *levels, INFO, PROVENANCE_FILE]

    def _remove(self, claim: WriterClaim) -> None:
        """Remove what a failed `finish` has written."""
        if self._kept is None:
            claim.remove_written(self._folder)
            claim.release(self._folder)
        elif edits_key(read_json(self._folder, INFO) or {}) != self.edits_key:
            (self._folder / self._prefix.rstrip("/")).delete()
            (self._folder / self.edits_key).unlink()


def generation_of(info: Mapping[str, Any]) -> int:
    """Return how often a collection was written in its folder."""
    return int(info.get(OWN, {}).get("generation", 1))


def edits_key(info: Mapping[str, Any]) -> str:
    """Return the name of the file of a collection's edits; those that replace it have other names."""
    key = str((info.get("by_id") or {}).get("key", ""))
    return _edits_key(key if _GENERATION.fullmatch(key.partition("/")[0]) else "")


def _edits_key(prefix: str) -> str:
    return f"edits.{prefix.partition('/')[0] or 1}.parquet"


def remove_replaced(folder: StoragePath, old: Mapping[str, Any], generation: int, edits: str) -> None:
    """Remove the indices and edits of collections that a generation has replaced, and what killed writers have left.

    Those of later generations stay, as others may be writing them.

    Parameters
    ----------
    folder : StoragePath
        The collection.
    old : mapping
        Metadata that were replaced.
    generation : int
        The new generation.
    edits : str
        Name of the file of its edits.
    """
    entries = folder.entries()
    keys = {name: _edits_key(name) for name in entries.folders if _GENERATION.fullmatch(name)}
    for name, key in keys.items():
        if key != edits and int(name.partition("-")[0]) <= generation:
            (folder / name).delete()
            (folder / key).unlink()
    (folder / _edits_key("")).unlink()
    indices = [old.get("by_id"), *(old.get("relationships") or ()), *(old.get("spatial") or ())]
    for key in [str(entry["key"]) for entry in indices if entry]:
        if not _GENERATION.fullmatch(key.partition("/")[0]):
            inside(folder, key).delete()
    beside = old.get(OWN, {}).get(BESIDE)
    if beside:
        inside(folder, str(beside["key"])).unlink()


def _draft(shape: AnnotationShape, fields: Fields, relations: Sequence[str], spec: PointsSpec, prefix: str) -> Json:
    """Return the metadata of a collection, without what is only known at the end."""
    sizes = dict(zip("zyx", spec.voxel_size_nm or (1.0, 1.0, 1.0), strict=True))
    own: Json = {
        "properties": {
            field.id: {"name": field.name, "dtype": field.dtype.name}
            for field in fields.stored
            if field.id != field.name or field.dtype != field.element
        },
        "seed": spec.seed,
        "relations": {name: dict(one) for name, one in spec.relation_versions.items() if name in relations},
        "voxel_size_unknown": spec.voxel_size_nm is None,
    }
    if fields.beside:
        own[BESIDE] = {"key": f"{prefix}{BESIDE}.parquet", "properties": list(fields.beside)}
    keys = _keys(relations)
    return {
        "@type": TYPE,
        "dimensions": {axis: [_metres(sizes[axis]), "m"] for axis in "xyz"},
        "annotation_type": next(kind.upper() for kind, name in SHAPES.items() if name == shape),  # as cloud-volume
        "properties": [field.to_json() for field in fields.stored],
        "relationships": [{"id": name, "key": f"{prefix}{keys[name]}"} for name in relations],
        "by_id": {"key": f"{prefix}by_id"},
        OWN: own,
    }


def _keep_metadata(old: Mapping[str, Any], new: Json) -> Json:
    """Return the new metadata of a collection, with what others have added to the old ones."""

    def kept(key: str) -> list[Json]:
        described = {str(one["id"]): one for one in old.get(key) or ()}
        return [{**described.get(one["id"], {}), **one} for one in new[key]]

    own = old.get(OWN, {})
    others = {key: value for key, value in own.items() if key not in _OF_GENERATION}
    lists = {key: kept(key) for key in ("properties", "relationships")}
    return {**old, **new, **lists, OWN: {**others, **new[OWN], "relations": own.get("relations", {})}}


def _keys(relations: Sequence[str]) -> dict[str, str]:
    """Return the folder of each relation: its name, without characters that mean something in a path."""
    keys: dict[str, str] = {}
    for name in relations:
        plain = "by_" + (re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_")
        plain = f"{plain}_" if plain == "by_id" else plain
        number = 1
        key = plain
        while key in keys.values():
            number += 1
            key = f"{plain}_{number}"
        keys[name] = key
    return keys


def _metres(nm: float) -> float:
    return float(Decimal(repr(float(nm))).scaleb(-9))


def _bounds(spool: AnnotationSpool) -> Json:
    """Return the bounds of the collection: whole numbers, with every annotation inside."""
    if not len(spool):
        return {"lower_bound": [0.0] * 3, "upper_bound": [1.0] * 3}
    return {"lower_bound": np.floor(spool.lower).tolist(), "upper_bound": (np.floor(spool.upper) + 1).tolist()}


class _Indices:
    """The indices of a collection, while they are written.

    Parameters
    ----------
    folder : StoragePath
        Of the collection.
    name : str
        URI, for messages.
    codec : AnnotationCodec
        Of the collection.
    spool : AnnotationSpool
        All annotations.
    info : mapping
        Metadata, which get the parameters of the shards.
    """

    def __init__(
        self, folder: StoragePath, name: str, codec: AnnotationCodec, spool: AnnotationSpool, info: Json
    ) -> None:
        self._folder, self._name, self._codec, self._spool, self._info = folder, name, codec, spool, info

    def write_ids(self) -> None:
        """Write the index of ids, and the table of what is beside it.

        Raises
        ------
        InvalidInput
            If an id occurs twice.
        """
        sharding = Sharding(shard_bits=_bits(len(self._spool) / _IDS_PER_SHARD), minishard_bits=MINISHARD_BITS)
        folder = self._folder / str(self._info["by_id"]["key"])
        self._info["by_id"]["sharding"] = sharding.to_json()

        def parts() -> Iterator[tuple[int, Any]]:
            for partitions in _partitions(sharding):
                rows, relations, table = self._spool.read_ids(partitions)
                self._require_unique(rows["id"])
                shards = sharding.locate(rows["id"].astype(np.uint64))[0]
                for shard in np.unique(shards):
                    chosen = np.flatnonzero(shards == shard)
                    sizes, data = self._codec.encode_single(rows[chosen], [one.take(chosen) for one in relations])
                    ids = rows["id"][chosen].astype(np.uint64)
                    write_packed_shard(folder, sharding, int(shard), [(ids, sizes, data)])
                    yield int(shard), None if table is None else table.take(chosen)

        beside = self._info[OWN].get(BESIDE)
        if beside is None:
            for _ in parts():
                pass
        else:
            write_beside(self._folder / str(beside["key"]), self._spool.table_schema, parts())

    def _require_unique(self, ids: NDArray[np.uint64]) -> None:
        if (repeated := np.flatnonzero(ids[1:] == ids[:-1])).size:
            raise InvalidInput(
                f"{self._name}: the id {ids[repeated[0]]} occurs twice; ids of annotations must be unique"
            )

    def write_relations(self) -> None:
        """Write the indices of labels, one for each relation."""
        size = self._codec.dtype.itemsize
        for number, entry in enumerate(self._info["relationships"]):
            shard_bits = _bits(self._spool.related_count(number) * size / _SHARD_BYTES)
            sharding = Sharding(shard_bits=shard_bits, minishard_bits=MINISHARD_BITS)
            entry["sharding"] = sharding.to_json()
            folder = self._folder / str(entry["key"])
            for partitions in _partitions(sharding):
                rows, labels = self._spool.read_related(number, partitions)
                shards = sharding.locate(labels)[0]
                for shard in np.unique(shards):
                    chosen = np.flatnonzero(shards == shard)
                    packed = self._codec.encode_lists(rows[chosen], labels[chosen])
                    write_packed_shard(folder, sharding, int(shard), [packed])

    def write_levels(self, limit: int | None) -> list[Json]:
        """Write the spatial index, and return its metadata."""
        chosen = limit or max(1, _CELL_BYTES // self._codec.dtype.itemsize)
        lower, upper = (np.array(self._info[f"{end}_bound"]) for end in ("lower", "upper"))
        prefix = str(self._info["by_id"]["key"]).removesuffix("by_id")
        entries: list[Json] = []

        def finish(level: Level) -> None:
            sharding = _cell_sharding(level.grid.bits, level.entries * self._codec.dtype.itemsize)
            entry = {
                "key": f"{prefix}{_LEVEL}{len(entries)}",
                "grid_shape": list(level.grid.shape),
                "chunk_size": level.grid.size.tolist(),
                "limit": max(chosen, level.largest),
                "sharding": sharding.to_json(),
            }
            entries.append(entry)
            write_cells(self._folder / str(entry["key"]), sharding, level.sorted_parts(), self._codec.encode_lists)

        grid = CellGrid.of_bounds(lower, upper)
        batches = self._spool.random_batches()
        assign_levels(batches, self._codec, grid, chosen, self._spool.folder / "cells", finish)
        return entries


def write_cells(
    folder: StoragePath,
    sharding: Sharding,
    parts: Iterator[NDArray[Any]],
    encode: Callable[[NDArray[Any], NDArray[np.uint64]], tuple[NDArray[np.uint64], NDArray[np.int64], bytes]],
) -> None:
    """Write the shards of a level from its entries, which come by ascending code of their cells."""
    waiting: list[tuple[NDArray[np.uint64], NDArray[np.int64], bytes]] = []
    current = -1
    for entries in parts:
        shards = sharding.locate(entries["code"].astype(np.uint64))[0]
        for shard in np.unique(shards):
            if int(shard) != current and waiting:
                write_packed_shard(folder, sharding, current, waiting)
                waiting = []
            current = int(shard)
            chosen = entries[shards == shard]
            waiting.append(encode(chosen["row"], chosen["code"].astype(np.uint64)))
    if waiting:
        write_packed_shard(folder, sharding, current, waiting)


def _cell_sharding(code_bits: int, size: int) -> Sharding:
    """Return parameters with which neighbouring cells are in one minishard, one after the other."""
    shard_bits = min(_bits(size / _SHARD_BYTES), code_bits, _LARGEST_SHARD_BITS)
    minishard_bits = min(_CELL_MINISHARD_BITS, (code_bits - shard_bits) // 2)
    return Sharding(
        shard_bits=shard_bits,
        minishard_bits=minishard_bits,
        preshift_bits=code_bits - shard_bits - minishard_bits,
        hash="identity",
    )


def _bits(number: float) -> int:
    """Return the bits that number so many things."""
    return max(0, math.ceil(math.log2(number))) if number > 1 else 0


def _partitions(sharding: Sharding) -> Iterator[list[int]]:
    """Yield the partitions of a spool that together have all ids of one or several shards."""
    groups = min(PARTITIONS, 1 << sharding.shard_bits)
    for group in range(groups):
        yield list(range(group, PARTITIONS, groups))
