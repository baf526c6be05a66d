"""Meshes as FlyEM keeps them: Neuroglancer's single-resolution format, Wavefront OBJ and Draco; x, y, z in nm."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat

_COUNT = struct.Struct("<I")


def decode_mesh(name: str, data: bytes) -> Mesh:
    """The mesh in a file, by the ending of its name.

    Raises
    ------
    UnsupportedFormat
        If the ending is unknown.
    CorruptData
        If the file is none of its kind.
    """
    decode = FORMATS.get(PurePosixPath(name).suffix)
    if decode is None:
        raise UnsupportedFormat(f"{name} is no mesh that voxome reads; those end in {', '.join(FORMATS)}")
    try:
        return decode(data)
    except (ValueError, IndexError, struct.error, InvalidInput) as error:
        raise CorruptData(f"{name}: {len(data)} bytes are no mesh of that kind: {error}") from error


def decode_ngmesh(data: bytes) -> Mesh:
    """Neuroglancer's single-resolution format: a count (uint32), so many vertices (float32), then faces (uint32)."""
    count = _COUNT.unpack_from(data)[0]
    vertices = np.frombuffer(data, "<f4", 3 * count, _COUNT.size).reshape(-1, 3)
    faces = np.frombuffer(data, "<u4", offset=_COUNT.size + vertices.nbytes).reshape(-1, 3)
    return Mesh(vertices[:, ::-1].copy(), faces)


def encode_ngmesh(mesh: Mesh) -> bytes:
    """A mesh in Neuroglancer's single-resolution format."""
    vertices = mesh.vertices_nm[:, ::-1].astype("<f4").tobytes()
    return _COUNT.pack(len(mesh.vertices_nm)) + vertices + mesh.faces.astype("<u4").tobytes()


def decode_obj(data: bytes) -> Mesh:
    """Wavefront OBJ: ``v x y z`` and ``f a b c …`` lines; faces of more than three corners are cut into fans."""
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    for line in data.decode().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(number) for number in rest[:3]])
        elif word == "f":
            corners = [_corner(corner, len(vertices)) for corner in rest]
            faces += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    return Mesh(np.array(vertices, np.float32).reshape(-1, 3)[:, ::-1], np.array(faces, np.uint32).reshape(-1, 3))


def _corner(text: str, count: int) -> int:
    """The vertex that ``7``, ``7/1/3`` or ``-1`` (the last one so far) names."""
    number = int(text.partition("/")[0])
    place = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= place < count:
        raise ValueError(f"a face names vertex {number} of {count}")
    return place


def decode_draco(data: bytes) -> Mesh:
    """A Draco mesh."""
    import DracoPy

    try:
        found = DracoPy.decode(data)
        points, faces = found.points, found.faces
    except (DracoPy.FileTypeException, AttributeError) as error:
        raise ValueError(str(error)) from error
    return Mesh(np.asarray(points, np.float32)[:, ::-1].copy(), np.asarray(faces, np.uint32))


FORMATS: dict[str, Callable[[bytes], Mesh]] = {".ngmesh": decode_ngmesh, ".obj": decode_obj, ".drc": decode_draco}
"""By ending of the name."""
