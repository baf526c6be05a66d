"""Errors of damaged tables: what pyarrow raises of Parquet and Arrow that are cut short or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from voxome.errors import CorruptData, OutOfMemory, VoxomeError

DAMAGE = (pa.ArrowException, OSError, EOFError, ValueError, LookupError, TypeError, OverflowError)
"""Errors of a damaged table; `pyarrow.ArrowMemoryError` is among them."""


@contextmanager
def reading_table(problem: str) -> Iterator[None]:
    """Turn errors of a damaged table into those of voxome, whose messages begin with `problem`.

    Raises
    ------
    CorruptData
        If it is damaged.
    OutOfMemory
        If there is no memory for what it says that it holds, as can happen to tables that are whole.
    """
    try:
        yield
    except VoxomeError:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise table_error(problem, error) from error


def table_error(problem: str, error: Exception) -> CorruptData | OutOfMemory:
    """Return the error for a table that cannot be read, see `reading_table`."""
    if isinstance(error, MemoryError):
        what = str(error) or "the memory is full"
        return OutOfMemory(f"{problem}: {what}; read it where there is more memory, or restore it if it is damaged")
    return CorruptData(f"{problem}: {error}")
