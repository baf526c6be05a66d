"""Decompression with a limit, as a few bytes of gzip may stand for a thousand times as many."""

from __future__ import annotations

import zlib

_LEAST, _RATIO = 1 << 26, 128
"""Size in bytes that is always accepted, and that in bytes for a compressed one; more is an attack, or damage."""


def inflate(data: bytes | memoryview, window: int) -> bytes:
    """Decompress data, in the memory of a multiple of their size.

    Parameters
    ----------
    data : bytes
        Compressed by zlib or gzip.
    window : int
        ``wbits`` of zlib.

    Raises
    ------
    zlib.error
        If they are damaged, or would have more than 64 MiB and 128 times their size.
    """
    limit = max(_LEAST, _RATIO * len(data))
    inflater = zlib.decompressobj(wbits=window)
    plain = inflater.decompress(data, limit + 1)
    if len(plain) > limit:
        raise zlib.error(f"{len(data):,} bytes are more than {limit:,} bytes when decompressed, which is not plausible")
    if not inflater.eof:
        raise zlib.error("incomplete or truncated stream")
    return plain
