"""DVID's native label blocks: a table of labels, and for each cube of 8³ voxels a palette with packed indices."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from standins.dvid.calls import Refusal

CUBE = 8
"""Edge length of a sub-block in voxels."""


def cubes(voxels: NDArray[Any]) -> NDArray[Any]:
    """Split a (z, y, x) array into its sub-blocks: (n, 512), x fastest among and within them."""
    z, y, x = (n // CUBE for n in voxels.shape)
    sub_blocks = voxels.reshape(z, CUBE, y, CUBE, x, CUBE).transpose(0, 2, 4, 1, 3, 5)
    return sub_blocks.reshape(-1, CUBE**3)


def join(sub_blocks: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Join sub-blocks to a (z, y, x) array."""
    z, y, x = (n // CUBE for n in shape)
    return sub_blocks.reshape(z, y, x, CUBE, CUBE, CUBE).transpose(0, 3, 1, 4, 2, 5).reshape(shape)


def encode(voxels: NDArray[np.uint64]) -> bytes:
    """Encode a block.

    Parameters
    ----------
    voxels : (z, y, x) array of uint64
        Every axis a multiple of 8.

    Returns
    -------
    bytes
    """
    labels, table_indices = np.unique(voxels, return_inverse=True)
    z, y, x = (n // CUBE for n in voxels.shape)
    head = struct.pack("<4I", x, y, z, len(labels)) + labels.astype("<u8").tobytes()
    if len(labels) == 1:
        return head
    counts, indices, values = [], [], []
    for cube in cubes(table_indices.reshape(voxels.shape).astype(np.uint32)):
        palette, inverse = np.unique(cube, return_inverse=True)
        counts.append(len(palette))
        indices.append(palette)
        values.append(_pack_bits(inverse, (len(palette) - 1).bit_length()))
    table = np.array(counts, "<u2").tobytes() + np.concatenate(indices).astype("<u4").tobytes()
    return head + table + b"".join(values)


def _pack_bits(values: NDArray[np.intp], bits: int) -> bytes:
    if not bits:
        return b""
    spread = values[:, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(spread.astype(np.uint8)).tobytes()


def decode(data: bytes) -> NDArray[np.uint64]:
    """Decode a block.

    Parameters
    ----------
    data : bytes
        A native block, not compressed.

    Returns
    -------
    (z, y, x) array of uint64
    """
    try:
        return _decode(data)
    except (struct.error, ValueError, IndexError):
        raise Refusal(f"can't unmarshal block binary of length {len(data)}") from None


def _decode(data: bytes) -> NDArray[np.uint64]:
    x, y, z, n = struct.unpack_from("<4I", data)
    shape = (z * CUBE, y * CUBE, x * CUBE)
    labels = np.frombuffer(data, "<u8", n, 16)
    if n <= 1:
        return np.full(shape, labels[0] if n else 0, np.uint64)
    counts = np.frombuffer(data, "<u2", x * y * z, 16 + 8 * n)
    at = 16 + 8 * n + 2 * counts.size
    tables = np.frombuffer(data, "<u4", int(counts.sum()), at)
    at += 4 * tables.size
    sub_blocks = np.zeros((counts.size, CUBE**3), np.uint64)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    for cube, count, start in zip(sub_blocks, counts.tolist(), starts.tolist(), strict=True):
        bits = max(count - 1, 0).bit_length()
        packed = np.frombuffer(data, np.uint8, 64 * bits, at)
        at += packed.size
        if count:
            cube[:] = labels[tables[start : start + count]][_unpack_bits(packed, bits)]
    return join(sub_blocks, shape)


def _unpack_bits(packed: NDArray[np.uint8], bits: int) -> NDArray[np.int64]:
    if not bits:
        return np.zeros(CUBE**3, np.int64)
    spread = np.unpackbits(packed).reshape(CUBE**3, bits).astype(np.int64)
    return spread @ (1 << np.arange(bits - 1, -1, -1))
