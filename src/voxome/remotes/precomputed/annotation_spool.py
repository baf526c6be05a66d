"""Annotations on their way to a collection: in temporary files, sorted into partitions for each of its indices."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.id_groups import hash_ids
from voxome.contracts.ragged import Ragged
from voxome.contracts.shapes import Annotations
from voxome.remotes.precomputed.annotation_codec import ID, AnnotationCodec
from voxome.remotes.precomputed.beside_table import SpilledTable
from voxome.remotes.spilled_rows import PARTITIONS, SpilledRows

MINISHARD_BITS = 8
"""Bits of the minishards of the indices of ids and of labels; the bits of the hash above them choose the partition."""


class AnnotationSpool:
    """Annotations in temporary files.

    Parameters
    ----------
    codec : AnnotationCodec
        Of the collection.
    beside : sequence of str
        Properties that are not in the records.
    seed : int
        Seed of their random order.
    """

    def __init__(self, codec: AnnotationCodec, beside: Sequence[str], seed: int) -> None:
        self._codec, self._beside, self._seed = codec, tuple(beside), seed
        self.folder = Path(tempfile.mkdtemp(prefix="voxome-annotations-"))
        count = ("counts", "<i8", (len(codec.relations),))
        self._by_id = SpilledRows(self.folder / "by_id", np.dtype([("row", codec.dtype), count]))
        self._labels = SpilledRows(self.folder / "labels", ID)
        related = np.dtype([("row", codec.dtype), ("label", ID)])
        self._related = [SpilledRows(self.folder / f"related{n}", related) for n in range(len(codec.relations))]
        self._random = SpilledRows(self.folder / "random", codec.dtype)
        self._table = SpilledTable(self.folder) if beside else None
        self.lower, self.upper = np.full(3, np.inf), np.full(3, -np.inf)

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, annotations: Annotations) -> None:
        """Add annotations."""
        ids = annotations.ids
        partitions = partition_of(ids)
        if self._table is not None:
            self._table.append(ids, {name: annotations.properties[name] for name in self._beside}, partitions)
        if not len(annotations):
            return
        rows = self._codec.encode(annotations)
        self._widen(rows["record"]["vectors"])
        relations = [Ragged.of(name, annotations.relations[name]) for name in self._codec.relations]
        entries = np.empty(len(rows), [("row", self._codec.dtype), ("counts", "<i8", (len(relations),))])
        entries["row"] = rows
        for number, labels in enumerate(relations):
            entries["counts"][:, number] = labels.counts
            which = np.repeat(np.arange(len(rows)), labels.counts)
            related = np.empty(len(which), [("row", self._codec.dtype), ("label", ID)])
            related["row"], related["label"] = rows[which], labels.values
            self._related[number].append(related, partition_of(labels.values))
        self._by_id.append(entries, partitions)
        joined = _interleave(relations, len(rows))
        self._labels.append(joined.values, np.repeat(partitions, joined.counts))
        self._random.append(rows, (_priority(ids, self._seed) >> np.uint64(56)).astype(np.uint8))

    def _widen(self, vectors: NDArray[Any]) -> None:
        at = vectors.astype(np.float64)
        ellipsoid = self._codec.shape == "ellipsoid"
        low, high = (at[:, 0] - at[:, 1], at[:, 0] + at[:, 1]) if ellipsoid else (at.min(axis=1), at.max(axis=1))
        self.lower = np.minimum(self.lower, low.min(axis=0))
        self.upper = np.maximum(self.upper, high.max(axis=0))

    @property
    def table_schema(self) -> Any:
        """Columns of the table of what is beside the records; None without such a table."""
        return None if self._table is None else self._table.schema

    def related_count(self, number: int) -> int:
        """Return the number of entries of a relation."""
        return len(self._related[number])

    def read_ids(self, partitions: Sequence[int]) -> tuple[NDArray[Any], list[Ragged], Any]:
        """Return the annotations of some partitions, sorted by id, with their relations and the table of the others."""
        entries = self._by_id.read(partitions)
        order = np.argsort(entries["row"]["id"], kind="stable")
        joined = Ragged(self._labels.read(partitions), entries["counts"].sum(axis=1))
        relations = [labels.take(order) for labels in _deinterleave(joined, entries["counts"])]
        table = None if self._table is None else self._table.read(partitions).take(order)
        return entries["row"][order], relations, table

    def read_related(self, number: int, partitions: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        """Return the annotations of the labels in some partitions, and these labels, sorted by label and id."""
        entries = self._related[number].read(partitions)
        order = np.lexsort((entries["row"]["id"], entries["label"]))
        entries = entries[order]
        labels, ids = entries["label"], entries["row"]["id"]
        repeated = np.zeros(len(entries), np.bool_)
        repeated[1:] = (labels[1:] == labels[:-1]) & (ids[1:] == ids[:-1])
        entries = entries[~repeated]
        return entries["row"], entries["label"].astype(np.uint64)

    def random_batches(self) -> Iterator[NDArray[Any]]:
        """Yield all encoded annotations in their random order."""
        for one in range(PARTITIONS):
            rows = self._random.read([one])
            yield rows[np.lexsort((rows["id"], _priority(rows["id"].astype(np.uint64), self._seed)))]

    def release_random(self) -> None:
        """Remove the temporary file of `random_batches`, which is read once."""
        self._random.close()

    def close(self) -> None:
        """Remove all temporary files."""
        for spilled in (self._by_id, self._labels, *self._related, self._random):
            spilled.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def partition_of(ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the partition of each id: the lowest bits of its shard."""
    return ((hash_ids(ids) >> np.uint64(MINISHARD_BITS)) & np.uint64(PARTITIONS - 1)).astype(np.uint8)


def _priority(ids: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return a random number for each id.

    Source: G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators" (2014), SplitMix64.
    """
    state = ids + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % (1 << 64))
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return state ^ state >> np.uint64(31)


def _interleave(relations: Sequence[Ragged], rows: int) -> Ragged:
    """Return, for each annotation, the labels of all its relations, one relation after the other."""
    if not relations:
        return Ragged(np.empty(0, np.uint64), np.zeros(rows, np.int64))
    number = len(relations)
    joined = Ragged.join(relations)
    return Ragged(
        joined.take(np.arange(number * rows).reshape(number, rows).T.reshape(-1)).values,
        joined.counts.reshape(number, rows).sum(axis=0),
    )


def _deinterleave(joined: Ragged, counts: NDArray[np.int64]) -> list[Ragged]:
    """Return the relations that `_interleave` joined, each as it was."""
    flat = Ragged(joined.values, counts.reshape(-1))
    rows, number = counts.shape
    return [flat.take(np.arange(rows) * number + one) for one in range(number)]
