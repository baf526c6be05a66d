"""Decoding of PNG images: every colour type, depth and interlacing, and every damage."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.remotes import png_format
from voxome.remotes.png_format import SIGNATURE, decode_png

SHAPE = (13, 11)
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
FORMS = [
    (0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8),
    (6, 16),
]  # fmt: skip
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(colour: int, depth: int, interlaced: bool = False, shape: tuple[int, int] = SHAPE) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", shape[1], shape[0], depth, colour, 0, 0, interlaced))


def rows(values: NDArray[Any], depth: int) -> bytes:
    """Return rows of (y, x, sample), not filtered."""
    packed = b""
    for row in values.reshape(len(values), -1):
        bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
        packed += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    return packed


def samples(colour: int, depth: int, shape: tuple[int, int] = SHAPE) -> NDArray[Any]:
    return np.random.default_rng(18).integers(0, 2**depth, (*shape, SAMPLES[colour]))


def palette(depth: int) -> NDArray[np.uint8]:
    return np.random.default_rng(depth).integers(0, 256, (2**depth, 3), np.uint8)


def grey(pixels: bytes | None = None, before: bytes = b"", head: bytes = header(0, 8)) -> bytes:
    """Return a grey image, or one of damaged parts."""
    pixels = chunk(b"IDAT", zlib.compress(rows(samples(0, 8), 8))) if pixels is None else pixels
    return SIGNATURE + head + before + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("shape", [SHAPE, (1, 1), (3, 2)])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), FORMS)
def test_all_forms(colour: int, depth: int, interlaced: bool, transparent: bool, shape: tuple[int, int]) -> None:
    values = samples(colour, depth, shape)
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    pixels = b"".join(rows(part, depth) for x, y, dx, dy in passes if (part := values[y::dy, x::dx]).size)
    file = SIGNATURE + header(colour, depth, interlaced, shape)
    dtype = np.uint16 if depth == 16 else np.uint8
    most = 2**depth - 1 if colour == 0 else 255 if depth < 16 else 65535
    expected = (values * (np.iinfo(dtype).max // most)).astype(dtype)
    clear = values[0, 0]
    if colour == 3:
        file += chunk(b"PLTE", palette(depth).tobytes())
        expected = palette(depth)[values[..., 0]]
    if transparent and colour == 3:
        file += chunk(b"tRNS", b"\x07\x08")
        expected = np.dstack([expected, np.array([7, 8, *[255] * 2**depth], np.uint8)[values[..., 0]]])
    elif transparent and colour in (0, 2):
        file += chunk(b"tRNS", clear.astype(">u2").tobytes())
        alpha = np.where((values == clear).all(-1), 0, np.iinfo(dtype).max).astype(dtype)
        expected = np.dstack([expected, alpha])
    elif transparent:
        file += chunk(b"tRNS", b"\0\0")  # which such images do not have
    if expected.shape[-1] == 1:
        expected = expected[..., 0] > 0 if depth == 1 else expected[..., 0]
    decoded = decode_png(file + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b""))
    assert decoded.dtype == expected.dtype
    assert_array_equal(decoded, expected)


def test_libpng_prints_nothing_of_interlaced_images(capfd: pytest.CaptureFixture[str]) -> None:
    pixels = b"".join(rows(samples(0, 8)[y::dy, x::dx], 8) for x, y, dx, dy in ADAM7)
    decode_png(grey(chunk(b"IDAT", zlib.compress(pixels)), head=header(0, 8, interlaced=True)))
    assert capfd.readouterr().err == ""


def test_pixels_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_format, "_PIECE", 50)
    packed = zlib.compress(rows(samples(0, 8), 8))
    pixels = b"".join(chunk(b"IDAT", packed[at : at + 40]) for at in range(0, len(packed), 40))
    note = chunk(b"tEXt", b"a\0b")[:-4] + bytes(4)  # damaged, and not needed
    assert_array_equal(decode_png(grey(pixels, note)), samples(0, 8)[..., 0])
    assert_array_equal(decode_png(grey(pixels)[:-12]), samples(0, 8)[..., 0])


def of_pixels(change: Callable[[bytes], bytes]) -> bytes:
    return grey(chunk(b"IDAT", zlib.compress(change(rows(samples(0, 8), 8)))))


def of_stream(change: Callable[[bytes], bytes]) -> bytes:
    return grey(chunk(b"IDAT", change(zlib.compress(rows(samples(0, 8), 8)))))


DAMAGED = {
    "no pixels": (grey(b""), "a chunk b'IEND' before its pixels"),
    "no signature": (b"\0" + grey()[1:], "does not begin"),
    "no header": (grey(head=b""), "its first chunk"),
    "truncated header": (grey()[:30], "ends inside its chunk IHDR"),
    "truncated before pixels": (grey()[:40], "ends before its pixels"),
    "truncated pixels": (grey()[:-20], "ends inside its chunk IDAT"),
    "checksum of the header": (grey().replace(b"\0\0\0\x0d\x08", b"\0\0\0\x0e\x08"), "chunk IHDR is damaged"),
    "checksum of pixels": (grey()[:-14] + b"\0\0" + grey()[-12:], "chunk IDAT is damaged"),
    "depth": (grey(head=header(0, 3)), "3 bits"),
    "depth of colours": (grey(head=header(2, 4)), "4 bits"),
    "colour type": (grey(head=header(5, 8)), "colour type 5"),
    "empty": (grey(head=header(0, 8, shape=(0, 11))), "11 x 0"),
    "no palette": (grey(head=header(3, 8)), "no palette"),
    "short palette": (grey(head=header(3, 8), before=chunk(b"PLTE", bytes(31))), "31 bytes"),
    "long palette": (grey(head=header(3, 1), before=chunk(b"PLTE", bytes(9))), "9 bytes"),
    "two headers": (grey(before=header(0, 8)), "a chunk b'IHDR'"),
    "unknown chunk": (grey(before=chunk(b"ABCD", b"")), "a chunk b'ABCD'"),
    "few rows": (of_pixels(lambda pixels: pixels[:-24]), "end after 132 bytes when decompressed; expected 156"),
    "many rows": (of_pixels(lambda pixels: pixels + bytes(12)), "than the 156 of its header"),
    "filter": (of_pixels(lambda pixels: pixels[:36] + b"\x09" + pixels[37:]), "filter 9"),
    "stream": (of_stream(lambda stream: stream[:20] + b"\xff" + stream[21:]), "cannot be decompressed"),
    "checksum of the stream": (of_stream(lambda stream: stream[:-1] + b"\0"), "cannot be decompressed"),
    "checksum missing": (of_stream(lambda stream: stream[:-4]), "end after 156 bytes"),
    "end of the stream": (of_stream(lambda stream: stream[:-20]), "end after 1[0-9]+ bytes"),
}


@pytest.mark.parametrize(("file", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damage(file: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_png(file)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is not counted")
def test_damaged_pixels_keep_none() -> None:
    names = ("truncated pixels", "checksum of pixels", "few rows", "filter", "stream", "end of the stream")
    before = sys.getrefcount(None)
    for name in names * 50:
        with pytest.raises(ValueError):
            decode_png(DAMAGED[name][0])
    assert abs(sys.getrefcount(None) - before) < 100
