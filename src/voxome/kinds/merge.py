"""Fold rows of many blocks, and merge tables that are sorted by their key in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData, NotFound, StoreError
from voxome.redaction import redact
from voxome.resources.rows import combine, concatenate
from voxome.resources.table import TableFile, write_batches
from voxome.storage.path import StoragePath

Fold = Literal["sum", "min", "max"]
_FAN_IN = 32
ROWS_AT_ONCE = 1024
"""Rows of each table in memory; parts have row groups of so many."""


@dataclass(frozen=True)
class Folding:
    """How rows of one key are combined; see `Table`."""

    columns: Mapping[str, str]
    key: tuple[str, ...]
    fold: Mapping[str, Fold]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The columns by which folded rows are sorted."""
        return (*self.key, *(() if self.fold else (name for name in self.columns if name not in self.key)))

    def apply(self, rows: Rows) -> Rows:
        """Return rows sorted by key, those of one key combined.

        Without folds every row is kept, sorted by the key and then by all other columns, so that the order in which
        blocks came does not show.
        """
        if self.fold:
            folded = combine({name: rows[name] for name in self.columns}, self.key, self.fold)
            return {name: folded[name].astype(dtype, copy=False) for name, dtype in self.columns.items()}
        order = np.lexsort([np.asarray(rows[name]) for name in reversed(self.order)])
        return {name: np.asarray(rows[name])[order].astype(dtype, copy=False) for name, dtype in self.columns.items()}


def merge_parts(
    addresses: Iterable[str],
    target: str,
    scratch: StoragePath,
    folding: Folding,
    *,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Fold tables, each as `Folding.apply` returns it, into one.

    They are merged as an external sort does (Knuth, The Art of Computer Programming 3, section 5.4), 32 at a time.

    Parameters
    ----------
    addresses : iterable of str
        Of the tables.
    target : str
        Address of the result.
    scratch : StoragePath
        Folder for intermediate results; removed before and after.
    folding : Folding
        How their rows are combined.
    metadata : mapping of str to str
        Metadata of the result.
    """
    tables = [address for address in addresses if len(TableFile(address))]
    count = 0
    while len(tables) > _FAN_IN:
        group, tables = tables[:_FAN_IN], tables[_FAN_IN:]
        tables.append((scratch / f"{count}.parquet").address)
        write_batches(tables[-1], merged_rows(group, folding), folding.columns, row_group=ROWS_AT_ONCE)
        count += 1
    write_batches(target, merged_rows(tables, folding), folding.columns, metadata=metadata)
    if count:
        with suppress(NotFound, StoreError):
            scratch.delete()


def merged_rows(tables: Sequence[str], folding: Folding) -> Iterator[Rows]:
    """Yield the folded rows of sorted tables, in order.

    No table has rows left below the smallest of the last keys that are in memory: up to there, rows can be folded.
    """
    streams = [TableFile(address).batches(ROWS_AT_ONCE) for address in tables]
    heads = [next(stream) for stream in streams]
    while heads:
        bound = min(_key(rows, -1, folding) for rows in heads)
        ends = [_up_to(rows, bound, folding) for rows in heads]
        if not any(ends):
            raise CorruptData(f"the tables {', '.join(map(redact, tables))} cannot be merged: a key is not ordered")
        ready = [_part(rows, slice(0, end)) for rows, end in zip(heads, ends, strict=True) if end]
        yield folding.apply(concatenate(ready, folding.columns))
        heads = [_part(rows, slice(end, None)) for rows, end in zip(heads, ends, strict=True)]
        heads = [rows if _length(rows) else next(stream, rows) for rows, stream in zip(heads, streams, strict=True)]
        left = [index for index, rows in enumerate(heads) if _length(rows)]
        heads, streams = [heads[index] for index in left], [streams[index] for index in left]


def _key(rows: Rows, at: int, folding: Folding) -> tuple[tuple[bool, Any], ...]:
    """Return the key of a row, such that tuples compare as NumPy sorts: NaN comes last."""
    values = (rows[name][at].item() for name in folding.order)
    return tuple((True, 0) if value != value else (False, value) for value in values)


def _up_to(rows: Rows, bound: tuple[tuple[bool, Any], ...], folding: Folding) -> int:
    """Return the number of rows that come no later than `bound`."""
    before, same = np.zeros(_length(rows), bool), np.ones(_length(rows), bool)
    for name, (is_nan, value) in zip(folding.order, bound, strict=True):
        values = np.asarray(rows[name])
        nan = values != values
        before |= same & (~nan if is_nan else values < value)
        same &= nan if is_nan else values == value
    return int((before | same).sum())


def _length(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _part(rows: Rows, which: slice) -> Rows:
    return {name: values[which] for name, values in rows.items()}
