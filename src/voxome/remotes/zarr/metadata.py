"""The JSON files of zarr nodes: found, read, and their attributes changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxome.errors import CorruptData, NotFound
from voxome.remotes.documents import Json, read_json, update_json

_OLD = {"array": ".zarray", "group": ".zgroup"}
FILES = ("zarr.json", *_OLD.values())
"""Names of the files of which every node has one."""


@dataclass(frozen=True)
class Node:
    """A zarr array or group, as its metadata files tell it.

    Attributes
    ----------
    path : str
        Its folder, or http address.
    format : int
        2 or 3.
    type : {"array", "group"}
        Which of the two.
    document : mapping
        What its metadata file holds.
    attributes : mapping
        What others wrote about it.
    """

    path: str
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
            return update_json(self.path, ".zattrs", change)
        whole = update_json(
            self.path, "zarr.json", lambda old: {**old, "attributes": change(old.get("attributes") or {})}
        )
        return dict(whole["attributes"])


def find(path: str) -> Node | None:
    """The zarr node at `path`, or None if there is none.

    Raises
    ------
    CorruptData
        If a metadata file is not a JSON object.
    StoreError
        If the store does not answer.
    """
    document = read_json(path, "zarr.json")
    if document is not None:
        kind = document.get("node_type")
        if kind not in _OLD:
            raise CorruptData(f"{path}/zarr.json: node_type is {kind!r}, not 'array' or 'group'")
        return Node(path, 3, kind, document, document.get("attributes") or {})
    for kind, name in _OLD.items():
        document = read_json(path, name)
        if document is not None:
            return Node(path, 2, kind, document, read_json(path, ".zattrs") or {})
    return None


def must_find(path: str) -> Node:
    """The zarr node at `path`.

    Raises
    ------
    NotFound
        If there is none.
    """
    node = find(path)
    if node is None:
        raise NotFound(f"there is no zarr array or group at {path}: none of {', '.join(FILES)} is in it")
    return node
