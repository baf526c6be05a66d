"""DVID's native label blocks, decoded and encoded by compiled code.

A block is a cuboid of uint64 labels, cut into sub-blocks of 8×8×8 voxels. It holds the numbers gx, gy, gz of sub-blocks
and N of labels (uint32 each), then the N labels. If N > 1 there follow how many labels each sub-block has (uint16,
x fastest), which ones (uint32 places among the N), and the voxels of each sub-block as places among its own labels, in
as few bits as hold them, the most significant first. Numbers are little-endian. On the wire each is packed by gzip.
The format is that of DVID's ``datatype/common/labels``, read from its documentation and from recorded answers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput
from voxome.remotes.dvid.types import SUB, Triple

GZIP_LEVEL = 1
"""Measured in ``benchmarks/dvid_label_blocks.py``: higher ones cost more time than they save bytes."""

_HEADER = struct.Struct("<4I")
_RECORD = struct.Struct("<4i")
_GZIP = 31
_BEFORE_VALUES = 512
_FAULTS = {
    1: "ends too early",
    2: "names a label that is not in its list",
    3: "has more than 512 labels in a sub-block",
    4: "goes on after its end",
}
_jit = nb.njit(nogil=True, cache=True, boundscheck=False)


def block_shape(data: bytes) -> Triple:
    """Voxels (z, y, x) of a native block.

    Raises
    ------
    CorruptData
        If the block has no header.
    """
    if len(data) < _HEADER.size:
        raise CorruptData(f"a label block of {len(data)} bytes has no header")
    gx, gy, gz, _ = _HEADER.unpack_from(data)
    return gz * SUB, gy * SUB, gx * SUB


def decode(data: bytes, out: NDArray[np.uint64], *, shape: Triple, first: Triple = (0, 0, 0)) -> None:
    """Write the voxels of a native block into `out`.

    Parameters
    ----------
    data : bytes
        The block, not packed.
    out : (z, y, x) array of uint64
        Of any strides.
    shape : (z, y, x)
        What the block must span.
    first : (z, y, x)
        The block's voxel that goes to ``out[0, 0, 0]``; those that `out` has no room for are left out.

    Raises
    ------
    CorruptData
        If the block is malformed, or of another shape.
    """
    if block_shape(data) != shape:
        raise CorruptData(f"a label block spans {block_shape(data)} voxels (z, y, x), {shape} were expected")
    if any(at < 0 or at + n > whole for at, n, whole in zip(first, out.shape, shape, strict=True)):
        raise InvalidInput(f"{out.shape} voxels at {first} are not inside a block of {shape}")
    fault = _decode(np.frombuffer(data, np.uint8), out, *first)
    if fault:
        raise CorruptData(f"a label block of {len(data)} bytes {_FAULTS[fault]}")


def encode(labels: NDArray[np.uint64]) -> bytes:
    """The native block of some labels, not packed.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Of any strides; all lengths multiples of 8.

    Raises
    ------
    InvalidInput
        If it cannot be cut into sub-blocks.
    """
    if labels.ndim != 3 or labels.dtype != np.uint64 or not labels.size or any(n % SUB for n in labels.shape):
        raise InvalidInput(f"label blocks are uint64 and multiples of 8 long, not {labels.dtype} of {labels.shape}")
    return _encode(labels).tobytes()


def pack(block: bytes) -> bytes:
    """A block as it travels."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(block) + packer.flush()


def unpack(data: bytes | memoryview) -> bytes:
    """The block in what has travelled.

    Raises
    ------
    CorruptData
        If it is no gzip, or not all of it.
    """
    try:
        return zlib.decompress(data, _GZIP)
    except zlib.error as error:
        raise CorruptData(f"a label block of {len(data)} bytes cannot be unpacked: {error}") from error


def join(blocks: Iterable[tuple[Triple, bytes]]) -> bytes:
    """The body that holds packed blocks with their places (z, y, x, in blocks)."""
    return b"".join(_RECORD.pack(x, y, z, len(data)) + data for (z, y, x), data in blocks)


def part(body: bytes) -> Iterator[tuple[Triple, memoryview]]:
    """The packed blocks in a body, each with its place (z, y, x, in blocks).

    Raises
    ------
    CorruptData
        If the body ends within one.
    """
    whole, at = memoryview(body), 0
    while at < len(whole):
        head = whole[at : at + _RECORD.size]
        x, y, z, size = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0, 0, -1)
        at += _RECORD.size
        if size < 0 or at + size > len(whole):
            raise CorruptData(f"a body of {len(body)} bytes ends within a label block")
        yield (z, y, x), whole[at : at + size]
        at += size


@_jit
def _number(data: Any, at: int, size: int) -> Any:
    value = np.uint64(0)
    for i in range(size):
        value |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return value


@_jit
def _bits(count: int) -> int:
    """How many bits hold the numbers below `count`."""
    bits = 0
    while (1 << bits) < count:
        bits += 1
    return bits


