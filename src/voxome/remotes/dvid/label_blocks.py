"""DVID's native label blocks, decoded and encoded by compiled code.

A block is a cuboid of uint64 labels, divided into sub-blocks of 8×8×8 voxels. It starts with the numbers gx, gy, gz of
sub-blocks and N of labels (uint32 each), then the N labels. If N > 1 there follow the size of each sub-block's palette
(uint16, x fastest), the palettes (uint32 indices into the N labels), and the voxels of each sub-block as indices into
its palette, in as few bits as needed, most significant first. Numbers are little-endian. Blocks are sent compressed
with gzip. The format is that of DVID's ``datatype/common/labels``, from its documentation and recorded responses.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput
from voxome.remotes.decompression import inflate
from voxome.remotes.dvid.types import SUB_BLOCK, Triple

GZIP_LEVEL = 1
"""Measured in ``benchmarks/dvid_label_blocks.py``: higher levels cost more time than their smaller size is worth."""

_HEADER = struct.Struct("<4I")
_RECORD = struct.Struct("<4i")
_GZIP = 31
_SUB_VOXELS = 512
_ERRORS = {
    1: "ends too early",
    2: "has an index outside its list of labels",
    3: "has more than 512 labels in a sub-block",
    4: "continues after its end",
}
_jit = nb.njit(nogil=True, cache=True, boundscheck=False)


def block_shape(data: bytes) -> Triple:
    """Return the shape (z, y, x) of a native block.

    Raises
    ------
    CorruptData
        If the block has no header.
    """
    if len(data) < _HEADER.size:
        raise CorruptData(f"a label block of {len(data)} bytes is shorter than its header")
    gx, gy, gz, _ = _HEADER.unpack_from(data)
    return gz * SUB_BLOCK, gy * SUB_BLOCK, gx * SUB_BLOCK


def decode(data: bytes, out: NDArray[np.uint64], *, shape: Triple, first: Triple = (0, 0, 0)) -> None:
    """Decode the voxels of a native block into `out`.

    Parameters
    ----------
    data : bytes
        The block, decompressed.
    out : (z, y, x) array of uint64
        Any strides.
    shape : (z, y, x)
        Expected shape of the block.
    first : (z, y, x)
        Voxel of the block that goes to ``out[0, 0, 0]``; voxels beyond the shape of `out` are skipped.

    Raises
    ------
    CorruptData
        If the block is malformed, or of another shape.
    """
    if block_shape(data) != shape:
        raise CorruptData(f"a label block has shape {block_shape(data)} (z, y, x), expected {shape}")
    if any(at < 0 or at + n > length for at, n, length in zip(first, out.shape, shape, strict=True)):
        raise InvalidInput(f"{out.shape} voxels at {first} are not inside a block of shape {shape}")
    code = _decode(np.frombuffer(data, np.uint8), out, *first)
    if code:
        raise CorruptData(f"a label block of {len(data)} bytes {_ERRORS[code]}")


def encode(labels: NDArray[np.uint64]) -> bytes:
    """Encode labels as a native block, not compressed.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Any strides; lengths are multiples of 8.

    Raises
    ------
    InvalidInput
        If the array cannot be divided into sub-blocks.
    """
    if labels.ndim != 3 or labels.dtype != np.uint64 or not labels.size or any(n % SUB_BLOCK for n in labels.shape):
        raise InvalidInput(
            f"cannot encode {labels.dtype} of shape {labels.shape}; expected uint64 and lengths that are multiples of 8"
        )
    return _encode(labels).tobytes()


def _most_bytes(shape: Triple) -> int:
    """Return the bytes of a block whose voxels all differ."""
    voxels = math.prod(shape)
    return _HEADER.size + 8 * voxels + voxels // _SUB_VOXELS * (2 + 4 * _SUB_VOXELS + _SUB_VOXELS * 9 // 8)


def compress(block: bytes) -> bytes:
    """Compress a native block for sending."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(block) + compressor.flush()


def decompress(data: bytes | memoryview, shape: Triple) -> bytes:
    """Decompress a native block of `shape` (z, y, x).

    Raises
    ------
    CorruptData
        If the data are not gzip, truncated, or more than such a block can have.
    """
    try:
        return inflate(data, _GZIP, _most_bytes(shape))
    except zlib.error as error:
        raise CorruptData(f"cannot decompress a label block of {len(data)} bytes: {error}") from error


