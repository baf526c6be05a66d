"""The volumes in a zarr group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from voxome.remotes.zarr import ome
from voxome.remotes.zarr.metadata import FILES, Node, find_node, require_node
from voxome.storage.json_store import read_json
from voxome.storage.path import StoragePath
from voxome.storage.walk import Levels, walk


def volumes_under(folder: StoragePath) -> Iterator[tuple[StoragePath, Exception | None]]:
    """Return the arrays in `folder`, and why one cannot be read; a pyramid is listed as its group, not as its levels.

    Where the store cannot be listed, these are the volumes that consolidated metadata name.

    Raises
    ------
    NotFound
        If `folder` does not exist.
    """
    if not folder.listable:
        return ((volume, None) for volume in _consolidated(folder))
    return (
        (volume, node if isinstance(node, Exception) else None)
        for volume, node in walk(folder, partial(_look, Levels()))
    )


def _look(
    levels: Levels, folder: StoragePath, folders: Sequence[str], files: Sequence[str]
) -> tuple[Node | None, Sequence[str]]:
    node = find_node(folder) if set(files) & set(FILES) else None
    if node is not None and node.type == "array":
        return node, ()
    paths = None if node is None else _levels(node)
    levels.add(folder, paths or ())
    return None if paths is None else node, levels.others(folder, folders)


def _levels(group: Node) -> list[str] | None:
    """Return the paths of the levels of a pyramid; None if the group is not a pyramid."""
    entry = ome.multiscales(group.attributes)
    if entry is None:
        return None
    return [one.path.strip("/") for one in ome.datasets(entry, str(group.folder))]


def _consolidated(folder: StoragePath) -> Iterator[StoragePath]:
    node = require_node(folder)
    if node.type == "array" or _levels(node) is not None:
        yield folder
        return
    inside: list[str] = []
    for one in sorted(_consolidated_nodes(node), key=lambda found: found.folder.path):
        found = _levels(one) if one.type == "group" else None
        inside += [f"{one.folder.path}/{level}/" for level in found or ()]
        if (one.type == "array" or found is not None) and not f"{one.folder.path}/".startswith(tuple(inside)):
            yield one.folder


def _consolidated_nodes(group: Node) -> Iterator[Node]:
    """Yield the arrays and groups that the consolidated metadata of `group` describe."""
    if group.format == 3:
        known = (group.document.get("consolidated_metadata") or {}).get("metadata") or {}
        for path, document in known.items():
            yield Node(group.folder / path, 3, document["node_type"], document, document.get("attributes") or {})
        return
    known = (read_json(group.folder, ".zmetadata") or {}).get("metadata") or {}
    for key, document in known.items():
        path, _, file = key.rpartition("/")
        type = {".zarray": "array", ".zgroup": "group"}.get(file)
        if path and type:
            yield Node(group.folder / path, 2, type, document, known.get(f"{path}/.zattrs") or {})
