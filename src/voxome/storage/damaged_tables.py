"""Errors of damaged tables: what pyarrow raises of Parquet and Arrow that are cut short or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from voxome.errors import CorruptData, VoxomeError

DAMAGE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError, OverflowError)
"""Errors of a damaged table."""


@contextmanager
def reading_table(problem: str) -> Iterator[None]:
    """Turn errors of a damaged table into CorruptData, whose message begins with `problem`.

    Raises
    ------
    CorruptData
    """
    try:
        yield
    except VoxomeError:
        raise
    except DAMAGE as error:
        raise CorruptData(f"{problem}: {error}") from error
