"""Named arrays in one file, in any store."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.storage.path import StoragePath

SUFFIX = ".npz"
"""End of the names of the files."""
_LEAST_BYTES, _MOST_RATIO = 1 << 26, 128
"""Bytes of arrays that are always read, and those for a byte of their file."""
_DAMAGE = (
    *(BadZipFile, EOFError, LookupError, MemoryError, NotImplementedError, OSError, OverflowError, RuntimeError),
    *(SyntaxError, TokenError, TypeError, struct.error, zlib.error),
)
"""What numpy and zipfile raise of files that are damaged."""


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
        return unpack_arrays(content or b"")
    except ValueError as error:
        raise CorruptData(
            f"{file} is {'damaged' if content else 'missing'}, but an earlier job has written it; {advice}"
        ) from error


def unpack_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in the content of a file.

    Raises
    ------
    ValueError
        If it is damaged, has other objects than arrays of numbers, or a few bytes that would fill the memory.
    """
    try:
        with ZipFile(io.BytesIO(content)) as packed:
            size = sum(one.file_size for one in packed.infolist())
        if size > max(_LEAST_BYTES, _MOST_RATIO * len(content)):
            raise ValueError(f"its {len(content):,} bytes claim to be {size:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return dict(stored)
    except ValueError:
        raise
    except _DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error
