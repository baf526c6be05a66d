"""The files of a cube: raw or compressed voxels, and the labels over them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.decompression import decode_snappy
from voxome.remotes.image_headers import claimed_form
from voxome.remotes.png_format import decode_png
from voxome.storage.atomic import replacing, storing

EDGE = 128
CUBE = (EDGE, EDGE, EDGE)
_OVERLAY = ".seg.sz.zip"
_OVERLAY_BYTES = 8 * EDGE**3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _decode_png(data: bytes) -> NDArray[np.uint8]:
    pixels = decode_png(data)
    if pixels.ndim > 2 or pixels.dtype != np.uint8:
        raise ValueError(f"its pixels are {pixels.dtype}; expected 8 bits of grey")
    return pixels


_IMAGES: dict[str, Callable[[bytes], NDArray[Any]]] = {
    ".png": _decode_png,
    ".jpg": imagecodecs.jpeg8_decode,
    ".j2k": imagecodecs.jpeg2k_decode,
}
SUFFIXES = (".raw", *_IMAGES, _OVERLAY)
"""Ends of the names of the files of cubes."""


def store(stem: Path, voxels: NDArray[Any]) -> None:
    """Write a whole cube: 64-bit labels as an overlay, other voxels raw."""
    labels = voxels.dtype.itemsize == 8
    path = stem.with_name(stem.name + (_OVERLAY if labels else ".raw"))
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new, new.open("wb") as file:
        file.write(_pack(path.name, voxels) if labels else voxels.tobytes())


def image(stem: Path) -> NDArray[np.uint8] | None:
    """Return the voxels of a cube; None if the file does not exist."""
    try:
        data: NDArray[np.uint8] = np.memmap(stem.with_name(stem.name + ".raw"), np.uint8, "r")
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, ValueError):
            raise CorruptData(f"{stem}.raw is empty") from error
        return _compressed(stem)
    return _reshape(f"{stem}.raw", data)


def _compressed(stem: Path) -> NDArray[np.uint8] | None:
    files = sorted(path for path in stem.parent.glob(f"{stem.name}.*") if not path.name.endswith(_OVERLAY))
    if not files:
        return None
    file = files[0]
    decode = _IMAGES.get(file.suffix)
    if decode is None:
        raise UnsupportedFormat(f"{file}: cubes in this format are not read; known: {', '.join(['.raw', *_IMAGES])}")
    data = file.read_bytes()
    try:
        width, height, samples = claimed_form(data)
        _require_cube(str(file), width * height * samples)
        return _reshape(str(file), np.asarray(decode(data)))
    except (ValueError, RuntimeError, OSError, SyntaxError) as error:
        raise CorruptData(f"{file} cannot be decoded: {error}") from error


def overlay(stem: Path) -> NDArray[np.uint64] | None:
    """Return the labels of a cube; None if the file does not exist."""
    path = stem.with_name(stem.name + _OVERLAY)
    if not path.exists():
        return None
    try:
        if path.stat().st_size > 2 * _OVERLAY_BYTES:
            raise ValueError(f"it has {path.stat().st_size:,} bytes; a cube has {_OVERLAY_BYTES:,}")
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:  # reads what there is at most
            entry = packed.infolist()[0]
            if entry.compress_type not in _METHODS:
                raise ValueError(f"its entry is compressed by method {entry.compress_type}, not stored or deflated")
            if entry.file_size > 2 * _OVERLAY_BYTES:
                raise ValueError(f"its entry has {entry.file_size:,} bytes; a cube has {_OVERLAY_BYTES:,}")
            data = decode_snappy(packed.read(entry), _OVERLAY_BYTES)
    except (zipfile.BadZipFile, IndexError, ValueError, RuntimeError, EOFError, zlib.error, struct.error) as error:
        raise CorruptData(f"{path} cannot be decoded: {error}") from error
    return _reshape(str(path), np.frombuffer(data, "<u8"))


def _pack(name: str, voxels: NDArray[np.uint64]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        inside = zipfile.ZipInfo(name.removesuffix(".zip"))
        inside.compress_type = zipfile.ZIP_DEFLATED
        packed.writestr(inside, pa.compress(voxels.astype("<u8", copy=False).tobytes(), codec="snappy", asbytes=True))
    return archive.getvalue()


def _reshape(name: str, data: NDArray[Any]) -> NDArray[Any]:
    _require_cube(name, data.size)
    return data.reshape(CUBE)


def _require_cube(name: str, voxels: int) -> None:
    if voxels != EDGE**3:
        raise CorruptData(f"{name} has {voxels} voxels, expected a cube of {EDGE**3}")
