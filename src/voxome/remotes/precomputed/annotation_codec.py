"""Binary records of annotations.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import UnsupportedFormat
from voxome.geometry.units import nm_per

_SHAPES: Mapping[str, AnnotationShape] = {
    "point": "point",
    "line": "line",
    "axis_aligned_bounding_box": "box",
    "ellipsoid": "ellipsoid",
}
_COLOURS = {"rgb": 3, "rgba": 4}
_ALIGNMENT = 4


class AnnotationCodec:
    """Decodes the annotations of one collection.

    Parameters
    ----------
    info : mapping
        Metadata of the collection.
    name : str
        URI, for messages.

    Raises
    ------
    UnsupportedFormat
        If the geometry is unknown, or the dimensions are not x, y and z in units of length.
    """

    def __init__(self, info: Mapping[str, Any], name: str) -> None:
        kind = str(info["annotation_type"]).lower()
        if kind not in _SHAPES:
            raise UnsupportedFormat(f"{name} has annotations of type {kind}; voxome reads {', '.join(_SHAPES)}")
        self.shape = _SHAPES[kind]
        self.nm = _dimensions(info["dimensions"], name)
        self._order = [list(info["dimensions"]).index(axis) for axis in "zyx"]
        self._vectors = 1 if self.shape == "point" else 2
        self._properties = [str(one["id"]) for one in info.get("properties") or ()]
        self._record = _record(self._vectors, info.get("properties") or ())
        self.relations = [str(one["id"]) for one in info.get("relationships") or ()]

    def to_stored(self, zyx_nm: Sequence[float]) -> NDArray[np.float64]:
        """Return a position (z, y, x in nm) in the order and units of the dimensions."""
        stored = np.empty(3)
        stored[self._order] = zyx_nm
        return stored / self.nm

    def decode_one(self, id: int, data: bytes) -> Annotations:
        """Decode the record of one annotation, with its relations.

        Raises
        ------
        ValueError, struct.error
            If it has another length than its counts require.
        """
        records = np.frombuffer(data, self._record, 1)
        at = records.nbytes
        related: dict[str, list[NDArray[np.uint64]]] = {}
        for relation in self.relations:
            count = struct.unpack_from("<I", data, at)[0]
            labels = np.frombuffer(data, "<u8", count, at + 4)
            related[relation] = [labels.astype(np.uint64)]
            at += 4 + labels.nbytes
        _check_end(data, at)
        return self._annotations(records, np.array([id], np.uint64), related)

    def decode_many(self, data: bytes) -> Annotations:
        """Decode a list of annotations, which has no relations.

        Raises
        ------
        ValueError, struct.error
            If it has another length than its count requires.
        """
        count = struct.unpack_from("<Q", data)[0]
        if count > len(data) // self._record.itemsize:
            raise ValueError(f"{len(data)} bytes cannot hold {count} annotations")
        records = np.frombuffer(data, self._record, count, 8)
        ids = np.frombuffer(data, "<u8", count, 8 + records.nbytes)
        _check_end(data, 8 + records.nbytes + ids.nbytes)
        return self._annotations(records, ids, {})

    def none(self) -> Annotations:
        """Return a collection without any annotation."""
        return self._annotations(np.empty(0, self._record), np.empty(0, np.uint64), {})

    def _annotations(
        self, records: NDArray[Any], ids: NDArray[np.uint64], related: Mapping[str, Sequence[NDArray[np.uint64]]]
    ) -> Annotations:
        vectors = records["vectors"].astype(np.float64) * self.nm
        properties = {name: _native(records[f"property {name}"]) for name in self._properties}
        return Annotations(self.shape, ids, vectors[..., self._order], properties, related)


def _dimensions(dimensions: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return the nm of one unit along each dimension, in the order of the metadata."""
    lengths = {axis: (float(scale), nm_per(unit)) for axis, (scale, unit) in dimensions.items()}
    if sorted(lengths) != ["x", "y", "z"] or any(nm is None for _, nm in lengths.values()):
        found = ", ".join(f"{axis} ({scale:g} {dimensions[axis][1]})" for axis, (scale, _) in lengths.items())
        raise UnsupportedFormat(f"{name} has the dimensions {found}; x, y and z in units of length were expected")
    return np.array([scale * (nm or 0.0) for scale, nm in lengths.values()])


def _record(vectors: int, properties: Sequence[Mapping[str, Any]]) -> np.dtype[Any]:
    """Return the dtype of a record: vectors, properties by falling size of their elements, padding to 4 bytes."""
    fields: list[tuple[Any, ...]] = [("vectors", "<f4", (vectors, 3))]
    elements = [(one, np.dtype("u1" if one["type"] in _COLOURS else one["type"])) for one in properties]
    for one, dtype in sorted(elements, key=lambda element: -element[1].itemsize):
        width = (_COLOURS[one["type"]],) if one["type"] in _COLOURS else ()
        fields.append((f"property {one['id']}", dtype.newbyteorder("<"), width))
    size = np.dtype(fields).itemsize
    if padding := -size % _ALIGNMENT:
        fields.append(("padding", f"V{padding}"))
    return np.dtype(fields)


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="))


def _check_end(data: bytes, end: int) -> None:
    if end != len(data):
        raise ValueError(f"it has {len(data)} bytes; {end} were expected from its counts")
