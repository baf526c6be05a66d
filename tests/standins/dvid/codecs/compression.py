"""Compression of label volumes and blocks."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from standins.dvid.calls import Refusal, Xyz
from standins.dvid.codecs import segmentation

VOLUMES: Mapping[str, Callable[[NDArray[np.uint64]], bytes]] = {
    "": lambda array: array.tobytes(),
    "uncompressed": lambda array: array.tobytes(),
    "lz4": lambda array: lz4(array.tobytes()),
    "gzip": lambda array: gzip_encode(array.tobytes()),
    "google": segmentation.encode,
    "googlegzip": lambda array: gzip_encode(segmentation.encode(array)),
}
"""Encoders by the value of ``raw?compression=``."""


def lz4(data: bytes) -> bytes:
    """Compress as one LZ4 block, without a header."""
    return bytes(imagecodecs.lz4_encode(data, header=False))


def gzip_encode(data: bytes) -> bytes:
    """Compress with gzip at the fastest level."""
    return gzip.compress(data, 1)


def gzip_decode(data: bytes) -> bytes:
    """Decompress with gzip."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        text = f"can't initiate gzip reader on compressed data of length {len(data)}: gzip: invalid header"
        raise Refusal(text) from None


def decompress(data: bytes, name: str, size: int) -> bytes:
    """Decompress a body that should have `size` bytes."""
    match name:
        case "" | "uncompressed":
            return data
        case "gzip":
            return gzip_decode(data)
        case "lz4":
            try:
                return bytes(imagecodecs.lz4_decode(data, header=False, out=size))
            except (RuntimeError, ValueError):
                raise Refusal("error in lz4 decompression of the body") from None
    raise Refusal(f'unknown compression type "{name}"')


def encode_record(coord: Xyz, content: bytes) -> bytes:
    """Encode one record of a stream of blocks."""
    return struct.pack("<4i", *coord, len(content)) + content


def split_records(data: bytes) -> Iterator[tuple[Xyz, bytes]]:
    """Split a stream of blocks into records."""
    at = 0
    while at < len(data):
        if at + 16 > len(data):
            raise Refusal("unexpected EOF")
        x, y, z, n = struct.unpack_from("<4i", data, at)
        at += 16
        if n < 0 or at + n > len(data):
            raise Refusal("unexpected EOF")
        yield (x, y, z), data[at : at + n]
        at += n
