"""PLY, in nm: text and both binary forms are read, little-endian binary is written.

Format: http://paulbourke.net/dataformats/ply
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.remotes.mesh_files.arrays import FRAME, arrays_of, mesh_of, split_polygons

_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float": "f4",
    "double": "f8",
    "float32": "f4",
    "float64": "f8",
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_INDICES = ("vertex_indices", "vertex_index")
_END = b"end_header"


@dataclass
class _Property:
    name: str
    type: str
    count_type: str = ""
    """Of a list, the type of its length."""


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)


def decode_ply(data: bytes) -> Mesh:
    """Decode a file: ``x``, ``y`` and ``z`` of the vertices, and the lists of the faces; all else is left out."""
    order, elements, body = _read_header(data)
    values = _Text(body) if order == "" else _Binary(body, order)
    found = {element.name: _read(element, values) for element in elements}
    vertex, face = found.get("vertex"), found.get("face", {})
    if vertex is None or not {"x", "y", "z"} <= set(vertex):
        raise ValueError("it has no vertices with x, y and z")
    name = next((name for name in _INDICES if name in face), None)
    sizes, corners = face[name] if name else (np.empty(0, np.int64), np.empty(0, np.int64))
    return mesh_of(np.stack([vertex[axis] for axis in "xyz"], axis=1), split_polygons(sizes, corners))


def encode_ply(mesh: Mesh) -> bytes:
    """Encode a mesh in little-endian binary."""
    vertices, faces = arrays_of(mesh)
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment voxome: {FRAME}\nelement vertex {len(vertices)}\n"
        f"property float x\nproperty float y\nproperty float z\nelement face {len(faces)}\n"
        "property list uchar uint vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), [("count", "u1"), ("corners", "<u4", 3)])
    rows["count"], rows["corners"] = 3, faces
    return header.encode() + vertices.astype("<f4").tobytes() + rows.tobytes()


def _read_header(data: bytes) -> tuple[str, list[_Element], bytes]:
    head, mark, rest = data.partition(_END)
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if not mark or not lines or lines[0] != ["ply"]:
        raise ValueError("it has no header of PLY")
    order, elements = "", list[_Element]()
    for words in lines[1:]:
        match words:
            case ["format", name, *_]:
                order = _ORDERS[name]
            case ["element", name, count]:
                elements.append(_Element(name, int(count)))
            case ["property", "list", count_type, type, name]:
                elements[-1].properties.append(_Property(name, _TYPES[type], _TYPES[count_type]))
            case ["property", type, name]:
                elements[-1].properties.append(_Property(name, _TYPES[type]))
    return order, elements, rest[rest.index(b"\n") + 1 :]


class _Binary:
    """Numbers of a binary body, in order."""

    def __init__(self, body: bytes, order: str) -> None:
        self._body, self._order, self._at = body, order, 0

    def take(self, types: list[str], count: int) -> list[NDArray[Any]]:
        """Return `count` rows of numbers of these types, as columns."""
        dtype = np.dtype([(str(number), self._order + one) for number, one in enumerate(types)])
        rows = np.frombuffer(self._body, dtype, count, self._at)
        self._at += rows.nbytes
        return [rows[name] for name in dtype.names or ()]


class _Text:
    """Numbers of a text body, in order."""

    def __init__(self, body: bytes) -> None:
        self._words, self._at = np.array(body.split(), np.float64), 0

    def take(self, types: list[str], count: int) -> list[NDArray[Any]]:
        """Return `count` rows of as many numbers as types, as columns."""
        stop = self._at + len(types) * count
        if stop > len(self._words):
            raise ValueError(f"it has {len(self._words)} numbers; expected at least {stop}")
        rows = self._words[self._at : stop].reshape(count, len(types))
        self._at = stop
        return list(rows.T)


def _read(element: _Element, values: _Binary | _Text) -> dict[str, Any]:
    """Return the values of an element by property; a list as lengths, and all its numbers."""
    if not any(one.count_type for one in element.properties):
        columns = values.take([one.type for one in element.properties], element.count)
        return {one.name: column for one, column in zip(element.properties, columns, strict=True)}
    triangles = _read_triangles(element, values)
    if triangles is not None:
        return triangles
    lists: dict[str, list[NDArray[np.int64]]] = {one.name: [] for one in element.properties}
    for _ in range(element.count):
        for one, row in _read_row(element, values):
            lists[one.name].append(row)
    return {name: _join(rows) for name, rows in lists.items()}


def _read_triangles(element: _Element, values: _Binary | _Text) -> dict[str, Any] | None:
    """Return the faces of a mesh that consists of triangles, at once; None, with nothing read, if it does not."""
    if len(element.properties) != 1:
        return None
    one, start = element.properties[0], values._at
    try:
        count, *corners = values.take([one.count_type, *[one.type] * 3], element.count)
    except ValueError:
        count, corners = np.zeros(1), []
    if (count != 3).any():
        values._at = start
        return None
    return {one.name: (count.astype(np.int64), np.stack(corners, axis=1).ravel().astype(np.int64))}


def _read_row(element: _Element, values: _Binary | _Text) -> Iterator[tuple[_Property, NDArray[np.int64]]]:
    for one in element.properties:
        count = int(values.take([one.count_type], 1)[0][0]) if one.count_type else 1
        numbers = [column[0] for column in values.take([one.type] * count, 1)]
        yield one, np.array(numbers, np.float64).astype(np.int64)


def _join(rows: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    sizes = np.array([len(row) for row in rows], np.int64)
    return sizes, np.concatenate(rows) if rows else np.empty(0, np.int64)