@_jit
def _decode(data: Any, out: Any, z0: int, y0: int, x0: int) -> int:
    gx, gy, gz = int(_number(data, 0, 4)), int(_number(data, 4, 4)), int(_number(data, 8, 4))
    count = int(_number(data, 12, 4))
    subs = gx * gy * gz
    counts_at = 16 + 8 * count
    if counts_at > data.size:
        return 1
    if count < 2:
        out[:] = _number(data, 16, 8) if count else np.uint64(0)
        return 0 if counts_at == data.size else 4
    places_at = counts_at + 2 * subs
    if places_at > data.size:
        return 1
    listed = 0
    for i in range(subs):
        listed += int(_number(data, counts_at + 2 * i, 2))
    at = places_at + 4 * listed
    if at > data.size:
        return 1
    own = np.zeros(_BEFORE_VALUES, np.uint64)
    for i in range(subs):
        m = int(_number(data, counts_at + 2 * i, 2))
        if m > _BEFORE_VALUES:
            return 3
        own[0] = 0
        for k in range(m):
            place = int(_number(data, places_at, 4))
            if place >= count:
                return 2
            own[k] = _number(data, 16 + 8 * place, 8)
            places_at += 4
        bits = _bits(m)
        if at + 64 * bits > data.size:
            return 1
        z, y, x = i // (gx * gy) * SUB - z0, i // gx % gy * SUB - y0, i % gx * SUB - x0
        za, zb = max(z, 0), min(z + SUB, out.shape[0])
        ya, yb = max(y, 0), min(y + SUB, out.shape[1])
        xa, xb = max(x, 0), min(x + SUB, out.shape[2])
        if bits == 0:
            for zz in range(za, zb):
                for yy in range(ya, yb):
                    for xx in range(xa, xb):
                        out[zz, yy, xx] = own[0]
        elif za < zb and ya < yb and xa < xb and not _sub_block(data, at, bits, m, own, out, z, y, x):
            return 2
        at += 64 * bits
    return 0 if at == data.size else 4


@_jit
def _sub_block(data: Any, at: int, bits: int, m: int, own: Any, out: Any, z: int, y: int, x: int) -> bool:
    """Write the part of one sub-block that `out` has room for; whether all its values are below `m`.

    A row of eight voxels takes `bits` whole bytes.
    """
    mask = np.uint64((1 << bits) - 1)
    width = np.uint64(bits)
    wrong = 0
    xa, xb = max(x, 0), min(x + SUB, out.shape[2])
    for zz in range(max(z, 0), min(z + SUB, out.shape[0])):
        for yy in range(max(y, 0), min(y + SUB, out.shape[1])):
            row = at + ((zz - z) * SUB + yy - y) * bits
            held, left, byte = np.uint64(0), np.uint64(0), row
            for xx in range(x, xb):
                while left < width:
                    held = (held << np.uint64(8)) | np.uint64(data[byte])
                    byte += 1
                    left += np.uint64(8)
                left -= width
                value = (held >> left) & mask
                if xx >= xa:
                    wrong += int(value >= np.uint64(m))
                    out[zz, yy, xx] = own[value & np.uint64(_BEFORE_VALUES - 1)]
    return wrong == 0


@_jit
def _put(data: Any, at: int, value: Any, size: int) -> None:
    for i in range(size):
        data[at + i] = (value >> np.uint64(8 * i)) & np.uint64(255)


@_jit
def _local(labels: Any, z: int, y: int, x: int, own: Any, values: Any) -> int:
    """List the labels of one sub-block in `own`, its voxels as places in that list in `values`; their number."""
    m, at, i = 1, 0, 0
    own[0] = labels[z, y, x]
    for zz in range(z, z + SUB):
        for yy in range(y, y + SUB):
            for xx in range(x, x + SUB):
                label = labels[zz, yy, xx]
                if label != own[at]:
                    at = 0
                    while at < m and own[at] != label:
                        at += 1
                    if at == m:
                        own[m] = label
                        m += 1
                values[i] = at
                i += 1
    return m


@_jit
def _pack(values: Any, bits: int, data: Any, at: int) -> None:
    held, left = np.uint64(0), 0
    for i in range(values.size):
        held = (held << np.uint64(bits)) | np.uint64(values[i])
        left += bits
        while left >= 8:
            left -= 8
            data[at] = (held >> np.uint64(left)) & np.uint64(255)
            at += 1


@_jit
def _places(listed: Any, places: Any) -> Any:
    """The different labels among `listed`, in order of appearance; `places` gets the place of each among them."""
    slots = 16
    while slots < 2 * listed.size:
        slots *= 2
    table = np.full(slots, -1, np.int64)
    found = np.empty_like(listed)
    count = 0
    for i in range(listed.size):
        slot = int((listed[i] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & (slots - 1)
        while table[slot] >= 0 and found[table[slot]] != listed[i]:
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            found[count] = listed[i]
            count += 1
        places[i] = table[slot]
    return found[:count]


@_jit
def _encode(labels: Any) -> Any:
    gz, gy, gx = labels.shape[0] // SUB, labels.shape[1] // SUB, labels.shape[2] // SUB
    subs = gx * gy * gz
    counts = np.empty(subs, np.int64)
    listed = np.empty(labels.size, np.uint64)
    packed = np.empty(labels.size // 512 * 64 * 9, np.uint8)
    own, values = np.empty(_BEFORE_VALUES, np.uint64), np.empty(_BEFORE_VALUES, np.uint16)
    many, end = 0, 0
    for i in range(subs):
        m = _local(labels, i // (gx * gy) * SUB, i // gx % gy * SUB, i % gx * SUB, own, values)
        bits = _bits(m)
        if bits:
            _pack(values, bits, packed, end)
        counts[i] = m
        listed[many : many + m] = own[:m]
        many += m
        end += 64 * bits
    places = np.empty(many, np.int64)
    found = _places(listed[:many], places)
    tail = 2 * subs + 4 * many + end if found.size > 1 else 0
    data = np.empty(16 + 8 * found.size + tail, np.uint8)
    for k, value in enumerate((gx, gy, gz, found.size)):
        _put(data, 4 * k, np.uint64(value), 4)
    for k in range(found.size):
        _put(data, 16 + 8 * k, found[k], 8)
    if tail == 0:
        return data
    at = 16 + 8 * found.size
    for i in range(subs):
        _put(data, at + 2 * i, np.uint64(counts[i]), 2)
    at += 2 * subs
    for i in range(many):
        _put(data, at + 4 * i, np.uint64(places[i]), 4)
    data[at + 4 * many :] = packed[:end]
    return data
