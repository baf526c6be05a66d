"""Sparse volumes in DVID's encoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput
from voxome.geometry.runs import Runs

_HEAD = struct.Struct("<BBBBII")
_COARSE_HEAD = struct.Struct("<QI")
_RUN_BYTES = 16
_INT32 = np.iinfo(np.int32)


def decode_rles(data: bytes, what: str) -> Runs:
    """Decode a sparse volume in DVID's encoding (``format=rles``).

    The header of twelve bytes contains the number of runs, which reveals a truncated response.

    Raises
    ------
    CorruptData
        If it is truncated, or not three-dimensional with runs along x; the message begins with `what`.
    """
    if len(data) < _HEAD.size:
        raise CorruptData(f"{what}: {len(data)} bytes are less than the header of a sparse volume")
    _, dimensions, direction, _, _, count = _HEAD.unpack_from(data)
    if (dimensions, direction) != (3, 0):
        raise CorruptData(f"{what}: expected runs along axis 0 of 3, found runs along axis {direction} of {dimensions}")
    if len(data) != _HEAD.size + count * _RUN_BYTES:
        raise CorruptData(f"{what}: expected {count} runs of {_RUN_BYTES} bytes, found {len(data) - _HEAD.size} bytes")
    return _decode_runs(np.frombuffer(data, "<i4", 4 * count, _HEAD.size))


def encode_rles(runs: Runs) -> bytes:
    """Encode a sparse volume for DVID.

    Raises
    ------
    InvalidInput
        If a coordinate does not fit 32 bits.
    """
    table = runs.table
    if table.size and (table.min() < _INT32.min or table.max() > _INT32.max):
        raise InvalidInput(f"the runs extend over {runs.box}, beyond DVID's 32-bit coordinates")
    wire = np.column_stack([table[:, 2], table[:, 1], table[:, 0], table[:, 3] - table[:, 2]]).astype("<i4")
    return _HEAD.pack(0, 3, 0, 0, 0, len(table)) + wire.tobytes()


def decode_coarse(data: bytes, what: str) -> Iterator[tuple[int, Runs]]:
    """Decode the coarse volumes of a range of labels; yields labels and their runs of blocks.

    Raises
    ------
    CorruptData
        If the data are truncated.
    """
    at = 0
    while at < len(data):
        if at + _COARSE_HEAD.size > len(data):
            raise CorruptData(f"{what}: truncated after {len(data)} bytes")
        label, count = _COARSE_HEAD.unpack_from(data, at)
        at += _COARSE_HEAD.size
        if at + count * _RUN_BYTES > len(data):
            raise CorruptData(f"{what}: truncated within the {count} runs of label {label}")
        yield label, _decode_runs(np.frombuffer(data, "<i4", 4 * count, at))
        at += count * _RUN_BYTES


def _decode_runs(numbers: NDArray[np.int32]) -> Runs:
    """Decode runs of x, y, z, length."""
    x, y, z, length = numbers.reshape(-1, 4).T.astype(np.int64)
    return Runs.from_table(np.column_stack([z, y, x, x + length]))