def join_blocks(blocks: Iterable[tuple[Triple, bytes]]) -> bytes:
    """Concatenate compressed blocks with their indices (z, y, x, in blocks) into one request body."""
    return b"".join(_RECORD.pack(x, y, z, len(data)) + data for (z, y, x), data in blocks)


def split_blocks(body: bytes) -> Iterator[tuple[Triple, memoryview]]:
    """Split a response body into compressed blocks, each with its index (z, y, x, in blocks).

    Raises
    ------
    CorruptData
        If the body ends within a block.
    """
    view, at = memoryview(body), 0
    while at < len(view):
        head = view[at : at + _RECORD.size]
        x, y, z, size = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0, 0, -1)
        at += _RECORD.size
        if size < 0 or at + size > len(view):
            raise CorruptData(f"a body of {len(body)} bytes ends within a label block")
        yield (z, y, x), view[at : at + size]
        at += size


@_jit
def _get_number(data: Any, at: int, size: int) -> Any:
    value = np.uint64(0)
    for i in range(size):
        value |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return value


@_jit
def _bits(count: int) -> int:
    """Return the number of bits that hold the numbers below `count`."""
    bits = 0
    while (1 << bits) < count:
        bits += 1
    return bits


@_jit
def _decode(data: Any, out: Any, z0: int, y0: int, x0: int) -> int:
    gx, gy, gz = int(_get_number(data, 0, 4)), int(_get_number(data, 4, 4)), int(_get_number(data, 8, 4))
    count = int(_get_number(data, 12, 4))
    subs = gx * gy * gz
    counts_at = 16 + 8 * count
    if counts_at > data.size:
        return 1
    if count < 2:
        out[:] = _get_number(data, 16, 8) if count else np.uint64(0)
        return 0 if counts_at == data.size else 4
    indices_at = counts_at + 2 * subs
    if indices_at > data.size:
        return 1
    listed = 0
    for i in range(subs):
        listed += int(_get_number(data, counts_at + 2 * i, 2))
    at = indices_at + 4 * listed
    if at > data.size:
        return 1
    palette = np.zeros(_SUB_VOXELS, np.uint64)
    for i in range(subs):
        m = int(_get_number(data, counts_at + 2 * i, 2))
        if m > _SUB_VOXELS:
            return 3
        palette[0] = 0
        for k in range(m):
            index = int(_get_number(data, indices_at, 4))
            if index >= count:
                return 2
            palette[k] = _get_number(data, 16 + 8 * index, 8)
            indices_at += 4
        bits = _bits(m)
        if at + 64 * bits > data.size:
            return 1
        z, y, x = i // (gx * gy) * SUB_BLOCK - z0, i // gx % gy * SUB_BLOCK - y0, i % gx * SUB_BLOCK - x0
        za, zb = max(z, 0), min(z + SUB_BLOCK, out.shape[0])
        ya, yb = max(y, 0), min(y + SUB_BLOCK, out.shape[1])
        xa, xb = max(x, 0), min(x + SUB_BLOCK, out.shape[2])
        if bits == 0:
            for zz in range(za, zb):
                for yy in range(ya, yb):
                    for xx in range(xa, xb):
                        out[zz, yy, xx] = palette[0]
        elif za < zb and ya < yb and xa < xb and not _sub_block(data, at, bits, m, palette, out, z, y, x):
            return 2
        at += 64 * bits
    return 0 if at == data.size else 4


@_jit
def _sub_block(data: Any, at: int, bits: int, m: int, palette: Any, out: Any, z: int, y: int, x: int) -> bool:
    """Decode the part of a sub-block inside `out`; return whether all its values are below `m`.

    A row of eight voxels takes exactly `bits` bytes.
    """
    mask = np.uint64((1 << bits) - 1)
    width = np.uint64(bits)
    invalid = 0
    xa, xb = max(x, 0), min(x + SUB_BLOCK, out.shape[2])
    for zz in range(max(z, 0), min(z + SUB_BLOCK, out.shape[0])):
        for yy in range(max(y, 0), min(y + SUB_BLOCK, out.shape[1])):
            row = at + ((zz - z) * SUB_BLOCK + yy - y) * bits
            buffer, left, byte = np.uint64(0), np.uint64(0), row
            for xx in range(x, xb):
                while left < width:
                    buffer = (buffer << np.uint64(8)) | np.uint64(data[byte])
                    byte += 1
                    left += np.uint64(8)
                left -= width
                value = (buffer >> left) & mask
                if xx >= xa:
                    invalid += int(value >= np.uint64(m))
                    out[zz, yy, xx] = palette[value & np.uint64(_SUB_VOXELS - 1)]
    return invalid == 0


