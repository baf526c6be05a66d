"""Names of the chunks of a zarr array; folders and files that have other names, or the names of chunks."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from os import scandir
from pathlib import Path
from typing import Any

from voxome.config.settings import in_worker
from voxome.remotes.chunk_folders import LOOKED_AT, numbered, require_chunk_files
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import SEPARATORS

_LOG = logging.getLogger(__name__)

Key = Callable[[Sequence[int]], str]
"""Returns the name of the file of a chunk, relative to its array."""

_CHUNK_LIKE = re.compile(r"c|(c\.)?\d+(\.\d+)*")
_looked_at: set[tuple[str, str]] = set()
"""Addresses of the arrays that were looked at, with the name of the first chunk by the metadata, which may change."""


def chunk_key(document: Mapping[str, Any]) -> Key:
    """Return the function that names chunks, from normalized metadata."""
    if document["zarr_format"] == 2:
        return _key("v2", document.get("dimension_separator") or SEPARATORS["v2"])
    encoding = document["chunk_key_encoding"]
    return _key(encoding["name"], encoding["configuration"]["separator"])


def _key(encoding: str, separator: str) -> Key:
    prefix = ("c",) if encoding == "default" else ()
    return lambda index: separator.join((*prefix, *map(str, index))) or "0"


def check_chunk_names(node: Node, document: Mapping[str, Any]) -> None:
    """Log a warning if the folder of an array has chunks whose names its metadata do not give.

    Each array is looked at once in a process, and not in workers: the process of the run has opened it before.

    Parameters
    ----------
    node : Node
        The array.
    document : mapping
        Its normalized metadata.

    Raises
    ------
    CorruptData
        If, on this machine, a folder is in the place of the first chunk or of one beside it, as of an array with more
        axes.
    """
    ndim = len(document["shape"])
    first = chunk_key(document)((0,) * ndim)
    where = "dimension_separator in .zarray" if node.format == 2 else "chunk_key_encoding in zarr.json"
    if node.folder.is_local:
        path = Path(node.folder.path, first)
        require_chunk_files(path.parent, numbered(path.name), f"shape, chunks or {where}")
    array = (node.folder.address, first)
    if array in _looked_at or in_worker():
        return
    _looked_at.add(array)
    with suppress(OSError):
        name = _in_folder(node.folder.path, first) if node.folder.is_local else _by_name(node, first, ndim)
        if name is not None:
            _LOG.warning(
                "%s has chunks that its metadata cannot reach, such as %s: they say that the first chunk is %s. The "
                "voxels of such chunks read as if they were missing; correct %s",
                node.folder,
                name,
                first,
                where,
            )


def _in_folder(path: str, first: str) -> str | None:
    """Return the name of an entry of the folder `path` that is called like chunks, but not like the `first` one."""
    expected = numbered(first.partition("/")[0])
    with scandir(path) as entries:
        names = sorted(entry.name for entry in islice(entries, LOOKED_AT))
    return next((name for name in names if _CHUNK_LIKE.fullmatch(name) and not expected.fullmatch(name)), None)


def _by_name(node: Node, first: str, ndim: int) -> str | None:
    """Return the name of the first chunk in another encoding, where it exists; a bucket is not listed for it."""
    encodings = ("v2",) if node.format == 2 else tuple(SEPARATORS)
    names = {_key(encoding, separator)((0,) * ndim) for encoding in encodings for separator in "/."} - {first}
    missing = node.folder.missing(sorted(names))
    return next((name for name in sorted(names) if name not in missing), None)
