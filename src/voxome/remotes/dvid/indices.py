"""Label indices: how many voxels of each supervoxel of a body lie in each block."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData
from voxome.remotes.dvid.messages import parsed

_RECORD = struct.Struct("<QQ")
_PACKED = struct.Struct("<BI")
_LZ4_FORMAT = 0x80
_AXIS_BITS = 21
_SIGN, _MAGNITUDE = 1 << 20, (1 << 20) - 1


@dataclass(frozen=True, eq=False)
class LabelIndex:
    """Where a body is, by blocks.

    Attributes
    ----------
    label : int
        The body.
    rows : table
        A row for each supervoxel in each block: ``block_z, block_y, block_x`` (in blocks), ``supervoxel``, ``voxels``;
        sorted by block, then supervoxel.
    mutation_id : int
        The last edit of the body; 0 if there was none.
    time, user, app : str
        When, by whom and with what that was; empty if there was none.
    """

    label: int
    rows: Rows
    mutation_id: int
    time: str
    user: str
    app: str

    @property
    def voxels(self) -> int:
        """Size of the body."""
        return int(self.rows["voxels"].sum())

    @property
    def supervoxels(self) -> NDArray[np.uint64]:
        """Its supervoxels, sorted."""
        return np.unique(self.rows["supervoxel"])

    @property
    def blocks(self) -> NDArray[np.int64]:
        """The blocks it is in: rows of z, y, x, in blocks."""
        return np.unique(np.column_stack([self.rows[f"block_{axis}"] for axis in "zyx"]), axis=0)


def decode_index(data: bytes, what: str) -> LabelIndex:
    """The index in a LabelIndex message.

    Raises
    ------
    CorruptData
        If it is none; the text begins with `what`.
    """
    return _index(parsed("LabelIndex", data, what))


def decode_compressed(data: bytes, what: str) -> Iterator[tuple[int, LabelIndex | None]]:
    """Labels and their indices, as DVID sends those of many; None for a label that it does not have.

    Raises
    ------
    CorruptData
        If the body is cut short or cannot be unpacked.
    """
    at = 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise CorruptData(f"{what}: cut short after {len(data)} bytes")
        size, label = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + size > len(data):
            raise CorruptData(f"{what}: {size} bytes of label {label} are announced, {len(data) - at} follow")
        yield label, _index(parsed("LabelIndex", _unpack(data[at : at + size], what), what)) if size else None
        at += size


def _unpack(record: bytes, what: str) -> bytes:
    if len(record) < _PACKED.size or record[0] != _LZ4_FORMAT:
        raise CorruptData(f"{what}: a record begins with {record[:5].hex(' ')}, which is no LZ4 block of DVID")
    plain = _PACKED.unpack_from(record)[1]
    try:
        unpacked = bytes(imagecodecs.lz4_decode(record[_PACKED.size :], header=False, out=plain))
    except (imagecodecs.Lz4Error, ValueError) as error:
        raise CorruptData(f"{what}: a record cannot be unpacked: {error}") from error
    if len(unpacked) != plain:
        raise CorruptData(f"{what}: a record has {len(unpacked)} bytes where {plain} are announced")
    return unpacked


def _index(found: Any) -> LabelIndex:
    entries = [
        (key, supervoxel, voxels) for key, block in found.blocks.items() for supervoxel, voxels in block.counts.items()
    ]
    keys, supervoxels, voxels = np.array(entries, np.uint64).reshape(-1, 3).T
    z, y, x = decode_block_keys(keys)
    order = np.lexsort((supervoxels, x, y, z))
    columns = {"block_z": z, "block_y": y, "block_x": x, "supervoxel": supervoxels, "voxels": voxels.astype(np.int64)}
    return LabelIndex(
        label=found.label,
        rows={name: values[order] for name, values in columns.items()},
        mutation_id=found.last_mutid,
        time=found.last_mod_time,
        user=found.last_mod_user,
        app=found.last_mod_app,
    )


def decode_block_keys(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """z, y, x of blocks from DVID's packed numbers: 21 bits an axis, z highest, each a sign and 20 bits."""
    packed = keys.astype(np.int64)
    parts = [packed >> shift * _AXIS_BITS for shift in (2, 1, 0)]
    z, y, x = (np.where(part & _SIGN, -(part & _MAGNITUDE), part & _MAGNITUDE) for part in parts)
    return z, y, x
