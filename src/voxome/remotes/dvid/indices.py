"""Label indices: the number of voxels of each supervoxel of a body in each block."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData
from voxome.remotes.decompression import decompress_lz4, require_lz4_size
from voxome.remotes.dvid.messages import parse_message

_RECORD = struct.Struct("<QQ")
_HEADER = struct.Struct("<BI")
_LZ4_FORMAT = 0x80
_AXIS_BITS = 21
_SIGN, _MAGNITUDE = 1 << 20, (1 << 20) - 1


@dataclass(frozen=True, eq=False)
class LabelIndex:
    """Voxels of a body by block and supervoxel.

    Attributes
    ----------
    label : int
        The body.
    rows : table
        One row per block and supervoxel: ``block_z, block_y, block_x`` (in blocks), ``supervoxel``, ``voxels``;
        sorted by block, then supervoxel.
    mutation_id : int
        Id of the last edit of the body; 0 if it was never edited.
    time, user, app : str
        Time, user and application of that edit; empty if the body was never edited.
    """

    label: int
    rows: Rows
    mutation_id: int
    time: str
    user: str
    app: str

    @property
    def voxels(self) -> int:
        """Number of voxels of the body."""
        return int(self.rows["voxels"].sum())

    @property
    def supervoxels(self) -> NDArray[np.uint64]:
        """Supervoxels of the body, sorted."""
        return np.unique(self.rows["supervoxel"])

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Blocks that the body touches: rows of z, y, x, in blocks."""
        return np.unique(np.column_stack([self.rows[f"block_{axis}"] for axis in "zyx"]), axis=0)


def decode_index(data: bytes, what: str) -> LabelIndex:
    """Decode a LabelIndex message.

    Raises
    ------
    CorruptData
        If it is malformed; the message begins with `what`.
    """
    return _index(parse_message("LabelIndex", data, what))


def decode_indices(data: bytes, what: str) -> Iterator[tuple[int, LabelIndex | None]]:
    """Decode a response with several label indices; yields labels and their indices, None for an unknown label.

    Raises
    ------
    CorruptData
        If the response is truncated or cannot be decompressed.
    """
    at = 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise CorruptData(f"{what}: truncated after {len(data)} bytes")
        size, label = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + size > len(data):
            raise CorruptData(f"{what}: expected {size} bytes for label {label}, found {len(data) - at}")
        yield label, decode_index(_decompress(data[at : at + size], what), what) if size else None
        at += size


def _decompress(record: bytes, what: str) -> bytes:
    if len(record) < _HEADER.size or record[0] != _LZ4_FORMAT:
        raise CorruptData(f"{what}: expected an LZ4 block of DVID, found {record[:5].hex(' ')}")
    size = _HEADER.unpack_from(record)[1]
    try:
        require_lz4_size(size, len(record))
        return decompress_lz4(record[_HEADER.size :], size)
    except ValueError as error:
        raise CorruptData(f"{what}: cannot decompress a record: {error}") from error


def _index(message: Any) -> LabelIndex:
    entries = [
        (key, supervoxel, voxels)
        for key, block in message.blocks.items()
        for supervoxel, voxels in block.counts.items()
    ]
    keys, supervoxels, voxels = np.array(entries, np.uint64).reshape(-1, 3).T
    z, y, x = decode_block_keys(keys)
    order = np.lexsort((supervoxels, x, y, z))
    columns = {"block_z": z, "block_y": y, "block_x": x, "supervoxel": supervoxels, "voxels": voxels.astype(np.int64)}
    return LabelIndex(
        label=message.label,
        rows={name: values[order] for name, values in columns.items()},
        mutation_id=message.last_mutid,
        time=message.last_mod_time,
        user=message.last_mod_user,
        app=message.last_mod_app,
    )


def decode_block_keys(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Decode DVID's packed block coordinates into z, y, x: 21 bits per axis, z highest, each a sign and 20 bits."""
    packed = keys.astype(np.int64)
    parts = [packed >> shift * _AXIS_BITS for shift in (2, 1, 0)]
    z, y, x = (np.where(part & _SIGN, -(part & _MAGNITUDE), part & _MAGNITUDE) for part in parts)
    return z, y, x
