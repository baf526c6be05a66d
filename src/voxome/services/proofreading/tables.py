"""Tables of a proofreading store, and arrays of ids as binary columns."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import ArrayLike, NDArray

_WRAP = 1 << 64


class UnsignedId(sa.TypeDecorator[int]):
    """An id of 64 bits without sign, in a signed column; equality holds in SQL, order does not."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        """Return the signed number with the same bits."""
        return value if value is None or value < _WRAP // 2 else value - _WRAP

    def process_result_value(self, value: Any, dialect: Any) -> int | None:
        """Return the id."""
        return None if value is None else int(value) % _WRAP


METADATA = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any] | sa.Index) -> sa.Table:
    return sa.Table(f"proofreading_{name}", METADATA, *columns)


def _number(name: str, **options: Any) -> sa.Column[int]:
    """Return a column of numbers that voxome assigns."""
    return sa.Column(name, sa.BigInteger, autoincrement=False, **options)


def _signature() -> tuple[sa.Column[str], sa.Column[float]]:
    """Return the columns that say who has written a row, and when (seconds since 1970)."""
    return sa.Column("author", sa.Text, nullable=False), sa.Column("time_s", sa.Float, nullable=False)


STORE = _table(
    "store",
    _number("id", primary_key=True),
    sa.Column("format_version", sa.Integer, nullable=False),
    sa.Column("description", sa.JSON, nullable=False),
    sa.Column("last_id", UnsignedId, nullable=False),
    sa.Column("last_operation", sa.BigInteger, nullable=False),
)
"""One row: the volume, and the counters of ids and operations; whoever writes anything locks it first."""

SUPERVOXELS = _table(
    "supervoxels",
    _number("page", primary_key=True),
    sa.Column("ids", sa.LargeBinary, nullable=False),
    sa.Column("segments", sa.LargeBinary),
)
"""All supervoxels at the start, sorted, and their segments where these are others."""

INDEX = _table(
    "index",
    _number("chunk", primary_key=True),
    sa.Column("ids", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)
"""Supervoxels at the start in every chunk that has one, and a digest of its voxels."""

EDGES = _table("edges", _number("page", primary_key=True), sa.Column("rows", sa.LargeBinary, nullable=False))
"""Edges between supervoxels: two ids, and the bits of the affinity."""

OPERATIONS = _table(
    "operations",
    _number("number", primary_key=True),
    sa.Column("branch", sa.String(200), nullable=False, index=True),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("target", sa.BigInteger),
    sa.Column("session", sa.String(40), nullable=False),
    *_signature(),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("moves", sa.LargeBinary, nullable=False),
    sa.Column("stored", sa.LargeBinary, nullable=False),
)
"""Every edit, in one order over all branches."""

STORED_IDS = _table(
    "stored_ids",
    sa.Column("id", UnsignedId, primary_key=True, autoincrement=False),
    sa.Column("parent", UnsignedId, nullable=False),
    sa.Column("operation", sa.BigInteger, nullable=False, index=True),
)
"""Ids that splits wrote into chunks, and the ids that were there before."""

CHUNKS = _table(
    "chunks",
    _number("level", primary_key=True),
    _number("chunk", primary_key=True),
    sa.Column("operation", sa.BigInteger, nullable=False, index=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""Voxels that splits have changed, by chunk, with the operation that wrote last."""

BRANCHES = _table(
    "branches",
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("parent", sa.String(200)),
    sa.Column("fork", sa.BigInteger, nullable=False),
    *_signature(),
)

VERSIONS = _table(
    "versions",
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("branch", sa.String(200), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    *_signature(),
)

LEASES = _table(
    "leases",
    sa.Column("branch", sa.String(200), primary_key=True),
    sa.Column("segment", UnsignedId, primary_key=True, autoincrement=False),
    sa.Column("session", sa.String(40), nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("until_s", sa.Float, nullable=False),
)

SUGGESTIONS = _table(
    "suggestions",
    _number("number", primary_key=True),
    sa.Column("branch", sa.String(200), nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("status", sa.String(20), nullable=False, index=True),
    sa.Column("session", sa.String(40)),
    sa.Column("until_s", sa.Float),
    sa.Column("operation", sa.BigInteger),
    sa.Column("decided_by", sa.Text),
    *_signature(),
)


def pack(values: ArrayLike) -> bytes:
    """Return an array of uint64, compressed."""
    return zlib.compress(np.ascontiguousarray(values, "<u8").tobytes(), 1)


def unpack(data: bytes, columns: int = 1) -> NDArray[np.uint64]:
    """Return what `pack` has compressed: (n,), or (n, columns)."""
    flat = np.frombuffer(zlib.decompress(data), "<u8").astype(np.uint64)
    return flat if columns == 1 else flat.reshape(-1, columns)
