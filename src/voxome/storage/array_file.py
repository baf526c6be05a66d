"""Named arrays in one file, in any store."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping
from tokenize import TokenError
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.storage.path import StoragePath

SUFFIX = ".npz"
"""End of the names of the files."""
_LEAST_BYTES, _MOST_RATIO = 1 << 26, 128
"""Bytes of arrays that are always read, and those for a byte of their file."""
_DAMAGE = (
    *(BadZipFile, EOFError, LookupError, NotImplementedError, OSError, OverflowError, RuntimeError),
    *(SyntaxError, TokenError, TypeError, struct.error, zlib.error),
)
"""What numpy and zipfile raise of files that are damaged."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Version of an array → what reads its header."""


def write_arrays(file: StoragePath, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers, atomically; they replace those of an earlier attempt."""
    others = [name for name, array in arrays.items() if not _has_numbers(array.dtype)]
    if others:
        raise TypeError(f"{', '.join(others)}: expected arrays of numbers, not of {arrays[others[0]].dtype}")
    with file.create_file() as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # NumPy 2.1 would write allow_pickle as an array


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
    MemoryError
        If the memory has no room for what its bytes hold.
    """
    try:
        with ZipFile(io.BytesIO(content)) as packed:
            entries = packed.infolist()
            size = sum(one.file_size for one in entries)
            if size > max(_LEAST_BYTES, _MOST_RATIO * len(content)):
                raise ValueError(f"its {len(content):,} bytes claim to be {size:,}")
            return {one.filename.removesuffix(".npy"): _unpack_array(packed, one) for one in entries}
    except ValueError:
        raise
    except _DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _unpack_array(packed: ZipFile, entry: ZipInfo) -> NDArray[Any]:
    """Return an array, for which no memory is taken before its header agrees with its bytes."""
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"{entry.filename} is compressed by method {entry.compress_type} of zip; expected 0 or 8")
    with packed.open(entry) as stream:
        try:
            shape, _, dtype = _HEADERS[npy.read_magic(stream)](stream)
        except MemoryError as error:  # of Python's parser, for what is nested too deeply
            raise ValueError(f"the header of {entry.filename} cannot be read") from error
        expected, found = math.prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
        if expected != found:
            raise ValueError(f"{entry.filename} has {found:,} bytes of numbers; its header claims {expected:,}")
    if not _has_numbers(dtype):
        raise ValueError(f"{entry.filename} has the data type {dtype}; expected one of numbers")
    with packed.open(entry) as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array


def _has_numbers(dtype: np.dtype[Any]) -> bool:
    """Return whether a data type, or each of its fields, is one of numbers."""
    if dtype.names is not None:
        return bool(dtype.names) and all(_has_numbers(dtype[name]) for name in dtype.names)
    return dtype.base.kind in "biufc"
