"""Neuroglancer's single-resolution format: the vertex count (uint32), vertices (float32), faces (uint32)."""

from __future__ import annotations

import struct

import numpy as np

from voxome.contracts.shapes import Mesh
from voxome.remotes.mesh_files.arrays import arrays_of, mesh_of

_COUNT = struct.Struct("<I")


def decode_ngmesh(data: bytes) -> Mesh:
    """Decode the fragment of a mesh, in nm."""
    count = _COUNT.unpack_from(data)[0]
    vertices = np.frombuffer(data, "<f4", 3 * count, _COUNT.size)
    return mesh_of(vertices, np.frombuffer(data, "<u4", offset=_COUNT.size + vertices.nbytes))


def encode_ngmesh(mesh: Mesh) -> bytes:
    """Encode a mesh as one fragment, in nm."""
    vertices, faces = arrays_of(mesh)
    return _COUNT.pack(len(vertices)) + vertices.astype("<f4").tobytes() + faces.astype("<u4").tobytes()
