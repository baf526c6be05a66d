"""Binary records of annotations.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.ragged import Ragged, ragged_indices
from voxome.contracts.shapes import Annotations, AnnotationShape, columns_meet_box
from voxome.errors import UnsupportedFormat
from voxome.geometry.units import nm_per
from voxome.remotes.annotation_checks import require_positions
from voxome.remotes.precomputed.annotation_fields import NUMBERS, TYPES, Field, record_dtype
from voxome.remotes.precomputed.info import OWN

SHAPES: Mapping[str, AnnotationShape] = {
    "point": "point",
    "line": "line",
    "axis_aligned_bounding_box": "box",
    "ellipsoid": "ellipsoid",
}
"""Geometry of the format → that of voxome."""
WORD_BYTES = 4
"""All parts of a record are multiples of it."""
ID = np.dtype("<u8")
_TOLERANCE_NM = 2.0
"""Largest error of a position of unknown voxel size: half a voxel of 4 nm."""


class AnnotationCodec:
    """Encodes and decodes the annotations of one collection.

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
        if kind not in SHAPES:
            raise UnsupportedFormat(f"{name} has annotations of type {kind}; voxome reads {', '.join(SHAPES)}")
        self.shape = SHAPES[kind]
        self.nm = _dimensions(info["dimensions"], name)
        self._order = [list(info["dimensions"]).index(axis) for axis in "zyx"]
        own = info.get(OWN, {}).get("properties", {})
        self.fields = [_field(one, own.get(str(one["id"]), {})) for one in info.get("properties") or ()]
        self.record = record_dtype(1 if self.shape == "point" else 2, self.fields)
        self.relations = [str(one["id"]) for one in info.get("relationships") or ()]
        self._name, self._known_voxels = name, not info.get(OWN, {}).get("voxel_size_unknown", False)

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Unit of the positions, along z, y and x."""
        z, y, x = self.nm[self._order].tolist()
        return z, y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of an encoded annotation in memory: its record and its id."""
        return np.dtype([("record", self.record), ("id", ID)])

    def to_stored(self, zyx_nm: Sequence[float]) -> NDArray[np.float64]:
        """Return a position (z, y, x in nm) in the order and units of the dimensions."""
        stored = np.empty(3)
        stored[self._order] = zyx_nm
        return stored / self.nm

    def to_nm(self, stored: Sequence[float]) -> NDArray[np.float64]:
        """Return a position in the order and units of the dimensions as z, y, x in nm."""
        position: NDArray[np.float64] = (np.asarray(stored, np.float64) * self.nm)[self._order]
        return position

    def encode(self, annotations: Annotations) -> NDArray[Any]:
        """Return annotations as an array of `dtype`.

        Raises
        ------
        InvalidInput
            If positions are not finite, or radii negative.
        UnsupportedFormat
            If the format cannot hold positions with an error of less than half a voxel.
        """
        require_positions(annotations, self._name)
        positions = annotations.positions_nm
        rows = np.zeros(len(annotations), self.dtype)
        stored = np.empty_like(positions)
        stored[..., self._order] = positions
        stored /= self.nm
        rows["record"]["vectors"] = stored
        self._check_positions(rows["record"]["vectors"], stored)
        for field in self.fields:
            rows["record"][f"property {field.id}"] = annotations.properties[field.name]
        rows["id"] = annotations.ids
        return rows

    def _check_positions(self, vectors: NDArray[np.float32], exact: NDArray[np.float64]) -> None:
        errors = np.abs(vectors - exact).max(axis=(0, 1), initial=0)
        largest_nm = self.nm / 2 if self._known_voxels else np.full(3, _TOLERANCE_NM)
        if (errors * self.nm >= largest_nm).any():
            raise UnsupportedFormat(
                f"{self._name}: the format has positions of 32 bits, up to {(errors * self.nm).max():.3g} nm from "
                "these; give the voxel size of the volume that they belong to (voxel_size_nm), or a larger one"
            )

    def decode(self, rows: NDArray[Any], relations: Mapping[str, Ragged] | None = None) -> Annotations:
        """Return an array of `dtype` as annotations."""
        records = rows["record"]
        positions = np.moveaxis(self.columns_nm(records), -1, 0)
        return Annotations(self.shape, rows["id"], positions, self.properties(records), relations or {})

    def properties(self, records: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the properties of records."""
        return {field.name: records[f"property {field.id}"].astype(field.dtype) for field in self.fields}

    def columns_nm(self, records: NDArray[Any]) -> NDArray[np.float64]:
        """Return the positions of records in nm, (k, 3, n): z, y, x, each of them contiguous."""
        vectors = np.moveaxis(records["vectors"], 0, -1)
        columns = np.empty(vectors.shape)
        for axis, number in enumerate(self._order):
            np.multiply(vectors[:, number], self.nm[number], out=columns[:, axis])
        return columns

    def count(self, data: bytes) -> int:
        """Return how many annotations a list says that it has."""
        return int.from_bytes(data[: ID.itemsize], "little")

    def list_bytes(self, count: int) -> int:
        """Return the bytes of a list of annotations."""
        return ID.itemsize + count * (self.record.itemsize + ID.itemsize)

    def decode_within(self, lists: Iterable[bytes], start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        """Return the annotations of several lists that meet a box, each once, sorted by id; as of `decode_lists`."""
        records, ids = self._split_lists(lists)
        columns = self.columns_nm(records)
        kept = np.flatnonzero(columns_meet_box(self.shape, columns, start_nm, stop_nm))
        kept = kept[_argsort(ids[kept])]
        found = ids[kept]
        if (again := found[1:] == found[:-1]).any():
            kept = kept[np.concatenate([[True], ~again])]
            found = ids[kept]
        positions = np.moveaxis(np.take(columns, kept, axis=-1), -1, 0)
        return Annotations(self.shape, found, positions, self.properties(self._take(records, kept)))

    def _take(self, records: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return records at some indices; as words, which is ten times as fast as field by field."""
        width = self.record.itemsize // WORD_BYTES
        words = np.take(np.ascontiguousarray(records).view("<u4").reshape(len(records), width), rows, axis=0)
        return words.view(self.record).reshape(-1)

    def decode_lists(self, lists: Iterable[bytes]) -> NDArray[Any]:
        """Return the annotations of several lists, which have no relations, as one array of `dtype`.

        Raises
        ------
        ValueError
            If one has another length than its count requires.
        """
        records, ids = self._split_lists(lists)
        rows = np.empty(len(ids), self.dtype)
        rows["record"], rows["id"] = records, ids
        return rows

    def _split_lists(self, lists: Iterable[bytes]) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        """Return the records and the ids of several lists."""
        records: list[memoryview] = []
        ids: list[memoryview] = []
        size = self.record.itemsize
        for data in lists:
            count = self.count(data)
            if len(data) < ID.itemsize or len(data) != self.list_bytes(count):
                raise ValueError(f"it has {len(data)} bytes, which does not fit its count of {count}")
            view, end = memoryview(data), ID.itemsize + count * size
            records.append(view[ID.itemsize : end])
            ids.append(view[end:])
        return np.frombuffer(b"".join(records), self.record), np.frombuffer(b"".join(ids), ID)

    def encode_single(self, rows: NDArray[Any], relations: Sequence[Ragged]) -> tuple[NDArray[np.int64], bytes]:
        """Return the sizes and the bytes of the values of the index of ids: records with their relations."""
        width = self.record.itemsize // WORD_BYTES
        words = np.full(len(rows), width + len(relations), np.int64)
        for labels in relations:
            words += 2 * labels.counts
        out = np.empty(int(words.sum()), "<u4")
        at = np.cumsum(words) - words
        scatter(out, at, np.ascontiguousarray(rows["record"]).view("<u4").reshape(len(rows), width))
        at += width
        for labels in relations:
            out[at] = labels.counts
            out[ragged_indices(at + 1, 2 * labels.counts)] = np.ascontiguousarray(labels.values, ID).view("<u4")
            at += 1 + 2 * labels.counts
        return words * WORD_BYTES, out.tobytes()

    def decode_single(self, ids: NDArray[np.uint64], values: Sequence[bytes]) -> Annotations:
        """Decode values of the index of ids.

        Raises
        ------
        ValueError
            If one has another length than its counts require.
        """
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        if (sizes % WORD_BYTES).any() or (sizes < self.record.itemsize + WORD_BYTES * len(self.relations)).any():
            raise ValueError(f"it has {sizes.min()} bytes, which is too short, or no multiple of {WORD_BYTES}")
        words = np.frombuffer(b"".join(values), "<u4")
        ends = np.cumsum(sizes // WORD_BYTES)
        at = ends - sizes // WORD_BYTES
        width = self.record.itemsize // WORD_BYTES
        rows = np.empty(len(values), self.dtype)
        records = words[at[:, None] + np.arange(width)] if len(values) else np.empty((0, width), "<u4")
        rows["record"], rows["id"] = np.ascontiguousarray(records).view(self.record).reshape(-1), ids
        at = at + width
        relations: dict[str, Ragged] = {}
        for name in self.relations:
            if (at >= ends).any():
                raise ValueError("it ends before its relations")
            counts = words[at].astype(np.int64)
            if (at + 1 + 2 * counts > ends).any():
                raise ValueError("it has fewer bytes than its counts require")
            relations[name] = Ragged(words[ragged_indices(at + 1, 2 * counts)].view(ID).astype(np.uint64), counts)
            at = at + 1 + 2 * counts
        if (at != ends).any():
            raise ValueError("it has more bytes than its counts require")
        return self.decode(rows, relations)

    def encode_lists(
        self, rows: NDArray[Any], keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.int64], bytes]:
        """Return annotations as lists, one for each key.

        Parameters
        ----------
        rows : (n,) array of `dtype`
            Annotations.
        keys : (n,) array of uint64
            The list of each, ascending.

        Returns
        -------
        keys : (m,) array of uint64
            Key of each list.
        sizes : (m,) array of int64
            Its bytes.
        data : bytes
            All lists, one after the other.
        """
        found, first, counts = np.unique(keys, return_index=True, return_counts=True)
        width, id_words = self.record.itemsize // WORD_BYTES, ID.itemsize // WORD_BYTES
        words = id_words + counts * (width + id_words)
        out = np.empty(int(words.sum()), "<u4")
        starts = np.cumsum(words) - words
        scatter(out, starts, counts.astype(ID).view("<u4").reshape(-1, id_words))
        at = np.repeat(starts + id_words, counts)
        rank = np.arange(len(rows)) - np.repeat(first, counts)
        scatter(out, at + rank * width, np.ascontiguousarray(rows["record"]).view("<u4").reshape(len(rows), width))
        at += np.repeat(counts * width, counts) + rank * id_words
        scatter(out, at, np.ascontiguousarray(rows["id"]).view("<u4").reshape(len(rows), id_words))
        return found, words * WORD_BYTES, out.tobytes()

    def none(self) -> Annotations:
        """Return a collection without any annotation."""
        return self.decode(np.empty(0, self.dtype))


def _argsort(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the order of ids; of small ones, quickly, by sorting them with their indices in the lowest bits."""
    bits = len(ids).bit_length()
    if len(ids) and int(ids.max()) >> (64 - bits) == 0:
        packed = (ids << np.uint64(bits)) | np.arange(len(ids), dtype=np.uint64)
        packed.sort()
        return (packed & np.uint64((1 << bits) - 1)).astype(np.int64)
    return np.argsort(ids)


def scatter(out: NDArray[Any], at: NDArray[np.int64], rows: NDArray[Any]) -> None:
    """Write rows of words to `out`, each from its own index on."""
    step = 1 << 16
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        out[at[start : start + step, None] + np.arange(part.shape[1])] = part


def _field(entry: Mapping[str, Any], own: Mapping[str, Any]) -> Field:
    id, type_name = str(entry["id"]), str(entry["type"])
    field = Field(str(own.get("name", id)), id, type_name, np.dtype("u1"))
    if type_name not in TYPES:
        raise ValueError(f"the property {id} has the type {type_name!r:.100}; expected {', '.join(TYPES)}")
    dtype = own.get("dtype", field.element.newbyteorder("="))
    if str(dtype) not in ("bool", *NUMBERS):
        raise ValueError(f"the property {id} has the dtype {str(dtype)!r:.100}; expected bool, {', '.join(NUMBERS)}")
    return Field(field.name, id, type_name, np.dtype(dtype))


def _dimensions(dimensions: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Return the nm of one unit along each dimension, in the order of the metadata."""
    lengths = {axis: (float(scale), nm_per(unit)) for axis, (scale, unit) in dimensions.items()}
    if sorted(lengths) != ["x", "y", "z"] or any(nm is None for _, nm in lengths.values()):
        found = ", ".join(f"{axis} ({scale:g} {dimensions[axis][1]})" for axis, (scale, _) in lengths.items())
        raise UnsupportedFormat(f"{name} has the dimensions {found}; x, y and z in units of length were expected")
    return np.array([_exact_product(scale, nm or 0.0) for scale, nm in lengths.values()])


def _exact_product(scale: float, nm: float) -> float:
    """Return the number of nm that a text such as 5.24e-9 m says, without an error of rounding: 5.24."""
    return float(Decimal(repr(scale)) * Decimal(repr(nm)))
