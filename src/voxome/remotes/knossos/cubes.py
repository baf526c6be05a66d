"""The files of a cube: raw or compressed voxels, and the labels over them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.storage.local import replacing, storing

EDGE = 128
CUBE = (EDGE, EDGE, EDGE)
_IMAGES = {".png": imagecodecs.png_decode, ".jpg": imagecodecs.jpeg8_decode, ".j2k": imagecodecs.jpeg2k_decode}
_OVERLAY = ".seg.sz.zip"


def store(stem: Path, voxels: NDArray[Any]) -> None:
    """Write a cube whole: 64-bit labels as an overlay, others raw."""
    labels = voxels.dtype.itemsize == 8
    path = stem.with_name(stem.name + (_OVERLAY if labels else ".raw"))
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new, new.open("wb") as file:
        file.write(_packed(path.name, voxels) if labels else voxels.tobytes())


def image(stem: Path) -> NDArray[np.uint8] | None:
    """The voxels of a cube; None if there is no file."""
    try:
        data: NDArray[np.uint8] = np.memmap(stem.with_name(stem.name + ".raw"), np.uint8, "r")
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, ValueError):
            raise CorruptData(f"{stem}.raw is empty") from error
        return _compressed(stem)
    return _shaped(f"{stem}.raw", data)


def _compressed(stem: Path) -> NDArray[np.uint8] | None:
    there = sorted(path for path in stem.parent.glob(f"{stem.name}.*") if not path.name.endswith(_OVERLAY))
    if not there:
        return None
    decode = _IMAGES.get(there[0].suffix)
    if decode is None:
        known = ", ".join([".raw", *_IMAGES])
        raise UnsupportedFormat(f"{there[0]}: such cubes are not read; known: {known}")
    try:
        return _shaped(str(there[0]), np.asarray(decode(there[0].read_bytes())))
    except (ValueError, RuntimeError) as error:
        raise CorruptData(f"{there[0]} cannot be decoded: {error}") from error


def overlay(stem: Path) -> NDArray[np.uint64] | None:
    """The labels of a cube; None if there is no file."""
    path = stem.with_name(stem.name + _OVERLAY)
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as packed:
            data = imagecodecs.snappy_decode(packed.read(packed.namelist()[0]))
    except (zipfile.BadZipFile, IndexError, ValueError, RuntimeError) as error:
        raise CorruptData(f"{path} cannot be decoded: {error}") from error
    return _shaped(str(path), np.frombuffer(data, "<u8"))


def _packed(name: str, voxels: NDArray[np.uint64]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        inside = zipfile.ZipInfo(name.removesuffix(".zip"))
        inside.compress_type = zipfile.ZIP_DEFLATED
        packed.writestr(inside, imagecodecs.snappy_encode(voxels.astype("<u8", copy=False).tobytes()))
    return whole.getvalue()


def _shaped(name: str, data: NDArray[Any]) -> NDArray[Any]:
    if data.size != EDGE**3:
        raise CorruptData(f"{name} holds {data.size} voxels; a cube of {EDGE**3} was expected")
    return data.reshape(CUBE)
