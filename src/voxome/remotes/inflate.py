"""Decompression with a limit, as a few bytes of gzip may stand for a thousand times as many."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np

_LEAST, _RATIO = 1 << 26, 128
"""Size in bytes that is always accepted, and that in bytes for a compressed one; more is an attack, or damage."""
_GZIP_WINDOW = 31


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
    limit = _limit(data)
    inflater = zlib.decompressobj(wbits=window)
    plain = inflater.decompress(data, limit + 1)
    if len(plain) > limit:
        raise zlib.error(_implausible(data, limit))
    if not inflater.eof:
        raise zlib.error("incomplete or truncated stream")
    return plain


def decompress_file(suffix: str, data: bytes, known: int = 0) -> bytes:
    """Decompress the content of a file according to its suffix, one of `SUFFIXES`.

    Parameters
    ----------
    suffix : str
        As ``.gz``.
    data : bytes
        The content.
    known : int
        Size in bytes that is plausible since metadata say so.

    Raises
    ------
    ValueError, zlib.error, lzma.LZMAError, OSError
        If they are damaged, or would have more than `known`, 64 MiB, and 128 times their size.
    """
    return _DECOMPRESS[suffix](data, max(known, _limit(data)))


def _limit(data: bytes | memoryview) -> int:
    return max(_LEAST, _RATIO * len(data))


def _implausible(data: bytes | memoryview, limit: int) -> str:
    return f"{len(data):,} bytes are more than {limit:,} bytes when decompressed, which is not plausible"


def _decode_streams(data: bytes, limit: int, new: Callable[[], Any]) -> bytes:
    """Decompress the streams of a file, one after the other, with decompressors of the standard library."""
    parts: list[bytes] = []
    rest, room = data, limit
    while rest or not parts:
        decompressor = new()
        plain = decompressor.decompress(rest, room + 1)
        if len(plain) > room:
            raise ValueError(_implausible(data, limit))
        if not decompressor.eof:
            raise ValueError("incomplete or truncated stream")
        parts.append(plain)
        rest, room = decompressor.unused_data.lstrip(b"\0"), room - len(plain)  # files may be padded
    return b"".join(parts)


def _decode_into(data: bytes, limit: int, decode: Callable[..., Any]) -> bytes:
    """Decompress into a buffer, whose pages take memory only when they are written."""
    buffer = np.empty(limit, np.uint8)
    try:
        return bytes(decode(data, out=buffer))
    except RuntimeError as error:
        raise ValueError(f"{error}; it is damaged, or its {_implausible(data, limit)}") from error


_DECOMPRESS: Mapping[str, Callable[[bytes, int], bytes]] = {
    ".gz": lambda data, limit: _decode_streams(data, limit, lambda: zlib.decompressobj(wbits=_GZIP_WINDOW)),
    ".br": lambda data, limit: _decode_into(data, limit, imagecodecs.brotli_decode),
    ".zstd": lambda data, limit: _decode_into(data, limit, imagecodecs.zstd_decode),
    ".xz": lambda data, limit: _decode_streams(data, limit, lzma.LZMADecompressor),
    ".bz2": lambda data, limit: _decode_streams(data, limit, bz2.BZ2Decompressor),
}
SUFFIXES = tuple(_DECOMPRESS)
"""Ends of the names of compressed files, those that cloud-volume adds."""
