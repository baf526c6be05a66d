"""What volumes lie under a zarr group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voxome.remotes.json_store import read_json
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.metadata import FILES, Node, find, must_find
from voxome.storage.network import HttpPath
from voxome.storage.path import StoragePath
from voxome.storage.walk import walk


def volumes_under(place: StoragePath) -> Iterator[StoragePath]:
    """The arrays in `place`; a pyramid is named by its group, not by its levels.

    Over http nothing can be listed but what consolidated metadata name.

    Raises
    ------
    NotFound
        If nothing is at `place`.
    """
    if isinstance(place, HttpPath):
        return iter(_consolidated(place))
    return (found for found, _ in walk(place, _look))


def _look(place: StoragePath, folders: Sequence[str], files: Sequence[str]) -> tuple[Node | None, Sequence[str]]:
    node = find(place) if set(files) & set(FILES) else None
    if node is None:
        return None, folders
    if node.type == "array":
        return node, ()
    levels = _levels(node)
    if levels is None:
        return None, folders
    return node, [name for name in folders if name not in levels]


def _levels(group: Node) -> set[str] | None:
    """The folders of the levels of a pyramid; None if the group is none."""
    entry = ome.multiscales(group.attributes)
    if entry is None:
        return None
    return {one.path.partition("/")[0] for one in ome.datasets(entry, str(group.place))}


def _consolidated(place: StoragePath) -> list[StoragePath]:
    node = must_find(place)
    if node.type == "array" or _levels(node) is not None:
        return [place]
    if node.format == 2:
        known = (read_json(place, ".zmetadata") or {}).get("metadata", {})
        return [place / key.removesuffix("/.zarray") for key in sorted(known) if key.endswith("/.zarray")]
    known = (node.document.get("consolidated_metadata") or {}).get("metadata", {})
    return [place / key for key, one in sorted(known.items()) if one.get("node_type") == "array"]
