"""Skeletons of a precomputed layer.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/skeleton.rst
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Skeleton
from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.precomputed.folders import ShapeFolder
from voxome.remotes.precomputed.keyed import KeyedValues
from voxome.remotes.precomputed.provenance import FolderProvenance
from voxome.remotes.precomputed.transforms import Transform

RADIUS = "radius"
"""Attribute of the format with the radii."""
_FLOATS = ("float16", "float32", "float64")
_TYPES = ("bool", *(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)), *_FLOATS)
"""Types of attributes."""
_MOST_COMPONENTS = 1 << 16
"""Most values of an attribute at a vertex."""
FILE_NAMES = {"swc_type": "vertex_types", "cross_section_nm2": "cross_sectional_area"}
"""Our name of an attribute → that in the files of cloud-volume and kimimaro."""
_OWN_NAMES = {name: own for own, name in FILE_NAMES.items()}


class PrecomputedSkeletons(FolderProvenance):
    """Skeletons by segment id."""

    def __init__(self, folder: ShapeFolder) -> None:
        self.name, self._folder = folder.name, folder.path
        self._values = KeyedValues(folder.path, folder.info.get("sharding"))
        self._transform = Transform(folder.info, folder.name)
        self._attributes = [
            (str(one["id"]), _dtype(one, folder.name), _width(one, folder.name))
            for one in folder.info.get("vertex_attributes") or ()
        ]

    def ids(self) -> NDArray[np.uint64]:
        return self._values.ids()

    def skeleton(self, id: int) -> Skeleton:
        data = self._values.read(id)
        if data is None:
            raise NotFound(f"{self.name} has no skeleton of segment {id}")
        try:
            return self._decode(data)
        except (ValueError, InvalidInput) as error:
            raise CorruptData(f"{self.name}: cannot decode the skeleton of segment {id}: {error}") from error

    def _decode(self, data: bytes) -> Skeleton:
        nodes, edges = (int(count) for count in np.frombuffer(data, "<u4", 2))
        positions = np.frombuffer(data, "<f4", 3 * nodes, 8).reshape(-1, 3)
        at = 8 + positions.nbytes
        pairs = np.frombuffer(data, "<u4", 2 * edges, at).reshape(-1, 2)
        at += pairs.nbytes
        attributes: dict[str, NDArray[Any]] = {}
        for name, dtype, width in self._attributes:
            values = np.frombuffer(data, dtype, width * nodes, at)
            at += values.nbytes
            native = values.astype(dtype.newbyteorder("="))
            attributes[_OWN_NAMES.get(name, name)] = native if width == 1 else native.reshape(-1, width)
        if at != len(data):
            raise ValueError(f"it has {len(data)} bytes; {at} were expected from its counts and the attributes in info")
        radii = attributes.pop(RADIUS, None)
        return Skeleton(
            self._transform.to_nm(positions),
            pairs,
            np.full(nodes, np.nan) if radii is None else radii.astype(np.float64) * self._transform.scale,
            attributes,
        )


def _dtype(attribute: Mapping[str, Any], name: str) -> np.dtype[Any]:
    """Return the data type of an attribute, in the byte order of the format."""
    found = str(attribute["data_type"])
    if found not in _TYPES:
        raise UnsupportedFormat(
            f"{name}: the attribute {attribute['id']!r:.100} has the data_type {found!r:.100}; expected "
            f"{', '.join(_TYPES)}"
        )
    return np.dtype(found).newbyteorder("<")


def _width(attribute: Mapping[str, Any], name: str) -> int:
    """Return the number of values that an attribute has at each vertex."""
    found = attribute.get("num_components", 1)
    found = int(found) if isinstance(found, float) and found.is_integer() else found
    if type(found) is not int or not 1 <= found <= _MOST_COMPONENTS:
        raise UnsupportedFormat(
            f"{name}: the attribute {attribute['id']!r:.100} has num_components {str(found)!r:.100}; expected a whole "
            f"number from 1 to {_MOST_COMPONENTS}"
        )
    return found
