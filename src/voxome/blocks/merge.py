"""Fold tables that are sorted by their key, in memory that does not grow with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from voxome.blocks.fold import fold_rows, order_of
from voxome.contracts.kinds import Rows, Table
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile, write_batches

_FAN_IN = 32
ROWS_AT_ONCE = 1024
"""Of each table, in memory; parts have row groups of so many."""


def merge_parts(paths: Iterable[Path], target: Path, kind: Table) -> None:
    """Fold the tables at `paths`, each as `fold_rows` gives it, into one at `target`.

    They are merged as an external sort does (Knuth, The Art of Computer Programming 3, section 5.4), 32 at a time.
    """
    hidden = target.with_name(f".{target.stem}")
    shutil.rmtree(hidden, ignore_errors=True)
    tables = [path for path in paths if len(TableFile(path))]
    made = 0
    while len(tables) > _FAN_IN:
        group, tables = tables[:_FAN_IN], tables[_FAN_IN:]
        tables.append(hidden / f"{made}.parquet")
        write_batches(tables[-1], merged(group, kind), kind.columns, row_group=ROWS_AT_ONCE)
        made += 1
    write_batches(target, merged(tables, kind), kind.columns)
    shutil.rmtree(hidden, ignore_errors=True)


def merged(tables: Sequence[Path], kind: Table) -> Iterator[Rows]:
    """Folded rows of sorted tables, in order.

    No table has rows left below the smallest of the last keys that are in memory: up to there, rows can be folded.
    """
    streams = [TableFile(path).batches(ROWS_AT_ONCE) for path in tables]
    held = [next(stream) for stream in streams]
    while held:
        bound = min(_key(rows, -1, kind) for rows in held)
        ends = [_up_to(rows, bound, kind) for rows in held]
        ready = [_part(rows, slice(0, end)) for rows, end in zip(held, ends, strict=True) if end]
        yield fold_rows(concatenate(ready, kind.columns), kind)
        held = [_part(rows, slice(end, None)) for rows, end in zip(held, ends, strict=True)]
        held = [rows if _length(rows) else next(stream, rows) for rows, stream in zip(held, streams, strict=True)]
        left = [place for place, rows in enumerate(held) if _length(rows)]
        held, streams = [held[place] for place in left], [streams[place] for place in left]


def _key(rows: Rows, at: int, kind: Table) -> tuple[float, ...]:
    return tuple(rows[name][at].item() for name in order_of(kind))


def _up_to(rows: Rows, bound: tuple[float, ...], kind: Table) -> int:
    """How many rows come no later than `bound`."""
    before, same = np.zeros(_length(rows), bool), np.ones(_length(rows), bool)
    for name, value in zip(order_of(kind), bound, strict=True):
        before |= same & (rows[name] < value)
        same &= rows[name] == value
    return int((before | same).sum())


def _length(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _part(rows: Rows, which: slice) -> Rows:
    return {name: values[which] for name, values in rows.items()}
