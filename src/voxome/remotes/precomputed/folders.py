"""Folders and files of precomputed volumes, read also where cloud-volume compressed them."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from voxome.contracts.source import Mode
from voxome.errors import CorruptData
from voxome.remotes.decompression import SUFFIXES, decompress_file
from voxome.storage.path import StoragePath

INFO = "info"
"""Name of the metadata file of every precomputed folder."""

NETWORK_SUFFIXES = (".gz", ".br")
"""Suffixes that are looked up in stores behind a network, where each costs a request."""


@dataclass(frozen=True)
class ShapeFolder:
    """A folder of meshes, skeletons or annotations.

    Attributes
    ----------
    path : StoragePath
        Address of the folder.
    info : mapping
        Its metadata; empty if it has none.
    name : str
        URI, for messages.
    mode : {"r", "r+"}
        Whether it may be written.
    """

    path: StoragePath
    info: Mapping[str, Any]
    name: str
    mode: Mode = "r"


def read_files(folder: StoragePath, names: Sequence[str]) -> list[bytes | None]:
    """Read several files, each as ``name`` or compressed as ``name.gz`` and the like; None for a missing one."""
    found = folder.read_all(names)
    missing = [row for row, data in enumerate(found) if data is None]
    suffixes = SUFFIXES if folder.is_local else NETWORK_SUFFIXES
    keys = [(row, names[row] + suffix) for row in missing for suffix in suffixes]
    for (row, key), data in zip(keys, folder.read_all([key for _, key in keys]), strict=True):
        if data is not None and found[row] is None:
            found[row] = decompress(folder, key, data)
    return found


def decompress(folder: StoragePath, key: str, data: bytes, most: int | None = None) -> bytes:
    """Decompress a file according to its suffix, unless the server has already done so.

    It may have `most` bytes, if metadata say how many.

    Raises
    ------
    CorruptData
        If it cannot be decompressed, or would be implausibly large.
    """
    suffix = PurePosixPath(key).suffix
    if suffix == ".gz" and not folder.is_local and data[:2] != b"\x1f\x8b":
        return data
    try:
        return decompress_file(suffix, data, most)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise CorruptData(f"{folder}/{key} cannot be decompressed: {error}") from error
