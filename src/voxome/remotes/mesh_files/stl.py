"""STL, in nm: triangles without indices; binary and text are read, binary is written."""

from __future__ import annotations

import struct

import numpy as np

from voxome.contracts.shapes import Mesh
from voxome.remotes.mesh_files.arrays import FRAME, arrays_of, merge_corners, mesh_of

_HEADER = 80
_COUNT = struct.Struct("<I")
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])


def decode_stl(data: bytes) -> Mesh:
    """Decode a file; corners at equal positions become one vertex."""
    start = _HEADER + _COUNT.size
    count = _COUNT.unpack_from(data, _HEADER)[0] if len(data) >= start else -1
    if len(data) == start + count * _TRIANGLE.itemsize:
        return mesh_of(*merge_corners(np.frombuffer(data, _TRIANGLE, count, start)["corners"]))
    if not data.lstrip().startswith(b"solid"):
        raise ValueError(f"expected {max(count, 0)} triangles of {_TRIANGLE.itemsize} bytes")
    lines = [line.split() for line in data.decode().splitlines()]
    corners = np.array([line[1:4] for line in lines if line[:1] == ["vertex"]], np.float64)
    return mesh_of(*merge_corners(corners.reshape(-1, 3, 3)))


def encode_stl(mesh: Mesh) -> bytes:
    """Encode a mesh in binary, with the normals of its triangles."""
    vertices, faces = arrays_of(mesh)
    rows = np.zeros(len(faces), _TRIANGLE)
    rows["corners"] = vertices[faces]
    a, b, c = np.moveaxis(rows["corners"].astype(np.float64), 1, 0)
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    rows["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    return f"voxome: {FRAME}".encode().ljust(_HEADER, b" ") + _COUNT.pack(len(faces)) + rows.tobytes()
