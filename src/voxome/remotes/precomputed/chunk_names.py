"""Chunk files of a precomputed scale whose names its metadata do not give."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from os import scandir
from pathlib import Path
from typing import Any

from voxome.config.settings import in_worker
from voxome.remotes.chunk_folders import LOOKED_AT, require_chunk_files
from voxome.remotes.decompression import SUFFIXES
from voxome.storage.path import StoragePath

_LOG = logging.getLogger(__name__)

_CHUNK = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
_SHARD = re.compile(r"[0-9a-f]+\.(shard|index|data)")
_FILE = re.compile(rf"{_CHUNK.pattern}(\.\w+)?|{_SHARD.pattern}")
_looked_at: set[tuple[str, str]] = set()
"""Folders of the scales that were looked at, with their entries in the metadata, which may change."""


def check_chunk_names(folder: StoragePath, scale: Mapping[str, Any]) -> None:
    """Log a warning if a local scale has chunk files whose names its metadata do not give.

    Each scale is looked at once in a process, and not in workers: the process of the run has opened it before.

    Parameters
    ----------
    folder : StoragePath
        Folder of the volume.
    scale : mapping
        Entry of the scale in ``scales``.

    Raises
    ------
    CorruptData
        If a folder is in the place of a chunk or shard.
    """
    if not folder.is_local:
        return
    path = Path(folder.path, scale["key"])
    require_chunk_files(path, _FILE, "info")
    seen = (folder.address, repr(scale))
    if seen in _looked_at or in_worker():
        return
    _looked_at.add(seen)
    with suppress(OSError), scandir(path) as entries:
        names = sorted(entry.name for entry in islice(entries, LOOKED_AT))
        found = next((name for name in names if _is_unreachable(name, scale)), None)
        if found is not None:
            _LOG.warning(
                "%s has chunks that its metadata cannot reach, such as %s/%s: by chunk_sizes, size, voxel_offset and "
                "sharding in info, there is no such file. The voxels of such chunks read as if they were missing; "
                "correct info",
                folder,
                scale["key"],
                found,
            )


def _is_unreachable(file: str, scale: Mapping[str, Any]) -> bool:
    """Return whether a file is called like chunks or shards, but not like one of the scale."""
    suffix = Path(file).suffix
    name = file.removesuffix(suffix) if suffix in SUFFIXES else file
    sharded, chunk = bool(scale.get("sharding")), _CHUNK.fullmatch(name)
    if chunk is None:
        return not sharded and _SHARD.fullmatch(name) is not None
    ends = list(map(int, chunk.groups()))
    return sharded or not any(_fits(ends, scale, size) for size in scale["chunk_sizes"])


def _fits(ends: Sequence[int], scale: Mapping[str, Any], chunk: Sequence[int]) -> bool:
    """Return whether a file from and to `ends` (begin and end along x, y, z) is a chunk of the grid."""
    first = scale.get("voxel_offset") or [0, 0, 0]
    rows = zip(ends[::2], ends[1::2], first, scale["size"], chunk, strict=True)
    return all((a - low) % n == 0 and b == min(a + n, low + extent) for a, b, low, extent, n in rows)
