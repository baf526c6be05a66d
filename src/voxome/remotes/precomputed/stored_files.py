"""Files of a precomputed folder, as they are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from voxome.contracts.stored_files import StoredPart
from voxome.errors import CorruptData
from voxome.remotes.decompression import SUFFIXES
from voxome.remotes.precomputed.folders import NETWORK_SUFFIXES, decompress
from voxome.storage.inside import inside
from voxome.storage.path import StoragePath

_LONGEST = 255
"""Bytes of a name of a file."""


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder; what cloud-volume has compressed is served decompressed.

    Attributes
    ----------
    folder : StoragePath
        The folder.
    """

    folder: StoragePath

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> StoredPart | None:
        """Return bytes of a file; see `StoredFiles.read`."""
        if any(len(part.encode()) > _LONGEST or not part for part in path.split("/")):
            return None
        try:
            file = inside(self.folder, path)
        except CorruptData:  # the path is the caller's
            return None
        found = file.read_part(start, stop)
        if found is not None:
            content, state = found
            whole = start is None and stop is None
            return StoredPart(content, state, len(content) if whole else file.size())
        keys = [path + suffix for suffix in (SUFFIXES if self.folder.is_local else NETWORK_SUFFIXES)]
        for key, data in zip(keys, self.folder.read_all(keys), strict=True):
            if data is not None:
                unpacked = decompress(self.folder, key, data)
                return StoredPart(unpacked[start:stop], hashlib.sha256(data).hexdigest()[:16], len(unpacked))
        return None
