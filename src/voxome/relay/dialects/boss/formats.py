"""Encodings of voxels on the wire: blosc, npygz (zlib over npy) and JPEG."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray
from PIL import Image

from voxome.relay.dialects.boss.errors import Code, Refused

BLOSC, NPYGZ, JPEG, PICKLED = "application/blosc", "application/npygz", "image/jpeg", "application/blosc-python"
_HEADER = struct.Struct("<4xIII")
"""Header of a blosc buffer: four bytes of versions and flags; uncompressed, block and compressed sizes."""
_LONGEST_JPEG = 65_535
_NO_PICKLE = f"{PICKLED} is a Python pickle, which can run code of its sender, and is refused. Use {BLOSC} or {NPYGZ}"


def encode(data: NDArray[Any], accept: str) -> tuple[bytes, str]:
    """Return `data` encoded, and the content type: the first known in `accept`, blosc where any is accepted.

    Parameters
    ----------
    data : (z, y, x) or (t, z, y, x) array
        Contiguous.
    accept : str
        The Accept header.

    Raises
    ------
    Refused
        If no accepted type can be sent.
    """
    accepted = [one.split(";")[0].strip().lower() for one in accept.split(",")]
    for one in accepted:
        if one in _ENCODERS:
            return _ENCODERS[one](data), one
        if one in ("", "*/*", "application/*"):
            return _to_blosc(data), BLOSC
    message = _NO_PICKLE if PICKLED in accepted else f"voxels can be sent as {', '.join(_ENCODERS)}, not {accept}"
    raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, message, 406)


def _to_blosc(data: NDArray[Any]) -> bytes:
    if data.nbytes > blosc.MAX_BUFFERSIZE:
        raise Refused(
            Code.REQUEST_TOO_LARGE, f"a blosc buffer has at most {blosc.MAX_BUFFERSIZE} bytes; request a smaller box"
        )
    packed: bytes = blosc.compress(np.ascontiguousarray(data), b"lz4", 1, blosc.SHUFFLE)
    return packed


def _to_npygz(data: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, data, allow_pickle=False)
    return zlib.compress(stream.getbuffer(), 1)


def _to_jpeg(data: NDArray[Any]) -> bytes:
    if data.dtype != np.uint8 or data.ndim != 3:
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, "JPEG is for cutouts (z, y, x) of uint8 channels only")
    strip = data.reshape(-1, data.shape[2])
    if max(strip.shape) > _LONGEST_JPEG:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"a JPEG has at most {_LONGEST_JPEG} rows, not z * y = {len(strip)}")
    stream = io.BytesIO()
    Image.fromarray(strip).save(stream, "JPEG", quality=85)
    return stream.getvalue()


_ENCODERS = {BLOSC: _to_blosc, NPYGZ: _to_npygz, JPEG: _to_jpeg}


def decode(body: bytearray, content_type: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array of `shape` and `dtype` that a client sent.

    Raises
    ------
    Refused
        If its encoding is not supported or broken, or its size or dtype differs.
    """
    media_type = content_type.split(";")[0].strip().lower()
    if media_type == PICKLED:
        raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, _NO_PICKLE, 415)
    if media_type not in _DECODERS:
        message = f"voxels are accepted as {', '.join(_DECODERS)}, not {content_type or 'without a Content-Type'}"
        raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, message, 415)
    return _DECODERS[media_type](body, dtype, shape)


def _from_blosc(body: bytearray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    out = np.empty(shape, dtype)
    unpacked, _, packed = _HEADER.unpack_from(body) if len(body) >= _HEADER.size else (0, 0, -1)
    if packed != len(body):
        raise Refused(Code.DESERIALIZATION_ERROR, "the body is not a complete blosc buffer")
    if unpacked != out.nbytes:
        raise _mismatch(unpacked, out)
    try:
        blosc.decompress(body, out)
    except RuntimeError as error:
        raise Refused(Code.DESERIALIZATION_ERROR, f"the body cannot be decompressed: {error}") from error
    return out


def _from_npygz(body: bytearray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    expected = np.empty(shape, dtype)
    try:
        inflater = zlib.decompressobj()
        stream = io.BytesIO(inflater.decompress(body, expected.nbytes + 4096))
        found: NDArray[Any] = np.load(stream, allow_pickle=False)
    except (zlib.error, ValueError, EOFError) as error:
        raise Refused(
            Code.DESERIALIZATION_ERROR, f"the body is not an npy array compressed by zlib: {error}"
        ) from error
    if found.shape != shape or found.dtype != dtype:
        raise _mismatch(found.nbytes, expected)
    return np.ascontiguousarray(found)


_DECODERS = {BLOSC: _from_blosc, NPYGZ: _from_npygz}


def _mismatch(nbytes: int, expected: NDArray[Any]) -> Refused:
    seen = f"the body has {nbytes} bytes, the box {expected.shape} of {expected.dtype} has {expected.nbytes}"
    if nbytes in (expected.size * itemsize for itemsize in (1, 2, 4, 8)):
        return Refused(Code.DATATYPE_DOES_NOT_MATCH, f"Datatype does not match channel: {seen}")
    return Refused(Code.DIMENSION_MISMATCH, f"Data dimensions in URL do not match POSTed data: {seen}")
