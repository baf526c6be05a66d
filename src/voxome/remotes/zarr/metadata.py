"""The JSON files of zarr nodes: found, read, and their attributes changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxome.errors import CorruptData, NotFound
from voxome.remotes.json_store import Json, read_json, update_json
from voxome.storage.path import StoragePath

_OLD = {"array": ".zarray", "group": ".zgroup"}
FILES = ("zarr.json", *_OLD.values())
"""Names of the files of which every node has one."""


@dataclass(frozen=True)
class Node:
    """A zarr array or group, as its metadata files tell it.

    Attributes
    ----------
    place : Place
        Its folder.
    format : int
        2 or 3.
    type : {"array", "group"}
        Which of the two.
    document : mapping
        What its metadata file holds.
    attributes : mapping
        What others wrote about it.
    """

    place: StoragePath
    format: int
    type: str
    document: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attributes_file(self) -> str:
        """The file that changes with its attributes, or that is there at least."""
        if self.format == 3:
            return "zarr.json"
        return ".zattrs" if self.attributes else _OLD[self.type]

    def change(self, change: Callable[[Json], Json]) -> Json:
        """Replace its attributes by ``change(attributes)``, atomically; the new ones."""
        if self.format == 2:
            return update_json(self.place, ".zattrs", change)
        whole = update_json(
            self.place, "zarr.json", lambda old: {**old, "attributes": change(old.get("attributes") or {})}
        )
        return dict(whole["attributes"])


def find(place: StoragePath) -> Node | None:
    """The zarr node at `place`, or None if there is none.

    Raises
    ------
    CorruptData
        If a metadata file is not a JSON object.
    AccessDenied, StoreError
        If the store does not answer, or not that.
    """
    document = read_json(place, "zarr.json")
    if document is not None:
        kind = document.get("node_type")
        if kind not in _OLD:
            raise CorruptData(f"{place}/zarr.json: node_type is {kind!r}, not 'array' or 'group'")
        return Node(place, 3, kind, document, document.get("attributes") or {})
    for kind, name in _OLD.items():
        document = read_json(place, name)
        if document is not None:
            return Node(place, 2, kind, document, read_json(place, ".zattrs") or {})
    return None


def must_find(place: StoragePath) -> Node:
    """The zarr node at `place`.

    Raises
    ------
    NotFound
        If there is none.
    """
    node = find(place)
    if node is None:
        raise NotFound(f"there is no zarr array or group at {place}: none of {', '.join(FILES)} is in it")
    return node
