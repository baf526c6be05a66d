"""Mesh files: Neuroglancer's single-resolution format, Wavefront OBJ and Draco, with vertices x, y, z in nm.

Vertices stay in the frame of the file. Going from x, y, z to z, y, x mirrors, so faces are turned over to keep
their outside.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.extras import require

_COUNT = struct.Struct("<I")
_DRACO_LEVEL = 7
"""The smallest files; higher levels are slower."""


def decode_mesh(name: str, data: bytes) -> Mesh:
    """Decode a mesh file; the format follows from the suffix of its name.

    Raises
    ------
    UnsupportedFormat
        If the suffix is unknown.
    CorruptData
        If the file cannot be decoded.
    """
    decode = FORMATS.get(PurePosixPath(name).suffix)
    if decode is None:
        raise UnsupportedFormat(f"{name} is not a known mesh format; supported suffixes: {', '.join(FORMATS)}")
    try:
        return decode(data)
    except (ValueError, IndexError, struct.error, InvalidInput) as error:
        raise CorruptData(f"{name}: cannot decode its {len(data)} bytes as a mesh: {error}") from error


def decode_ngmesh(data: bytes) -> Mesh:
    """Decode Neuroglancer's single-resolution format: the vertex count (uint32), vertices (float32), faces (uint32)."""
    count = _COUNT.unpack_from(data)[0]
    vertices = np.frombuffer(data, "<f4", 3 * count, _COUNT.size).reshape(-1, 3)
    faces = np.frombuffer(data, "<u4", offset=_COUNT.size + vertices.nbytes).reshape(-1, 3)
    return Mesh(vertices[:, ::-1].copy(), faces[:, ::-1].copy())


def encode_ngmesh(mesh: Mesh) -> bytes:
    """Encode a mesh in Neuroglancer's single-resolution format."""
    vertices = mesh.vertices_nm[:, ::-1].astype("<f4").tobytes()
    return _COUNT.pack(len(mesh.vertices_nm)) + vertices + mesh.faces[:, ::-1].astype("<u4").tobytes()


def decode_obj(data: bytes) -> Mesh:
    """Decode Wavefront OBJ: ``v x y z`` and ``f a b c …`` lines; larger polygons are cut into fans of triangles."""
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    for line in data.decode().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(number) for number in rest[:3]])
        elif word == "f":
            corners = [_corner(corner, len(vertices)) for corner in rest]
            faces += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    return Mesh(
        np.array(vertices, np.float32).reshape(-1, 3)[:, ::-1], np.array(faces, np.uint32).reshape(-1, 3)[:, ::-1]
    )


def _corner(text: str, count: int) -> int:
    """Return the vertex that ``7``, ``7/1/3`` or ``-1`` (the latest one) refers to."""
    number = int(text.partition("/")[0])
    row = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= row < count:
        raise ValueError(f"a face refers to vertex {number} of {count}")
    return row


def decode_draco(data: bytes) -> Mesh:
    """Decode a Draco mesh."""
    points, faces = decode_draco_arrays(data)
    return Mesh(points[:, ::-1].astype(np.float32), faces[:, ::-1])


def decode_draco_arrays(data: bytes) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Decode a Draco mesh to its points (x, y, z, in the type that they are stored in) and faces.

    Raises
    ------
    ValueError
        If the data are not a Draco mesh.
    MissingExtra
        If DracoPy is not installed.
    """
    require("services", "DracoPy")
    import DracoPy

    try:
        found = DracoPy.decode(data)
        return np.asarray(found.points), np.asarray(found.faces, np.uint32)
    except (DracoPy.FileTypeException, AttributeError) as error:
        raise ValueError(str(error)) from error


def encode_draco_integers(points: NDArray[np.int32], faces: NDArray[np.uint32]) -> bytes:
    """Encode a mesh whose positions are integers, which Draco keeps as they are: it quantises only floats.

    Neuroglancer's decoder takes positions of int32, not of uint32.

    Parameters
    ----------
    points : (n, 3) array of int32
        x, y, z.
    faces : (m, 3) array of uint32
        At least one.

    Raises
    ------
    MissingExtra
        If DracoPy is not installed.
    """
    require("services", "DracoPy")
    import DracoPy

    return bytes(DracoPy.encode(points, faces, compression_level=_DRACO_LEVEL))


FORMATS: dict[str, Callable[[bytes], Mesh]] = {".ngmesh": decode_ngmesh, ".obj": decode_obj, ".drc": decode_draco}
"""Suffix of the file name → decoder."""
