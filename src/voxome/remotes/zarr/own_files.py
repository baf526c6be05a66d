"""The files of a zarr array or pyramid: those to which its metadata lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from voxome.remotes.zarr import ome
from voxome.remotes.zarr.chunk_keys import chunk_key
from voxome.remotes.zarr.metadata import Node, find_node
from voxome.remotes.zarr.normalize_metadata import normalize
from voxome.storage.inside import inside

_METADATA = r"zarr\.json|\.z(array|attrs|group|metadata)"
_LABELS = "labels"
"""Group in a pyramid that OME-Zarr keeps for label images, which are volumes of their own."""


def own_files(node: Node) -> str:
    """Return a regular expression for the paths of the files of a volume, relative to its folder."""
    if node.type == "array":
        return f"({_METADATA}|{_chunks(node)})"
    return "|".join(_in_pyramid(node))


def _in_pyramid(group: Node) -> Iterator[str]:
    yield f"({_LABELS}/)?({_METADATA})"
    entry = ome.multiscales(group.attributes)
    for one in [] if entry is None else ome.datasets(entry, str(group.folder)):
        path = PurePosixPath(one.path.strip("/"))
        for above in list(path.parents)[:-1]:
            yield f"{re.escape(str(above))}/({_METADATA})"
        array = find_node(inside(group.folder, str(path)))
        if array is not None and array.type == "array":
            yield rf"{re.escape(str(path))}/({own_files(array)})"


def _chunks(array: Node) -> str:
    document = normalize(array)
    first = chunk_key(document)((0,) * len(document["shape"]))
    return re.escape(first).replace("0", r"\d+")
