"""Sizes that the headers of images claim, which are compared with what is expected before anything is decoded."""

from __future__ import annotations

import io
import struct

from PIL import JpegImagePlugin

from voxome.remotes.png_format import SIGNATURE, read_header

_JPEG = b"\xff\xd8\xff"
_JP2 = b"\0\0\0\x0cjP  "
_CODESTREAM = b"\xff\x4f\xff\x51"
"""Markers with which a codestream of JPEG 2000 begins: start, and size."""
_BOX, _LONG_BOX = struct.Struct(">I4s"), struct.Struct(">Q")
_SIZE = struct.Struct(">4sHH8IH")
"""Markers, length, capabilities; ends and starts of the image and of its tiles, x before y; number of components."""


def claimed_form(data: bytes) -> tuple[int, int, int]:
    """Return width, height and samples per pixel that the header of a PNG, JPEG or JPEG 2000 image claims.

    Raises
    ------
    ValueError, OSError or SyntaxError
        If it is none of these, or its header is damaged.
    """
    if data.startswith(SIGNATURE):
        header = read_header(io.BytesIO(data))
        return header.width, header.height, header.samples
    if data.startswith(_JPEG):
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
            return image.width, image.height, len(image.getbands())
    return _codestream_form(data[_codestream(data) :] if data.startswith(_JP2) else data)


def _codestream(data: bytes) -> int:
    """Return where the codestream of a JP2 file begins, behind the boxes before it."""
    at = 0
    while at + _BOX.size <= len(data):
        length, kind = _BOX.unpack_from(data, at)
        head = _BOX.size
        if length == 1 and at + 16 <= len(data):
            length, head = _LONG_BOX.unpack_from(data, at + head)[0], 16
        if kind == b"jp2c":
            return at + head
        if length < head:
            break
        at += length
    raise ValueError("a JP2 file without a codestream")


def _codestream_form(data: bytes) -> tuple[int, int, int]:
    if len(data) < _SIZE.size or not data.startswith(_CODESTREAM):
        raise ValueError("not a PNG, JPEG or JPEG 2000 image")
    _, _, _, right, bottom, left, top, *_, samples = _SIZE.unpack_from(data)
    return right - left, bottom - top, samples
