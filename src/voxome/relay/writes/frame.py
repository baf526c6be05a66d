"""Files of the journal: a header, the voxels, and the checksums that show whether both are whole.

==========  =====================================================
8 bytes     ``VXWRITE1``
4 bytes     length of the header
4 bytes     CRC-32 of the header
header      the entry, in JSON
payload     voxels in C order, then the mask, one bit for each voxel
==========  =====================================================
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, VoxomeError
from voxome.relay.writes.entry import WriteEntry

_MAGIC = b"VXWRITE1"
_START = struct.Struct("<8sII")


@dataclass(frozen=True)
class Voxels:
    """What a write writes.

    Attributes
    ----------
    data : array
        Voxels of its box.
    where : array of bool or None
        Which of them are written; all if None.
    """

    data: NDArray[Any]
    where: NDArray[np.bool_] | None


def encode_payload(voxels: Voxels) -> bytes:
    """Return the payload of a file."""
    data = np.ascontiguousarray(voxels.data).tobytes()
    return data if voxels.where is None else data + np.packbits(voxels.where.ravel()).tobytes()


def decode_payload(entry: WriteEntry, payload: bytes | memoryview) -> Voxels:
    """Return what a write writes; the arrays are not writable."""
    data = np.frombuffer(payload, entry.dtype, entry.box.size).reshape(entry.box.shape)
    if not entry.masked:
        return Voxels(data, None)
    bits = np.frombuffer(payload, np.uint8, offset=entry.voxel_bytes)
    return Voxels(data, np.unpackbits(bits, count=entry.box.size).view(np.bool_).reshape(entry.box.shape))


def encode_head(entry: WriteEntry) -> bytes:
    """Return the beginning of a file, up to the payload."""
    header = entry.to_json().encode()
    return _START.pack(_MAGIC, len(header), zlib.crc32(header)) + header


def parse_file(content: bytes) -> tuple[WriteEntry, memoryview]:
    """Return the entry and the payload of a file.

    Raises
    ------
    CorruptData
        If the file is not whole, or was changed.
    """
    view = memoryview(content)
    if len(view) < _START.size:
        raise CorruptData(f"the file has {len(view)} bytes")
    magic, length, checksum = _START.unpack(view[: _START.size])
    header, payload = view[_START.size : _START.size + length], view[_START.size + length :]
    if magic != _MAGIC or len(header) != length or zlib.crc32(header) != checksum:
        raise CorruptData("the header is damaged")
    try:
        entry = WriteEntry.from_json(bytes(header).decode())
        expected = entry.voxel_bytes + (-(-entry.box.size // 8) if entry.masked else 0)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, VoxomeError) as error:
        raise CorruptData(f"the header is not one of a write: {error}") from error
    if len(payload) != entry.nbytes or entry.nbytes != expected or zlib.crc32(payload) != entry.checksum:
        raise CorruptData("the voxels are damaged")
    return entry, payload


def with_payload(entry: WriteEntry, payload: bytes) -> WriteEntry:
    """Return an entry with the length and checksum of its payload."""
    return replace(entry, nbytes=len(payload), checksum=zlib.crc32(payload))
