"""Local files, of which no read asks for more memory than there are bytes."""

from __future__ import annotations

import os
from io import BufferedReader, FileIO
from os import O_NONBLOCK
from pathlib import Path
from stat import S_ISREG

from voxome.errors import CorruptData

MOST_DOCUMENT_BYTES = 1 << 26
"""Most bytes of metadata in one file: those of a volume with a million attributes, or a hundred thousand levels."""


class BoundedFile(BufferedReader):
    """A file that is open for reading.

    The length of a read often comes from the file itself: Python takes the memory for it before it looks at how much
    there is.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    OSError
        If it cannot be opened, or is a pipe or a device, which could block or have no end.
    """

    def __init__(self, path: Path) -> None:
        file = open_regular(path)
        super().__init__(file)
        self._size = os.fstat(file.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes: at most `size`, or all."""
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def open_regular(path: Path) -> FileIO:
    """Open a file for reading; raises OSError if it is a pipe or a device."""
    file = FileIO(path, "rb", opener=lambda name, flags: os.open(name, flags | O_NONBLOCK))
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("it is a pipe or a device, not a file")
    return file


def read_document(path: Path) -> bytes:
    """Return the content of a file of metadata.

    Raises
    ------
    CorruptData
        If it has more than `MOST_DOCUMENT_BYTES`.
    OSError
        If it cannot be read, or is a pipe or a device.
    """
    with BoundedFile(path) as file:
        data = file.read(MOST_DOCUMENT_BYTES + 1)
    require_document_size(len(data), str(path))
    return data


def read_end(path: Path, most: int) -> str:
    """Return the last `most` bytes of a text file, or all; bytes that are no text are replaced."""
    with BoundedFile(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read().decode("utf-8", errors="replace")


def require_document_size(size: int, name: str) -> None:
    """Refuse metadata of more than `MOST_DOCUMENT_BYTES`; raises CorruptData."""
    if size > MOST_DOCUMENT_BYTES:
        raise CorruptData(
            f"{name} has more than {MOST_DOCUMENT_BYTES:,} bytes, the most that are read of a file of metadata; move "
            "what is large out of it"
        )
