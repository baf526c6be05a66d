"""Arrays in the npy format, as clients send them."""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from voxome.errors import InvalidInput

HEADER_BYTES = 4096
"""Limit of what precedes the voxels."""


def npy_header(content: bytes | bytearray) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and dtype that the header of `content` promises.

    Raises
    ------
    InvalidInput
        If it is no npy array.
    """
    shape, _, dtype, _ = _header(content)
    return shape, dtype


def read_npy(content: bytes | bytearray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the array of `shape` and `dtype` in `content`; its header is checked before anything is allocated.

    Raises
    ------
    InvalidInput
        If it is no npy array, or has another shape, dtype or number of bytes.
    """
    found_shape, fortran_order, found_dtype, start = _header(content)
    voxels = memoryview(content)[start:]
    if (found_shape, found_dtype) != (shape, dtype) or voxels.nbytes != int(np.prod(shape)) * dtype.itemsize:
        seen = f"{found_dtype} {found_shape} in {voxels.nbytes} bytes"
        raise InvalidInput(f"the body has {seen}; {dtype} {shape} was expected")
    return np.frombuffer(voxels, dtype).reshape(shape, order="F" if fortran_order else "C")


def _header(content: bytes | bytearray) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, Fortran order, dtype, and where the voxels start."""
    stream = io.BytesIO(content[: 2 * HEADER_BYTES])
    try:
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(stream)]
        shape, fortran_order, dtype = read_header(stream)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, TokenError, RecursionError, MemoryError) as error:
        raise InvalidInput(f"the body is not an npy array: {error}") from error
    return shape, fortran_order, dtype, stream.tell()
