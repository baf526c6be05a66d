"""Edits of annotations: a small table beside the indices, until it is folded into them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import StoreError
from voxome.remotes.annotation_rows import from_table, to_table
from voxome.storage.damaged_tables import DAMAGE, table_error
from voxome.storage.parquet_files import open_parquet
from voxome.storage.path import StoragePath

_DELETED, _NUMBER = "voxome_deleted", "voxome_number"
_NEXT, _CLOSED_BY = b"voxome_next", b"voxome_closed_by"
_ATTEMPTS = 100
_WAIT_S = 0.05


@dataclass(frozen=True, eq=False)
class Edits:
    """Annotations that were added or changed, and ids of those that were deleted.

    Attributes
    ----------
    live : Annotations
        Those that were added or changed, sorted by id.
    numbers : (n,) array of int64
        Number of the edit of each.
    deleted : dict of int to int
        Ids, and the number of their edit.
    next : int
        Number of the next edit.
    closed_by : str
        Fold that writes them into the indices, so that others wait; empty if there is none.
    """

    live: Annotations
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    deleted: dict[int, int] = field(default_factory=dict)
    next: int = 0
    closed_by: str = ""

    @property
    def ids(self) -> NDArray[np.uint64]:
        """All ids that were edited, sorted."""
        return np.sort(np.concatenate([self.live.ids, np.array(list(self.deleted), np.uint64)]))

    def __len__(self) -> int:
        return len(self.live) + len(self.deleted)

    def write(self, annotations: Annotations) -> Self:
        """Return the edits with annotations added or changed; of an id that occurs twice, the last one."""
        last = len(annotations) - 1 - np.unique(annotations.ids[::-1], return_index=True)[1]
        new = annotations.select(last)
        kept = np.flatnonzero(~np.isin(self.live.ids, new.ids))
        live = Annotations.concatenate([self.live.select(kept), new])
        numbers = np.concatenate([self.numbers[kept], np.full(len(new), self.next)])
        order = np.argsort(live.ids)
        written = set(new.ids.tolist())
        deleted = {id: number for id, number in self.deleted.items() if id not in written}
        return replace(self, live=live.select(order), numbers=numbers[order], deleted=deleted, next=self.next + 1)

    def delete(self, ids: NDArray[np.uint64]) -> Self:
        """Return the edits with annotations deleted."""
        kept = np.flatnonzero(~np.isin(self.live.ids, ids))
        deleted = {**self.deleted, **dict.fromkeys(ids.tolist(), self.next)}
        return replace(
            self, live=self.live.select(kept), numbers=self.numbers[kept], deleted=deleted, next=self.next + 1
        )

    def since(self, number: int) -> Self:
        """Return the edits from one number on."""
        kept = np.flatnonzero(self.numbers >= number)
        deleted = {id: edit for id, edit in self.deleted.items() if edit >= number}
        return replace(self, live=self.live.select(kept), numbers=self.numbers[kept], deleted=deleted, closed_by="")

    def to_bytes(self) -> bytes:
        """Return the edits as a Parquet file."""
        gone = np.array(sorted(self.deleted), np.uint64)
        table = to_table(self.live)
        marks = {_DELETED: np.zeros(len(table), np.bool_), _NUMBER: self.numbers}
        rows = {name: _nulls(len(gone), table.schema.field(name).type) for name in table.column_names}
        removed = pa.table({**rows, "id": pa.array(gone)})
        numbers = np.array([self.deleted[id] for id in gone.tolist()], np.int64)
        for name, values in marks.items():
            table = table.append_column(name, pa.array(values))
        removed = removed.append_column(_DELETED, pa.array(np.ones(len(gone), np.bool_)))
        removed = removed.append_column(_NUMBER, pa.array(numbers))
        schema = table.schema.with_metadata({_NEXT: str(self.next).encode(), _CLOSED_BY: self.closed_by.encode()})
        both = pa.concat_tables([table, removed.cast(table.schema)]).cast(schema)
        buffer = io.BytesIO()
        pq.write_table(both, buffer)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, shape: AnnotationShape, name: str) -> Self:
        """Parse the edits; `name` is their file, for messages.

        Raises
        ------
        CorruptData
            If they are damaged.
        """
        try:
            table = open_parquet(io.BytesIO(data)).read(use_threads=False)
            metadata = table.schema.metadata or {}
            is_deleted = table.column(_DELETED).to_numpy()
            numbers = table.column(_NUMBER).to_numpy()
            ids = table.column("id").to_numpy()
            live = table.filter(pa.array(~is_deleted)).drop_columns([_DELETED, _NUMBER])
            return cls(
                from_table(live, shape),
                numbers[~is_deleted],
                dict(zip(ids[is_deleted].tolist(), numbers[is_deleted].tolist(), strict=True)),
                int(metadata[_NEXT]),
                metadata[_CLOSED_BY].decode(),
            )
        except (*DAMAGE, MemoryError) as error:
            raise table_error(f"{name}, which has the edits of annotations, cannot be read", error) from error


def _nulls(count: int, kind: pa.DataType) -> pa.Array:
    """Return a column of nulls, within lists of fixed size: pyarrow before 26 reads no null instead of such a list."""
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.nulls(count * kind.list_size, kind.value_type), type=kind)
    return pa.nulls(count, kind)


class EditsFile:
    """The file of the edits of a collection, which several processes may change at once.

    Parameters
    ----------
    folder : StoragePath
        Of the collection.
    key : str
        Name of the file.
    none : Annotations
        No annotations, with the properties and relations of the collection.
    """

    def __init__(self, folder: StoragePath, key: str, none: Annotations) -> None:
        self._folder, self.key, self._none = folder, key, none

    def read(self) -> Edits:
        """Return the edits."""
        return self._parse(self._folder.read(self.key))

    def _parse(self, data: bytes | None) -> Edits:
        return (
            Edits(self._none)
            if data is None
            else Edits.from_bytes(data, self._none.shape, f"{self._folder}/{self.key}")
        )

    def change(self, change: Callable[[Edits], Edits]) -> Edits | None:
        """Change the edits, and return the new ones; None, with nothing changed, if they are being folded.

        If `change` returns the edits that it got, nothing is written.
        """
        for _ in range(_ATTEMPTS):
            found: list[Edits] = []

            def text(old: bytes | None, found: list[Edits] = found) -> bytes:
                edits = self._parse(old)
                if edits.closed_by:
                    raise _Closed
                found.append(change(edits))
                if found[0] is edits:
                    raise _Unchanged
                return found[0].to_bytes()

            try:
                if self._folder.change(self.key, text):
                    return found[0]
            except _Closed:
                return None
            except _Unchanged:
                return found[0]
            time.sleep(_WAIT_S)
        raise StoreError(f"{self._folder}/{self.key}: others changed it {_ATTEMPTS} times at once; try again")

    def close(self, fold: str) -> Edits | None:
        """Let no one change the edits until the fold `fold` has ended; None if another one has closed them."""
        return self.change(lambda edits: replace(edits, closed_by=fold))

    def reopen(self, fold: str) -> None:
        """Let others change the edits again, if it is the fold `fold` that has closed them."""

        def text(old: bytes | None) -> bytes:
            edits = self._parse(old)
            if edits.closed_by != fold:
                raise _NotClosed
            return replace(edits, closed_by="").to_bytes()

        with suppress(_NotClosed):
            while not self._folder.change(self.key, text):
                time.sleep(_WAIT_S)

    def put(self, edits: Edits) -> None:
        """Replace the edits."""
        (self._folder / self.key).write_bytes(edits.to_bytes())

    def remove(self) -> None:
        """Remove the file."""
        (self._folder / self.key).unlink()

    def state(self) -> Any:
        """Return what changes with the file."""
        return (self._folder / self.key).file_state()


class _Closed(Exception):
    """The edits are being folded."""


class _Unchanged(Exception):
    """There is nothing to write."""


class _NotClosed(Exception):
    """The edits are not closed, or by another fold."""
