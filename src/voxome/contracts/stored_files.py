"""Files beside voxels that are served as they are stored: meshes, skeletons and annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class StoredPart:
    """Bytes of a file.

    Attributes
    ----------
    content : bytes
        The bytes.
    state : str
        Text that changes with the file.
    size : int or None
        Bytes of the whole file; None if the store does not tell.
    """

    content: bytes
    state: str
    size: int | None


class StoredFiles(Protocol):
    """The files of a folder."""

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> StoredPart | None:
        """Return bytes of a file, those from `start` to `stop`; None if there is no such file.

        Raises
        ------
        InvalidBox
            If they are not inside the file.
        """


@runtime_checkable
class SupportsStoredFiles(Protocol):
    """A source in whose store the files of a format lie."""

    def stored_files(self, folder: str) -> StoredFiles | None:
        """Return the files of a folder of the format ``precomputed``; None if the source is not stored so.

        Parameters
        ----------
        folder : {"mesh", "skeletons", "annotations"}
            What is in it.
        """
