"""Encodings of voxels on the wire: blosc, npygz (zlib over npy), JPEG and TIFF."""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray
from PIL import Image

from voxome.errors import InvalidInput
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.npy import HEADER_BYTES, npy_header, read_npy
from voxome.storage.blosc_frames import require_blosc_frame

BLOSC, NPYGZ, PICKLED = "application/blosc", "application/npygz", "application/blosc-python"
JPEG, TIFF = "image/jpeg", "image/tiff"
_HEADER = struct.Struct("<4xIII")
"""Header of a blosc buffer: four bytes of versions and flags; uncompressed, block and compressed sizes."""
_LONGEST_JPEG = 65_535
_NO_PICKLE = f"{PICKLED} is a Python pickle, which can run code of its sender, and is refused. Use {BLOSC} or {NPYGZ}"


def media_type(accept: str) -> str:
    """Return the content type that an Accept header wants: the first known one, blosc where any is accepted.

    Raises
    ------
    Refused
        If no accepted type can be sent.
    """
    accepted = [one.split(";")[0].strip().lower() for one in accept.split(",")]
    for one in accepted:
        if one in _ENCODERS:
            return one
        if one in ("", "*/*", "application/*"):
            return BLOSC
    message = _NO_PICKLE if PICKLED in accepted else f"voxels can be sent as {', '.join(_ENCODERS)}, not {accept}"
    raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, message, 406)


def encode(data: NDArray[Any], media_type: str) -> bytes:
    """Return `data` in one of the types that `media_type` returns.

    Parameters
    ----------
    data : (z, y, x) or (t, z, y, x) array
        Contiguous.
    media_type : str
        Content type.

    Raises
    ------
    Refused
        If the type cannot have such voxels.
    """
    return _ENCODERS[media_type](data)


def to_grey(data: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Return grey values of 8 bits: 0 at and below the first value of `window`, 255 at and above the second."""
    low, high = window
    grey = (data.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(grey, 0, 255, out=grey), out=grey).astype(np.uint8)


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
        message = "JPEG is for cutouts (z, y, x) of uint8 channels, and of others with ?window=LOW,HIGH"
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, message)
    strip = data.reshape(-1, data.shape[2])
    if max(strip.shape) > _LONGEST_JPEG:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"a JPEG has at most {_LONGEST_JPEG} rows, not z * y = {len(strip)}")
    stream = io.BytesIO()
    Image.fromarray(strip).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _to_tiff(data: NDArray[Any]) -> bytes:
    import tifffile

    stream = io.BytesIO()
    axes = "TZYX"[-data.ndim :]
    tifffile.imwrite(stream, data, photometric="minisblack", metadata={"axes": axes}, planarconfig=None)
    return stream.getvalue()


_ENCODERS = {BLOSC: _to_blosc, NPYGZ: _to_npygz, JPEG: _to_jpeg, TIFF: _to_tiff}


def decode(body: bytearray, content_type: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array of `shape` and `dtype` that a client sent.

    Raises
    ------
    Refused
        If its encoding is not supported or broken, or its size or dtype differs.
    """
    return _DECODERS[check_content_type(content_type)](body, dtype, shape)


def check_content_type(content_type: str) -> str:
    """Return the media type of voxels that are sent, if it is one that is decoded."""
    media_type = content_type.split(";")[0].strip().lower()
    if media_type == PICKLED:
        raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, _NO_PICKLE, 415)
    if media_type not in _DECODERS:
        message = f"voxels are accepted as {', '.join(_DECODERS)}, not {content_type or 'without a Content-Type'}"
        raise Refused(Code.UNSUPPORTED_TRANSPORT_FORMAT, message, 415)
    return media_type


def _from_blosc(body: bytearray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    out = np.empty(shape, dtype)
    unpacked, _, packed = _HEADER.unpack_from(body) if len(body) >= _HEADER.size else (0, 0, -1)
    if packed != len(body):
        raise Refused(Code.DESERIALIZATION_ERROR, "the body is not a complete blosc buffer")
    if unpacked != out.nbytes:
        raise _mismatch(unpacked, shape, dtype)
    try:
        require_blosc_frame(memoryview(body), out.nbytes)
        blosc.decompress(body, out)
    except (RuntimeError, ValueError) as error:
        raise Refused(Code.DESERIALIZATION_ERROR, f"the body cannot be decompressed: {error}") from error
    return out


def _from_npygz(body: bytearray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    decoder, most_bytes = zlib.decompressobj(), math.prod(shape) * dtype.itemsize + HEADER_BYTES
    try:
        content = decoder.decompress(body, most_bytes + 1)  # the end, with the checksum, is read before the limit
    except zlib.error as error:
        raise Refused(Code.DESERIALIZATION_ERROR, f"the body is not compressed by zlib: {error}") from error
    try:
        found_shape, found_dtype = npy_header(content)
    except InvalidInput as error:
        raise Refused(Code.DESERIALIZATION_ERROR, str(error)) from error
    if found_dtype.hasobject:
        raise Refused(Code.DESERIALIZATION_ERROR, f"the body is an npy array of {found_dtype}, which needs pickle")
    if found_shape != shape or found_dtype != dtype:
        raise _mismatch(math.prod(found_shape) * found_dtype.itemsize, shape, dtype)
    try:
        voxels = np.ascontiguousarray(read_npy(content, shape, dtype))
    except InvalidInput as error:
        raise Refused(Code.DESERIALIZATION_ERROR, str(error)) from error
    if not decoder.eof or decoder.unused_data:
        raise Refused(
            Code.DESERIALIZATION_ERROR, "the body is cut off, or goes on after the end of what zlib compressed"
        )
    return voxels


_DECODERS = {BLOSC: _from_blosc, NPYGZ: _from_npygz}


def _mismatch(nbytes: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Refused:
    size = math.prod(shape)
    seen = f"the body has {nbytes} bytes, the box {shape} of {dtype} has {size * dtype.itemsize}"
    if nbytes in (size * itemsize for itemsize in (1, 2, 4, 8)):
        return Refused(Code.DATATYPE_DOES_NOT_MATCH, f"Datatype does not match channel: {seen}")
    return Refused(Code.DIMENSION_MISMATCH, f"Data dimensions in URL do not match POSTed data: {seen}")
