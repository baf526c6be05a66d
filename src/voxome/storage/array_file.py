"""Named arrays in one file, in any store."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.storage.path import StoragePath

SUFFIX = ".npz"
"""End of the names of the files."""


def write_arrays(file: StoragePath, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers, atomically; they replace those of an earlier attempt."""
    with file.create_file() as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_arrays(file: StoragePath, advice: str) -> dict[str, NDArray[Any]]:
    """Return arrays that an earlier job has written.

    Parameters
    ----------
    file : StoragePath
        The file.
    advice : str
        What to do if it is not there, for the message.

    Raises
    ------
    CorruptData
        If the file is gone, or damaged.
    """
    content = file.read_bytes()
    try:
        with np.load(io.BytesIO(content or b""), allow_pickle=False) as stored:
            return dict(stored)
    except (ValueError, OSError, EOFError) as error:
        raise CorruptData(
            f"{file} is {'damaged' if content else 'missing'}, but an earlier job has written it; {advice}"
        ) from error
