"""Wavefront OBJ, in nm."""

from __future__ import annotations

import numpy as np

from voxome.contracts.shapes import Mesh
from voxome.remotes.mesh_files.arrays import FRAME, arrays_of, mesh_of, split_polygons


def decode_obj(data: bytes) -> Mesh:
    """Decode ``v x y z`` and ``f a b c …`` lines; larger polygons are cut into fans of triangles."""
    vertices: list[list[float]] = []
    corners: list[int] = []
    sizes: list[int] = []
    for line in data.decode().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(number) for number in rest[:3]])
        elif word == "f":
            corners += [_corner(corner, len(vertices)) for corner in rest]
            sizes.append(len(rest))
    return mesh_of(vertices, split_polygons(np.array(sizes, np.int64), np.array(corners, np.int64)))


def encode_obj(mesh: Mesh) -> bytes:
    """Encode a mesh; the numbers have as many digits as float32 needs to be read back equal."""
    vertices, faces = arrays_of(mesh)
    lines = [f"# voxome: {FRAME}"]
    lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces.astype(np.int64) + 1).tolist()]
    return "\n".join([*lines, ""]).encode()


def _corner(text: str, count: int) -> int:
    """Return the vertex that ``7``, ``7/1/3`` or ``-1`` (the latest one) refers to."""
    number = int(text.partition("/")[0])
    row = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= row < count:
        raise ValueError(f"a face refers to vertex {number} of {count}")
    return row
