"""Reads that do not fit into memory are refused before they begin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from voxome.config.machine import free_memory_bytes
from voxome.errors import OutOfMemory
from voxome.geometry.notation import comma_text

_LOOKED_AT_BYTES = 256 << 20
"""Size from which on the free memory is looked at, which takes about 0.1 ms."""


@contextmanager
def enough_memory(name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> Iterator[None]:
    """Require memory for an array, and explain a lack of it inside the block.

    Parameters
    ----------
    name : str
        The volume, for the message.
    shape : sequence of int
        Number of voxels along each axis.
    dtype : dtype
        Voxel data type.

    Raises
    ------
    OutOfMemory
        If the array is larger than the memory that this process can still get.
    """
    size = math.prod(shape) * dtype.itemsize
    free = free_memory_bytes() if size >= _LOOKED_AT_BYTES else None
    if free is not None and size > free:
        raise OutOfMemory(_sentence(name, shape, dtype, f"{free / 1e9:.3g} GB of memory are free"))
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(_sentence(name, shape, dtype, "that much memory cannot be had")) from error


def _sentence(name: str, shape: Sequence[int], dtype: np.dtype[Any], reason: str) -> str:
    size = math.prod(shape) * dtype.itemsize
    return (
        f"{name or 'The volume'}: {comma_text(shape)} voxels of {dtype} take {size / 1e9:.3g} GB, but "
        f"{reason}; read smaller boxes one by one, or a coarser level of the pyramid (level=)"
    )
