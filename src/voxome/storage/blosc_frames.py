"""Frames of blosc, checked before its decoder, which trusts their headers, sees them."""

from __future__ import annotations

import struct

import numpy as np

_HEADER = struct.Struct("<4B3I")
"""Version of the format, version of the codec, flags, size of an item; sizes in bytes: plain, of a block, of all."""
_COPIED = 0x02
"""Flag of a frame that is not compressed."""


def require_blosc_frame(frame: bytes | memoryview, limit: int) -> int:
    """Check that a frame of blosc 1 stays inside its own bytes; return its size when decompressed, in bytes.

    The format is that of ``README_CHUNK_FORMAT`` of c-blosc.

    Parameters
    ----------
    frame : bytes
        A frame; bytes behind it are ignored.
    limit : int
        Most bytes that it may have when decompressed.

    Raises
    ------
    ValueError
        If it is not such a frame.
    """
    if len(frame) < _HEADER.size:
        raise ValueError(f"a frame of blosc has a header of {_HEADER.size} bytes; there are {len(frame)} bytes")
    version, _, flags, item, size, block, total = _HEADER.unpack_from(frame)
    if version != 2 or not item:
        raise ValueError(f"not a frame of blosc: it begins with {bytes(frame[:4]).hex(' ')}")
    if total > len(frame):
        raise ValueError(f"a frame of blosc has {total:,} bytes by its header; there are {len(frame):,} bytes")
    if size > limit:
        raise ValueError(f"a frame of blosc has {size:,} bytes by its header; expected at most {limit:,}")
    if flags & _COPIED:
        if total != _HEADER.size + size:
            raise ValueError(f"a frame of blosc of {size:,} plain bytes has {total:,} bytes")
        return size
    if not 0 < block <= max(size, 1):
        raise ValueError(f"a frame of blosc of {size:,} bytes has blocks of {block:,} bytes")
    count = -(-size // block)
    first = _HEADER.size + 4 * count
    if first > total:
        raise ValueError(f"a frame of blosc of {total:,} bytes has {count:,} blocks by its header")
    starts = np.frombuffer(frame, "<u4", count, _HEADER.size)
    if count and (starts.min() < first or starts.max() > total - 4):
        raise ValueError("a frame of blosc has blocks that begin outside it")
    return size