@_jit
def _put_number(data: Any, at: int, value: Any, size: int) -> None:
    for i in range(size):
        data[at + i] = (value >> np.uint64(8 * i)) & np.uint64(255)


@_jit
def _find_palette(labels: Any, z: int, y: int, x: int, palette: Any, values: Any) -> int:
    """Fill the palette of a sub-block, and `values` with its voxels as palette indices; return the palette size."""
    m, at, i = 1, 0, 0
    palette[0] = labels[z, y, x]
    for zz in range(z, z + SUB_BLOCK):
        for yy in range(y, y + SUB_BLOCK):
            for xx in range(x, x + SUB_BLOCK):
                label = labels[zz, yy, xx]
                if label != palette[at]:
                    at = 0
                    while at < m and palette[at] != label:
                        at += 1
                    if at == m:
                        palette[m] = label
                        m += 1
                values[i] = at
                i += 1
    return m


@_jit
def _pack(values: Any, bits: int, data: Any, at: int) -> None:
    buffer, left = np.uint64(0), 0
    for i in range(values.size):
        buffer = (buffer << np.uint64(bits)) | np.uint64(values[i])
        left += bits
        while left >= 8:
            left -= 8
            data[at] = (buffer >> np.uint64(left)) & np.uint64(255)
            at += 1


@_jit
def _unique_labels(listed: Any, indices: Any) -> Any:
    """Return the distinct labels in `listed`, in order of appearance; `indices` gets the index of each among them."""
    slots = 16
    while slots < 2 * listed.size:
        slots *= 2
    table = np.full(slots, -1, np.int64)
    labels = np.empty_like(listed)
    count = 0
    for i in range(listed.size):
        slot = int((listed[i] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & (slots - 1)
        while table[slot] >= 0 and labels[table[slot]] != listed[i]:
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            labels[count] = listed[i]
            count += 1
        indices[i] = table[slot]
    return labels[:count]


@_jit
def _encode(labels: Any) -> Any:
    gz, gy, gx = labels.shape[0] // SUB_BLOCK, labels.shape[1] // SUB_BLOCK, labels.shape[2] // SUB_BLOCK
    subs = gx * gy * gz
    counts = np.empty(subs, np.int64)
    listed = np.empty(labels.size, np.uint64)
    packed = np.empty(labels.size // 512 * 64 * 9, np.uint8)
    palette, values = np.empty(_SUB_VOXELS, np.uint64), np.empty(_SUB_VOXELS, np.uint16)
    total, end = 0, 0
    for i in range(subs):
        m = _find_palette(
            labels, i // (gx * gy) * SUB_BLOCK, i // gx % gy * SUB_BLOCK, i % gx * SUB_BLOCK, palette, values
        )
        bits = _bits(m)
        if bits:
            _pack(values, bits, packed, end)
        counts[i] = m
        listed[total : total + m] = palette[:m]
        total += m
        end += 64 * bits
    indices = np.empty(total, np.int64)
    unique = _unique_labels(listed[:total], indices)
    tail = 2 * subs + 4 * total + end if unique.size > 1 else 0
    data = np.empty(16 + 8 * unique.size + tail, np.uint8)
    for k, value in enumerate((gx, gy, gz, unique.size)):
        _put_number(data, 4 * k, np.uint64(value), 4)
    for k in range(unique.size):
        _put_number(data, 16 + 8 * k, unique[k], 8)
    if tail == 0:
        return data
    at = 16 + 8 * unique.size
    for i in range(subs):
        _put_number(data, at + 2 * i, np.uint64(counts[i]), 2)
    at += 2 * subs
    for i in range(total):
        _put_number(data, at + 4 * i, np.uint64(indices[i]), 4)
    data[at + 4 * total :] = packed[:end]
    return data
