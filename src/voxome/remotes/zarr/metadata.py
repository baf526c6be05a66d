"""The metadata files of zarr arrays and groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxome.errors import CorruptData, NotFound
from voxome.storage.json_store import Json, read_json, update_json
from voxome.storage.path import StoragePath

_FILES_V2 = {"array": ".zarray", "group": ".zgroup"}
FILES = ("zarr.json", *_FILES_V2.values())
"""Names of the metadata files; every node has one of them."""


@dataclass(frozen=True)
class Node:
    """A zarr array or group, as its metadata files describe it.

    Attributes
    ----------
    folder : StoragePath
        Where it is.
    format : int
        Version of zarr, 2 or 3.
    type : {"array", "group"}
        Type of node.
    document : mapping
        Content of its metadata file.
    attributes : mapping
        Its user attributes.
    """

    folder: StoragePath
    format: int
    type: str
    document: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attributes_file(self) -> str:
        """Name of the file with its attributes; that of its metadata file if it has none."""
        if self.format == 3:
            return "zarr.json"
        return ".zattrs" if self.attributes else _FILES_V2[self.type]

    def update_attributes(self, change: Callable[[Json], Json]) -> Json:
        """Replace its attributes by ``change(attributes)`` atomically, and return the new ones."""
        if self.format == 2:
            return update_json(self.folder, ".zattrs", change)
        document = update_json(
            self.folder, "zarr.json", lambda old: {**old, "attributes": change(old.get("attributes") or {})}
        )
        return dict(document["attributes"])


def find_node(folder: StoragePath) -> Node | None:
    """Return the zarr array or group in `folder`, or None if neither exists.

    Raises
    ------
    CorruptData
        If a metadata file is not a JSON object.
    AccessDenied, StoreError
        If the store cannot be read.
    """
    document = read_json(folder, "zarr.json")
    if document is not None:
        type = document.get("node_type")
        if type not in list(_FILES_V2):
            raise CorruptData(f"{folder}/zarr.json: node_type is {type!r}, not 'array' or 'group'")
        attributes = document.get("attributes") or {}
        if not isinstance(attributes, Mapping):
            raise CorruptData(f"{folder}/zarr.json: attributes should be a JSON object, not {attributes!r:.60}")
        return Node(folder, 3, type, document, attributes)
    for type, name in _FILES_V2.items():
        document = read_json(folder, name)
        if document is not None:
            return Node(folder, 2, type, document, read_json(folder, ".zattrs") or {})
    return None


def require_node(folder: StoragePath) -> Node:
    """Return the zarr array or group in `folder`.

    Raises
    ------
    NotFound
        If neither exists.
    """
    node = find_node(folder)
    if node is None:
        raise NotFound(f"{folder} is not a zarr array or group: it has none of {', '.join(FILES)}")
    return node
