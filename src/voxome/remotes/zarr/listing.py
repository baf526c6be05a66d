"""What volumes lie under a zarr group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from voxome.errors import NotFound
from voxome.remotes.documents import read_json
from voxome.remotes.tensorstore import is_remote
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.metadata import FILES, Node, find, must_find


def volumes_under(path: str) -> Iterator[str]:
    """Paths, relative to `path`, of its arrays; a pyramid is named by its group, not by its levels.

    Over http nothing can be listed but what consolidated metadata name.

    Raises
    ------
    NotFound
        If nothing is at `path`.
    """
    if is_remote(path):
        yield from _listed(path)
        return
    if not Path(path).is_dir():
        raise NotFound(f"there is no folder {path}")
    for folder, inside, files in os.walk(path):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        node = find(folder) if set(files) & set(FILES) else None
        if node is not None and _is_volume(node, inside):
            yield str(Path(folder).relative_to(path))


def _is_volume(node: Node, inside: list[str]) -> bool:
    """Whether `node` is an array or pyramid; what belongs to it is removed from the folders `inside`."""
    if node.type == "array":
        inside.clear()
        return True
    entry = ome.multiscales(node.attributes)
    if entry is None:
        return False
    levels = {one.path.partition("/")[0] for one in ome.datasets(entry, node.path)}
    inside[:] = [name for name in inside if name not in levels]
    return True


def _listed(path: str) -> list[str]:
    node = must_find(path)
    if _is_volume(node, []):
        return ["."]
    if node.format == 2:
        known = (read_json(path, ".zmetadata") or {}).get("metadata", {})
        return sorted(key.removesuffix("/.zarray") for key in known if key.endswith("/.zarray"))
    known = (node.document.get("consolidated_metadata") or {}).get("metadata", {})
    return sorted(key for key, one in known.items() if one.get("node_type") == "array")
