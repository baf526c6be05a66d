"""Files that survive a power failure."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from voxome.storage.atomic import storing


def sync_files(path: Path) -> None:
    """Wait until all that was written to the file system of `path` is on its disk, whichever library wrote it.

    That is one call for any number of files, those that were renamed among them.

    Parameters
    ----------
    path : Path
        A file or folder, or what is inside a file.

    Raises
    ------
    StoreError
        If `path` cannot be opened, or the disk fails.
    """
    with storing(path):
        while not path.exists():
            path = path.parent
        file = os.open(path, os.O_RDONLY)
        try:
            _sync(file)
        finally:
            os.close(file)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on its disk.

    Raises
    ------
    OSError
        If it is no folder, or the disk fails.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sync(file: int) -> None:
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
    elif syncfs(file) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
