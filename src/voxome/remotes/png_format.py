"""Decoding of PNG images, which are checked whole before imagecodecs decodes them.

With Python 3.11, imagecodecs 2026.3.6 loses a reference to None with each image whose pixels it cannot decode, and
ends the process after some ten thousand of them.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START, _CHECKSUM, _IHDR = struct.Struct(">I4s"), struct.Struct(">I"), struct.Struct(">IIBBBBB")
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_STORED = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_DECODED = {**_STORED, _PALETTE: 3}
"""Samples of a pixel by colour type, in the file and when decoded; one more with transparency."""
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}
_TRANSPARENT = {_GREY: 2, _RGB: 6}
"""Bytes of one transparent colour."""
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced image: first x and y, steps of x and y."""
_MOST_FILTER = 4
_PIECE = 1 << 24
"""Bytes of pixels in a chunk."""


@dataclass(frozen=True)
class PngHeader:
    """What stands before the pixels of a PNG file."""

    width: int
    height: int
    depth: int
    """Bits of a sample."""
    colour: int
    """Colour type of the specification."""
    interlaced: bool
    palette: bytes = b""
    transparency: bytes = b""

    @property
    def samples(self) -> int:
        """Samples of a decoded pixel: colours of a palette are RGB, and transparency is one more."""
        return _DECODED[self.colour] + bool(self.transparency)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the decoded pixels; one-bit grey ones are booleans."""
        if self.depth == 1 and self.samples == 1:
            return np.dtype(bool)
        return np.dtype(np.uint16 if self.depth == 16 else np.uint8)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel in the file."""
        return _STORED[self.colour] * self.depth

    @property
    def row_bytes(self) -> int:
        """Bytes of a row with that of its filter, without interlacing."""
        return 1 + -(-self.width * self.pixel_bits // 8)

    def passes(self) -> Iterator[tuple[tuple[slice, slice], PngHeader]]:
        """Yield where the pixels of each pass are (y, x), and the header of an image of these alone."""
        for x, y, step_x, step_y in _ADAM7 if self.interlaced else _WHOLE:
            width, height = -((x - self.width) // step_x), -((y - self.height) // step_y)
            if width > 0 and height > 0:
                pixels = slice(y, None, step_y), slice(x, None, step_x)
                yield pixels, replace(self, width=width, height=height, interlaced=False)


def read_header(file: BinaryIO) -> PngHeader:
    """Read what stands before the pixels; the file is at the first chunk of pixels then.

    Raises
    ------
    ValueError
        If it is truncated or damaged.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise ValueError("it does not begin as a PNG file does")
    if _read_start(file) != (_IHDR.size, b"IHDR"):
        raise ValueError("its first chunk is no header of PNG")
    width, height, depth, colour, compression, filters, interlace = _IHDR.unpack(_read_body(file, _IHDR.size, b"IHDR"))
    valid = width and height and colour in _STORED and depth in _DEPTHS.get(colour, (8, 16))
    if not valid or compression or filters or interlace > 1:
        raise ValueError(
            f"its header claims {width} x {height} pixels of colour type {colour} and {depth} bits, compression "
            f"{compression}, filters {filters}, interlacing {interlace}, which PNG does not have"
        )
    palette = transparency = b""
    while (start := _read_start(file))[1] != b"IDAT":
        length, name = start
        if name == b"PLTE" and colour == _PALETTE:
            if palette or length % 3 or not 0 < length <= 3 << depth:
                raise ValueError(f"its palette has {length} bytes, or is not its only one")
            palette = _read_body(file, length, name)
        elif name == b"tRNS" and not transparency and _is_transparency(length, colour, palette):
            transparency = _read_body(file, length, name)
        elif name != b"PLTE" and name[:1].isupper():
            raise ValueError(f"it has a chunk {name!r} before its pixels")
        else:
            file.seek(length + _CHECKSUM.size, io.SEEK_CUR)
    if colour == _PALETTE and not palette:
        raise ValueError("it has no palette")
    file.seek(-_START.size, io.SEEK_CUR)
    return PngHeader(width, height, depth, colour, bool(interlace), palette, transparency)


def decode_png(data: bytes) -> NDArray[Any]:
    """Decode an image.

    Parameters
    ----------
    data : bytes
        A PNG file.

    Returns
    -------
    array, (y, x) or (y, x, sample)
        Booleans, 8 or 16 bits, as `PngHeader.dtype`. Grey of 2 or 4 bits is scaled to 8; colours of a palette are
        RGB; a transparent colour or palette gives one more sample, alpha.

    Raises
    ------
    ValueError
        If it is truncated or damaged, or has more or fewer bytes of pixels than its header claims.
    """
    file = io.BytesIO(data)
    header = read_header(file)
    plain = _read_pixels(file, header)
    pixels = _decode_passes(header, plain) if header.interlaced else _decode(header, plain)
    return pixels > 0 if header.dtype == bool else pixels


def _decode_passes(header: PngHeader, plain: bytearray) -> NDArray[Any]:
    """Decode the passes one by one: for an interlaced image, libpng prints a warning on standard error."""
    samples = [header.samples] if header.samples > 1 else []
    pixels = np.empty((header.height, header.width, *samples), np.uint16 if header.depth == 16 else np.uint8)
    at = 0
    for where, one in header.passes():
        stop = at + one.height * one.row_bytes
        pixels[where] = _decode(one, plain[at:stop])
        at = stop
    return pixels


def _decode(header: PngHeader, plain: bytearray) -> NDArray[Any]:
    pixels: NDArray[Any] = imagecodecs.png_decode(_build(header, plain))
    return pixels


def _read_pixels(file: BinaryIO, header: PngHeader) -> bytearray:
    """Return the filtered rows of all passes."""
    expected = sum(one.height * one.row_bytes for _, one in header.passes())
    plain, inflater = bytearray(), zlib.decompressobj()
    try:
        for packed in _pixel_chunks(file):
            plain += inflater.decompress(packed, expected - len(plain) + 1)
            if len(plain) > expected:
                raise ValueError(f"its pixels have more bytes when decompressed than the {expected:,} of its header")
    except zlib.error as error:
        raise ValueError(f"its pixels cannot be decompressed: {error}") from error
    if len(plain) != expected or not inflater.eof:
        raise ValueError(f"its pixels end after {len(plain):,} bytes when decompressed; expected {expected:,}")
    at = 0
    for _, one in header.passes():
        nbytes = one.height * one.row_bytes
        if (highest := np.frombuffer(plain, np.uint8, nbytes, at)[:: one.row_bytes].max()) > _MOST_FILTER:
            raise ValueError(f"a row of its pixels has filter {highest}; PNG has 0 to {_MOST_FILTER}")
        at += nbytes
    return plain


def _pixel_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the first chunks of pixels that follow each other; the file may end after them."""
    while (start := file.read(_START.size)).endswith(b"IDAT") and len(start) == _START.size:
        yield _read_body(file, *_START.unpack(start))


def _build(header: PngHeader, plain: bytearray) -> bytearray:
    """Return a PNG file of pixels that are not compressed, with nothing in it that is not needed to decode them."""
    file = bytearray(SIGNATURE)
    fields = header.width, header.height, header.depth, header.colour, 0, 0, 0
    _append(file, b"IHDR", _IHDR.pack(*fields))
    if header.palette:
        _append(file, b"PLTE", header.palette)
    if header.transparency:
        _append(file, b"tRNS", header.transparency)
    packer = zlib.compressobj(0)
    for at in range(0, len(plain), _PIECE):
        _append(file, b"IDAT", packer.compress(plain[at : at + _PIECE]))
    _append(file, b"IDAT", packer.flush())
    _append(file, b"IEND", b"")
    return file


def _append(file: bytearray, name: bytes, body: bytes) -> None:
    file += _START.pack(len(body), name)
    file += body
    file += _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(name)))


def _is_transparency(length: int, colour: int, palette: bytes) -> bool:
    """Return whether so many bytes say what is transparent; libpng ignores a chunk of any other size."""
    return 0 < length <= len(palette) // 3 if colour == _PALETTE else length == _TRANSPARENT.get(colour)


def _read_start(file: BinaryIO) -> tuple[int, bytes]:
    """Return length and name of the next chunk."""
    start = file.read(_START.size)
    if len(start) < _START.size:
        raise ValueError("it ends before its pixels")
    length, name = _START.unpack(start)
    return length, name


def _read_body(file: BinaryIO, length: int, name: bytes) -> bytes:
    body, checksum = file.read(length), file.read(_CHECKSUM.size)
    if len(checksum) < _CHECKSUM.size:
        raise ValueError(f"it ends inside its chunk {name.decode()}")
    if _CHECKSUM.unpack(checksum)[0] != zlib.crc32(body, zlib.crc32(name)):
        raise ValueError(f"its chunk {name.decode()} is damaged: it has another checksum")
    return body
