"""What is in the place of chunks of an array on this machine and is no file, such as folders, pipes and dead links."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from itertools import islice
from os import DirEntry, scandir
from pathlib import Path

from voxome.config.settings import in_worker
from voxome.errors import CorruptData

_LOG = logging.getLogger(__name__)
LOOKED_AT = 4096
"""Entries of a folder that are looked at: of nested chunks it has few, of flat ones very many."""

_SPECIAL = ("pipe or a device", "cannot be read")
_looked_at: set[tuple[Path, str]] = set()
"""Folders with chunks, and patterns of their names, that were looked at."""


def require_chunk_files(folder: Path, chunk: re.Pattern[str], metadata: str) -> None:
    """Refuse a folder, pipe or device whose name is that of a chunk, among the first `LOOKED_AT` entries of `folder`.

    A link that leads nowhere, as of a file that was not fetched, is warned of.

    Each folder is looked at once in a process, and not in workers: the process of the run has opened the array before.

    Parameters
    ----------
    folder : path
        Where chunks are.
    chunk : pattern
        Names of chunks.
    metadata : str
        Members of the metadata that give the names of chunks, for the message.

    Raises
    ------
    CorruptData
        If there is one.
    """
    if in_worker() or (folder, chunk.pattern) in _looked_at:
        return
    chunks: list[DirEntry[str]] = []
    with suppress(OSError), scandir(folder) as entries:
        chunks = [entry for entry in islice(entries, LOOKED_AT) if chunk.fullmatch(entry.name)]
    chunks.sort(key=lambda entry: entry.name)
    dead = []
    for entry in chunks:
        path = folder / entry.name
        if entry.is_file():
            continue
        if not path.exists():
            dead.append(path)
            continue
        what, voxels = ("folder", "would read as if they were missing") if path.is_dir() else _SPECIAL
        raise CorruptData(
            f"{path} is a {what} in the place of a chunk, whose voxels {voxels}; restore the file from a copy, or "
            f"correct {metadata}"
        )
    if dead:
        _LOG.warning(
            "%s is a link to %s, which does not exist: the voxels of such chunks read as if they were missing; restore "
            "the file",
            dead[0],
            dead[0].readlink(),
        )
    if chunks:
        _looked_at.add((folder, chunk.pattern))


def numbered(chunk: str) -> re.Pattern[str]:
    """Return the pattern of the names of chunks, from that of the first one, such as ``0.0``."""
    return re.compile(re.escape(chunk).replace("0", r"\d+"))
