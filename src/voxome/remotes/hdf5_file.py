"""HDF5 files, opened by one thread at a time, with errors of HDF5 in voxome's terms."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from voxome.errors import CorruptData, StoreError, UnsupportedFormat, VoxomeError
from voxome.remotes.local_files import require_content
from voxome.storage.atomic import require_space

_LOCK = threading.RLock()
"""One lock for all files: HDF5 runs one thread at a time, and refuses to open a file in two modes at once."""


@contextmanager
def open_file(file: Path, mode: str = "r") -> Iterator[h5py.File]:
    """Open the file exclusively, and turn HDF5's errors into voxome's."""
    with _LOCK:
        if mode != "r":
            require_space(file, 0)
        if mode != "w-":
            require_content(file, "an HDF5 file")
        if mode != "w-" and not h5py.is_hdf5(file):
            raise UnsupportedFormat(f"{file} is not an HDF5 file: it lacks HDF5's signature")
        try:
            with h5py.File(file, mode) as h5:
                yield h5
        except VoxomeError:
            raise
        except (OSError, RuntimeError) as error:
            raise _translate(file, error) from error


def _translate(file: Path, error: OSError | RuntimeError) -> VoxomeError:
    message = str(error)
    if "unable to lock" in message or "already open" in message:
        return StoreError(f"{file} is open in another process, and HDF5 lets only one write at a time: {message}")
    if getattr(error, "errno", None) or re.search(r"errno = [1-9]", message):
        return StoreError(f"{file} cannot be read or written: {message}")
    return CorruptData(f"{file} is truncated or damaged: {message}")
