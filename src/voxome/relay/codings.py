"""Codings of request bodies (``Content-Encoding``), decoded with a limit."""

from __future__ import annotations

import zlib

from voxome.errors import InvalidInput
from voxome.relay.request_errors import TooLarge

_GZIP = 31
"""Window of zlib that stands for a header of gzip."""


def decode_content(content: bytes | bytearray | memoryview, coding: str, most_bytes: int) -> bytes | memoryview:
    """Return the content of a body without its coding.

    Parameters
    ----------
    content : bytes-like
        The body.
    coding : str
        The header ``Content-Encoding``: ``gzip`` or ``identity``, or empty.
    most_bytes : int
        Bytes of the longest content; not one more is decoded.

    Raises
    ------
    InvalidInput
        If the coding is another one, or the content damaged.
    TooLarge
        If the content is longer.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return memoryview(content)
    if coding not in ("gzip", "x-gzip"):
        raise InvalidInput(f"the coding {coding} of the body is not supported; send it as it is, or with gzip")
    decoder = zlib.decompressobj(_GZIP)
    try:
        decoded = decoder.decompress(content, most_bytes + 1)
    except zlib.error as error:
        raise InvalidInput("the body is not valid gzip") from error
    if len(decoded) > most_bytes:
        raise TooLarge(f"the body has more than {most_bytes} bytes when it is decoded")
    if not decoder.eof or decoder.unused_data:
        raise InvalidInput("the body is not one whole gzip stream")
    return decoded
