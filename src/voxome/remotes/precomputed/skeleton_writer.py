"""Writing of skeletons in Neuroglancer's format, in nm and with the identity as transform.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/skeletons.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.formats import PRIVATE
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec
from voxome.contracts.shapes import Skeleton
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, describe_value
from voxome.remotes.precomputed.keyed_writer import KeyedWriter
from voxome.remotes.precomputed.layers import SKELETONS
from voxome.remotes.precomputed.new_shapes import IDENTITY, complete_folder, new_folder
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.precomputed.skeletons import FILE_NAMES, RADIUS
from voxome.remotes.writer_options import read_options
from voxome.storage.find import storage_path
from voxome.storage.json_store import Json, read_json, update_json
from voxome.storage.path import StoragePath

_OPTIONS: Mapping[str, Sequence[Any]] = {"sharded": (True, False)}
_RECORD = f"{PRIVATE}/skeleton_attributes.json"
_ATTRIBUTES = "attributes"
RADII: Json = {"id": RADIUS, "data_type": "float32", "num_components": 1}
_TYPES = ("float32", "int8", "uint8", "int16", "uint16", "int32", "uint32")
_STORED_AS = {"bool": "uint8", "int64": "int32", "uint64": "uint32", "float16": "float32", "float64": "float32"}
"""Types that the format does not have → type that they are stored as."""
_AXES = 2


def check_skeletons(uri: Uri, spec: ShapesSpec) -> None:
    """Check that skeletons can be written into a folder; see `SupportsWriteSkeletons`."""
    _sharding_of(spec)
    new_folder(uri)


def open_skeleton_writer(uri: Uri, spec: ShapesSpec) -> PrecomputedSkeletonWriter:
    """Open the writer of a folder of skeletons; see `SupportsWriteSkeletons`."""
    return PrecomputedSkeletonWriter(storage_path(uri, writing=True), _sharding_of(spec))


class PrecomputedSkeletonWriter:
    """Writes the skeletons of a folder, group by group; several processes may write other groups at once.

    All skeletons have the same attributes: those of the first one that any process writes.
    """

    def __init__(self, folder: StoragePath, sharding: Sharding | None) -> None:
        self._folder, self._sharding = folder, sharding
        self._writer = KeyedWriter(folder, sharding)

    def write_group(self, group: int, skeletons: Iterable[tuple[int, Skeleton]]) -> None:
        """Write all skeletons of a group; see `SkeletonWriter`.

        Positions, radii and floating-point attributes become float32, 64-bit integers 32-bit ones.

        Raises
        ------
        InvalidInput
            If the format cannot store an attribute, skeletons have other attributes than those before, or ids are not
            those of the group in ascending order.
        """
        self._writer.write_group(group, self._encode(skeletons))

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder; see `SkeletonWriter`."""
        recorded = read_json(self._folder, _RECORD) or {}
        info = {
            "@type": SKELETONS,
            "transform": IDENTITY,
            "vertex_attributes": recorded.get(_ATTRIBUTES, [RADII]),
            **({"sharding": self._sharding.to_json()} if self._sharding is not None else {}),
        }
        complete_folder(self._folder, "skeletons", info, self._writer.ids(), provenance)

    def _encode(self, skeletons: Iterable[tuple[int, Skeleton]]) -> Iterator[tuple[int, bytes, bytes]]:
        expected: list[Json] | None = None
        for id, skeleton in skeletons:
            found = _describe(id, skeleton)
            expected = self._agree(found) if expected is None else expected
            if found != expected:
                raise InvalidInput(
                    f"skeleton {id} has the attributes {_names(found)}, those before have {_names(expected)}; give all "
                    f"skeletons of {self._folder} the same attributes"
                )
            yield id, encode_skeleton(id, skeleton, found), b""

    def _agree(self, found: list[Json]) -> list[Json]:
        """Return the attributes of the skeletons of all groups: `found`, unless another process was first."""
        record = update_json(self._folder, _RECORD, lambda old: old or {_ATTRIBUTES: found})
        agreed: list[Json] = record[_ATTRIBUTES]
        return agreed


def _names(attributes: Sequence[Json]) -> str:
    return ", ".join("{id} ({num_components} {data_type})".format(**one) for one in attributes)


def _sharding_of(spec: ShapesSpec) -> Sharding | None:
    options = read_options(spec.options, _OPTIONS, "skeletons in precomputed://")
    return Sharding.of_groups(spec.groups, data_encoding="gzip") if options["sharded"] else None


def _describe(id: int, skeleton: Skeleton) -> list[Json]:
    """Return the attributes of a skeleton as metadata list them, the radius first."""
    return [RADII, *(_describe_one(id, name, skeleton.attributes[name]) for name in sorted(skeleton.attributes))]


def _describe_one(id: int, name: str, values: Any) -> Json:
    array = np.asarray(values)
    stored = _STORED_AS.get(array.dtype.name, array.dtype.name)
    if stored not in _TYPES or array.ndim > _AXES:
        raise InvalidInput(
            f"skeleton {id}: the attribute {name} is {describe_value(array)}; precomputed:// stores numbers of "
            f"{', '.join(_TYPES)}, one or several for each node"
        )
    if name == RADIUS:
        raise InvalidInput(
            f"skeleton {id}: the attribute {name} has the name of radii_nm in files; give it another name"
        )
    return {
        "id": FILE_NAMES.get(name, name),
        "data_type": stored,
        "num_components": 1 if array.ndim == 1 else array.shape[1],
    }


def encode_skeleton(id: int, skeleton: Skeleton, attributes: Sequence[Json]) -> bytes:
    """Return the file of a skeleton, whose attributes `RADII` and then all others by name are described."""
    columns = [skeleton.radii_nm, *(skeleton.attributes[name] for name in sorted(skeleton.attributes))]
    parts = [
        struct.pack("<II", len(skeleton.nodes_nm), len(skeleton.edges)),
        skeleton.nodes_nm[:, ::-1].astype("<f4").tobytes(),
        skeleton.edges.astype("<u4").tobytes(),
    ]
    for values, one in zip(columns, attributes, strict=True):
        parts.append(_convert(id, np.asarray(values), one).tobytes())
    return b"".join(parts)


def _convert(id: int, values: NDArray[Any], attribute: Json) -> NDArray[Any]:
    """Return the values of an attribute in the type of the file, in its byte order."""
    dtype = np.dtype(attribute["data_type"])
    if dtype.kind in "iu" and values.size:
        limits = np.iinfo(attribute["data_type"])
        if values.min() < limits.min or values.max() > limits.max:
            raise InvalidInput(
                f"skeleton {id}: the attribute {attribute['id']} has values from {values.min()} to {values.max()}; "
                f"precomputed:// stores {dtype}, from {limits.min} to {limits.max}"
            )
    return values.astype(dtype.newbyteorder("<"))
