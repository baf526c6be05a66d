"""The tensorstore handle of a zarr array, whoever wrote it."""

from __future__ import annotations

from typing import Any

import tensorstore as ts

from voxome.errors import UnsupportedFormat
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import corrected, foreign_codecs
from voxome.remotes.zarr.numcodecs_reader import foreign_handle
from voxome.storage.tensorstore import open_store


def open_handle(node: Node, *, writable: bool) -> ts.TensorStore:
    """Open the array `node`, its axes as stored.

    Raises
    ------
    UnsupportedFormat
        If it is encoded in a way that is not read (or, where `writable`, not written); the message names it.
    """
    document, codecs = corrected(node), foreign_codecs(node)
    if codecs and writable:
        raise UnsupportedFormat(f"{node.place} is encoded with {', '.join(codecs)}, which is read but not written")
    if codecs:
        return foreign_handle(node, document)
    spec: dict[str, Any] = {"driver": f"zarr{node.format}", "kvstore": node.place.spec()}
    if document != node.document:
        spec |= {"metadata": document, "assume_metadata": True}
    return open_store(spec, str(node.place), read=True, write=writable)
