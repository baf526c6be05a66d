"""Rows of a table as bytes: batches that can be stored one after the other, anywhere in a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import pyarrow as pa

from voxome.contracts.kinds import Rows
from voxome.resources.rows import array_dtype
from voxome.resources.table import arrow_schema, rows_of
from voxome.storage.damaged_tables import DAMAGE

_HEADER = struct.Struct("<qq")
"""Bytes of a batch before and after compression."""
_CODEC = "zstd"
_MOST_RATIO = 1 << 15
"""Most bytes that a byte of zstd can hold: a block of 4 bytes has up to 128 KiB (RFC 8878, section 3.1.1.2)."""


def to_batch(rows: Rows, columns: Mapping[str, str]) -> pa.RecordBatch:
    """Return rows as a batch of Arrow."""
    arrays = [rows[name].astype(array_dtype(dtype), copy=False) for name, dtype in columns.items()]
    schema = arrow_schema(columns)
    return pa.record_batch([pa.array(one, field.type) for one, field in zip(arrays, schema, strict=True)], schema)


def encode_batch(batch: pa.RecordBatch) -> bytes:
    """Return a batch as bytes: its sizes, and a compressed message of Arrow without the schema."""
    message = batch.serialize()
    data: bytes = pa.compress(message, codec=_CODEC, asbytes=True)
    return _HEADER.pack(message.size, len(data)) + data


def decode_batches(data: bytes, columns: Mapping[str, str]) -> Iterator[Rows]:
    """Yield the rows of batches that follow each other.

    Raises
    ------
    ValueError
        If they are cut short or damaged.
    MemoryError
        If the memory has no room for what they hold.
    """
    schema, at, view = arrow_schema(columns), 0, memoryview(data)
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise ValueError(f"{len(data) - at} bytes are left over")
        size, compressed = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if not 0 < compressed <= len(data) - at:
            raise ValueError(f"a batch of {compressed} bytes has {len(data) - at}")
        if size > _MOST_RATIO * compressed:
            raise ValueError(f"a batch of {compressed} bytes claims to be {size:,}")
        try:
            message = pa.decompress(view[at : at + compressed], size, codec=_CODEC)
            rows = rows_of(pa.Table.from_batches([pa.ipc.read_record_batch(message, schema)]))
        except MemoryError:
            raise
        except DAMAGE as error:
            raise ValueError(str(error)) from error
        yield rows
        at += compressed
