"""Decompression with a limit, as a few bytes of gzip may stand for a thousand times as many."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numcodecs import blosc

from voxome.storage.blosc_frames import require_blosc_frame

_LEAST, _RATIO = 1 << 26, 128
"""Size in bytes that is always accepted, and that in bytes for a compressed one; more is an attack, or damage."""
_GZIP_WINDOW = 31
_DICTIONARY = 1 << 27
"""Most bytes that a decoder of lzma may take for itself; those of all presets take less."""
_WINDOW = 1 << 10
"""Bytes that the decompressor of a further stream is given first."""
_MOST_EMPTY = 1000
"""Empty streams that a file may have; one ends each file of bgzip."""
_PADDING = re.compile(b"\0*")
_LZ4_RATIO = 255
"""A byte of LZ4 stands for at most so many."""


def inflate(data: bytes | memoryview, window: int, most: int | None = None) -> bytes:
    """Decompress data, in the memory of what they may have, or a multiple of their size.

    Parameters
    ----------
    data : bytes
        Compressed by zlib or gzip.
    window : int
        ``wbits`` of zlib.
    most : int, optional
        Most bytes that they may have when decompressed; by default 64 MiB, or 128 times their size.

    Raises
    ------
    zlib.error
        If they are damaged, or would have more.
    """
    limit = _limit(data) if most is None else most
    inflater = zlib.decompressobj(wbits=window)
    plain = inflater.decompress(data, limit + 1)
    if len(plain) > limit:
        raise zlib.error(_implausible(data, limit))
    if not inflater.eof:
        raise zlib.error("incomplete or truncated stream")
    return plain


def decompress(codec: str, data: Any, limit: int, options: Mapping[str, Any] | None = None) -> bytes:
    """Decompress data whose size is known from metadata.

    Parameters
    ----------
    codec : str
        One of `CODECS`, by its name in numcodecs.
    data : bytes-like
        What is compressed.
    limit : int
        Most bytes that it may have when decompressed.
    options : mapping, optional
        Options with which it was compressed, for codecs that do not store them: ``format`` and ``filters`` of lzma.

    Raises
    ------
    ValueError, zlib.error, lzma.LZMAError, OSError
        If it is damaged, or would have more bytes.
    """
    return _CODECS[codec](bytes(data), limit, options or {})


def decompress_file(suffix: str, data: bytes, most: int | None = None) -> bytes:
    """Decompress the content of a file according to its suffix, one of `SUFFIXES`.

    Parameters
    ----------
    suffix : str
        As ``.gz``.
    data : bytes
        The content.
    most : int, optional
        Most bytes that it may have when decompressed, as metadata say; by default 64 MiB, or 128 times its size.

    Raises
    ------
    ValueError, zlib.error, lzma.LZMAError, OSError
        If it is damaged, or would have more.
    """
    return decompress(_FILES[suffix], data, _limit(data) if most is None else most)


def _limit(data: bytes | memoryview) -> int:
    return max(_LEAST, _RATIO * len(data))


def _implausible(data: bytes | memoryview, limit: int) -> str:
    return f"{len(data):,} bytes are more than {limit:,} bytes when decompressed, the most that is plausible"


def _decode_streams(data: bytes, limit: int, new: Callable[[], Any]) -> bytes:
    """Decompress the streams of a file, one after the other, with decompressors of the standard library.

    A decompressor copies what is behind its stream: those after the first are given windows of the data, which grow.
    """
    parts: list[bytes] = []
    room, at, window, empty = limit, 0, len(data), 0
    while at < len(data) or not parts:
        before = room
        for plain, end in _decode_stream(data, at, window, room, new()):
            room, at = room - len(plain), end
            if room < 0:
                raise ValueError(_implausible(data, limit))
            parts.append(plain)
        empty += room == before
        if empty > _MOST_EMPTY:
            raise ValueError(f"{empty:,} of its compressed streams are empty; it is damaged, or an attack")
        found = _PADDING.match(data, at)  # files may be padded
        at, window = (found.end() if found else at), _WINDOW
    return b"".join(parts)


def _decode_stream(data: bytes, at: int, window: int, room: int, decompressor: Any) -> Iterator[tuple[bytes, int]]:
    """Yield the parts of the stream that begins at `at`, and the end of each; more than `room` bytes come in one."""
    view = memoryview(data)
    while not decompressor.eof:
        part = view[at : at + window]
        plain = decompressor.decompress(part, room + 1)
        at, window, room = at + len(part), 8 * window, room - len(plain)
        if room >= 0 and not decompressor.eof and at == len(data):
            raise ValueError("incomplete or truncated stream")
        yield plain, at - len(decompressor.unused_data)


def _decode_into(data: bytes, limit: int, decode: Callable[..., Any]) -> bytes:
    """Decompress into a buffer, whose pages take memory only when they are written."""
    buffer = np.empty(limit, np.uint8)
    try:
        return bytes(decode(data, out=buffer))
    except RuntimeError as error:
        raise ValueError(f"{error}; it is damaged, or its {_implausible(data, limit)}") from error


def _decode_lzma(data: bytes, limit: int, options: Mapping[str, Any]) -> bytes:
    format, filters = options.get("format", lzma.FORMAT_AUTO), options.get("filters")
    if format == lzma.FORMAT_RAW:  # which takes no limit of memory: its filters are in the metadata
        if any(one.get("dict_size", 0) > _DICTIONARY for one in filters or ()):
            raise ValueError(f"lzma with a dictionary of more than {_DICTIONARY:,} bytes is not read")
        return _decode_streams(data, limit, lambda: lzma.LZMADecompressor(format, None, filters))
    return _decode_streams(data, limit, lambda: lzma.LZMADecompressor(format, _DICTIONARY))


def _decode_lz4(data: bytes, limit: int) -> bytes:
    """Decompress a block of LZ4 behind its size, as numcodecs writes it."""
    size = int.from_bytes(data[:4], "little")
    require_lz4_size(size, len(data), limit)
    return decompress_lz4(data[4:], size)


def decompress_lz4(block: bytes, size: int) -> bytes:
    """Decompress a block of LZ4 of a size that `require_lz4_size` has accepted.

    Raises
    ------
    ValueError
        If it is damaged, or has another size.
    """
    try:
        plain = bytes(imagecodecs.lz4_decode(block, header=False, out=size))
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if len(plain) != size:
        raise ValueError(f"a block of lz4 has {len(plain):,} bytes, not {size:,} as its header says")
    return plain


def require_lz4_size(size: int, packed: int, limit: int | None = None) -> None:
    """Raise ValueError if so many bytes cannot be in a block of LZ4 of `packed` bytes, or are more than `limit`."""
    most = _LZ4_RATIO * packed if limit is None else min(limit, _LZ4_RATIO * packed)
    if not 0 <= size <= most:
        raise ValueError(f"a block of lz4 of {packed:,} bytes has {size:,} by its header; expected at most {most:,}")


def _decode_blosc(data: bytes, limit: int) -> bytes:
    size = require_blosc_frame(data, limit)
    try:
        plain: bytes = blosc.decompress(data) if size else b""
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return plain


def decode_snappy(data: bytes, size: int) -> bytes:
    """Decompress a block of snappy of a known size.

    Raises
    ------
    ValueError
        If it is damaged, or has another size.
    """
    claimed = shift = 0
    for byte in data[:5]:
        claimed |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if claimed != size:
        raise ValueError(f"a block of snappy has {claimed:,} bytes by its header; expected {size:,}")
    try:
        return bytes(imagecodecs.snappy_decode(data))
    except RuntimeError as error:
        raise ValueError(str(error)) from error


_Decoder = Callable[[bytes, int, Mapping[str, Any]], bytes]
_CODECS: Mapping[str, _Decoder] = {
    "blosc": lambda data, limit, _: _decode_blosc(data, limit),
    "br": lambda data, limit, _: _decode_into(data, limit, imagecodecs.brotli_decode),
    "bz2": lambda data, limit, _: _decode_streams(data, limit, bz2.BZ2Decompressor),
    "gzip": lambda data, limit, _: _decode_streams(data, limit, lambda: zlib.decompressobj(wbits=_GZIP_WINDOW)),
    "lz4": lambda data, limit, _: _decode_lz4(data, limit),
    "lzma": _decode_lzma,
    "zlib": lambda data, limit, _: _decode_streams(data, limit, zlib.decompressobj),
    "zstd": lambda data, limit, _: _decode_into(data, limit, imagecodecs.zstd_decode),
}
CODECS = tuple(_CODECS)
"""Codecs by their names in numcodecs; and brotli."""
_FILES = {".gz": "gzip", ".br": "br", ".zstd": "zstd", ".xz": "lzma", ".bz2": "bz2"}
SUFFIXES = tuple(_FILES)
"""Ends of the names of compressed files, those that cloud-volume adds."""
