"""glTF in one binary file, in metres.

The vertices that voxome writes are in nm, and their node scales them to metres; so they are read back bit by bit.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.errors import UnsupportedFormat
from voxome.remotes.mesh_files.arrays import FRAME, arrays_of, mesh_of

Json = dict[str, Any]

_HEAD = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")
_MAGIC, _VERSION, _JSON, _BIN = b"glTF", 2, b"JSON", b"BIN\0"
_NM_PER_M = 1e9
_TRIANGLES = 4
_TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_FLOAT, _UINT = 5126, 5125
_WIDTHS = {"SCALAR": 1, "VEC3": 3}
_VERTICES, _FACES = 34962, 34963


def decode_glb(data: bytes) -> Mesh:
    """Decode the triangles of all nodes of the scene, in their places.

    Raises
    ------
    UnsupportedFormat
        If the file has compressed or sparse data, other primitives than triangles, or data in other files.
    """
    document, body = _read_chunks(data)
    scene = document.get("scenes", [{}])[document.get("scene", 0)]
    parts = [
        _read_primitive(document, body, primitive, matrix)
        for root in scene.get("nodes", [])
        for number, matrix in _walk(document, root, np.eye(4))
        for primitive in document["meshes"][number]["primitives"]
    ]
    return Mesh.join(parts)


def encode_glb(mesh: Mesh) -> bytes:
    """Encode a mesh as one node, with its scale from nm to metres."""
    vertices, faces = arrays_of(mesh)
    corners = vertices if len(vertices) else np.zeros((1, 3))
    views = [(vertices.astype("<f4").tobytes(), _VERTICES), (faces.astype("<u4").tobytes(), _FACES)]
    body = b"".join(content for content, _ in views)
    document = {
        "asset": {"version": "2.0", "generator": "voxome"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [1 / _NM_PER_M] * 3, "extras": {"frame": f"vertices: {FRAME}"}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": _TRIANGLES}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": _FLOAT,
                "count": len(vertices),
                "type": "VEC3",
                "min": corners.min(axis=0).tolist(),
                "max": corners.max(axis=0).tolist(),
            },
            {"bufferView": 1, "componentType": _UINT, "count": faces.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": offset, "byteLength": len(content), "target": target}
            for (content, target), offset in zip(views, (0, len(views[0][0])), strict=True)
        ],
        "buffers": [{"byteLength": len(body)}],
    }
    chunks = _chunk(_JSON, json.dumps(document).encode(), b" ") + _chunk(_BIN, body, b"\0")
    return _HEAD.pack(_MAGIC, _VERSION, _HEAD.size + len(chunks)) + chunks


def _chunk(name: bytes, content: bytes, padding: bytes) -> bytes:
    padded = content + padding * (-len(content) % 4)
    return _CHUNK.pack(len(padded), name) + padded


def _read_chunks(data: bytes) -> tuple[Json, bytes]:
    magic, version, length = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or length > len(data):
        raise ValueError("it is not binary glTF 2.0, or cut short")
    chunks: dict[bytes, bytes] = {}
    at = _HEAD.size
    while at < length:
        size, name = _CHUNK.unpack_from(data, at)
        chunks.setdefault(name, data[at + _CHUNK.size : at + _CHUNK.size + size])
        at += _CHUNK.size + size
    document: Json = json.loads(chunks[_JSON])
    if required := document.get("extensionsRequired"):
        raise UnsupportedFormat(f"a glTF file needs the extensions {', '.join(required)}; save it without them")
    return document, chunks.get(_BIN, b"")


def _walk(document: Json, number: int, above: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the mesh of a node and of those below it, with the matrix (4, 4) from its vertices to the scene."""
    node = document["nodes"][number]
    matrix = above @ _matrix_of(node)
    if "mesh" in node:
        yield node["mesh"], matrix
    for child in node.get("children", []):
        yield from _walk(document, child, matrix)


def _matrix_of(node: Mapping[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _read_primitive(document: Json, body: bytes, primitive: Json, matrix: NDArray[np.float64]) -> Mesh:
    if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
        raise UnsupportedFormat("a glTF file has lines, points or strips; only triangles are read")
    points = _read_accessor(document, body, primitive["attributes"]["POSITION"]).astype(np.float64)
    in_nm = (points @ matrix[:3, :3].T + matrix[:3, 3]) * _NM_PER_M
    if "indices" in primitive:
        faces = _read_accessor(document, body, primitive["indices"]).reshape(-1, 3)
    else:
        faces = np.arange(len(points)).reshape(-1, 3)
    return mesh_of(in_nm, faces if np.linalg.det(matrix[:3, :3]) > 0 else faces[:, ::-1])


def _read_accessor(document: Json, body: bytes, number: int) -> NDArray[Any]:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]] if "bufferView" in accessor else {"buffer": -1}
    if "sparse" in accessor or view["buffer"] != 0 or "uri" in document["buffers"][0]:
        raise UnsupportedFormat("a glTF file has sparse data, or data in other files; save it as one binary file")
    dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    count, stride = accessor["count"], view.get("byteStride", dtype.itemsize * width)
    if count and start + stride * (count - 1) + dtype.itemsize * width > len(body):
        raise ValueError("its buffer is cut short")
    return (
        np.ndarray((count, width), dtype, body, start, (stride, dtype.itemsize))
        if count
        else np.empty((0, width), dtype)
    )
