"""Runs along x of sparse volumes: tables of x, y, z, length, and DVID's encodings of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from standins.dvid.calls import Refusal, Xyz
from standins.dvid.codecs.label_block import CUBE, cubes

Runs = NDArray[np.int32]
"""(n, 4) array: x, y, z, length."""


HEADER = 12
"""Length of the header of ``rles``."""


def from_mask(mask: NDArray[np.bool_], offset: Xyz) -> Runs:
    """Return the runs of a (z, y, x) mask whose first voxel is at `offset`."""
    edges = np.diff(mask.astype(np.int8), axis=2, prepend=0, append=0)
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    lengths = stops[:, 2:] - starts[:, 2:]
    return np.concatenate([starts[:, ::-1] + offset, lengths], axis=1).astype(np.int32)


def from_coords(coords: Iterable[Xyz]) -> Runs:
    """Return the runs of single points, sorted by z, y, x."""
    runs: list[list[int]] = []
    for z, y, x in sorted(coord[::-1] for coord in coords):
        if runs and runs[-1][1:3] == [y, z] and runs[-1][0] + runs[-1][3] == x:
            runs[-1][3] += 1
        else:
            runs.append([x, y, z, 1])
    return np.array(runs, np.int32).reshape(-1, 4)


def sort_runs(runs: Runs) -> Runs:
    """Sort runs by z, y, x."""
    return runs[np.lexsort((runs[:, 0], runs[:, 1], runs[:, 2]))]


def encode(runs: Runs) -> bytes:
    """Encode ``rles``: a header of 12 bytes, then the runs."""
    return struct.pack("<4B2I", 0, 3, 0, 0, 0, len(runs)) + runs.astype("<i4").tobytes()


def decode(data: bytes) -> Runs:
    """Decode ``rles``."""
    if len(data) < HEADER:
        raise Refusal("unexpected EOF")
    count = struct.unpack_from("<I", data, 8)[0]
    if len(data) < HEADER + 16 * count:
        raise Refusal("unexpected EOF")
    return np.frombuffer(data, "<i4", 4 * count, HEADER).reshape(-1, 4).astype(np.int32)


def encode_block(mask: NDArray[np.bool_], offset: Xyz) -> bytes:
    """Encode one block of the format ``blocks``: its offset, then the content of its sub-blocks."""
    if mask.all():
        return struct.pack("<3iB", *offset, 1)
    return struct.pack("<3iB", *offset, 2) + b"".join(map(_cube, cubes(mask)))


def _cube(cube: NDArray[np.bool_]) -> bytes:
    if cube.all():
        return b"\x01"
    return b"\x02" + np.packbits(cube, bitorder="little").tobytes() if cube.any() else b"\x00"


def block_header(shape: tuple[int, ...], label: int) -> bytes:
    """Return the header of the format ``blocks``."""
    z, y, x = (n // CUBE for n in shape)
    return struct.pack("<3IQ", x, y, z, label)


def paint(runs: Runs, out: NDArray[Any], offset: Xyz) -> None:
    """Set the voxels of runs in a (z, y, x) mask, which must contain them."""
    for x, y, z, length in (runs - np.array([*offset, 0], np.int32)).tolist():
        out[z, y, x : x + length] = True


def split_by_block(runs: Runs, block: Xyz) -> dict[Xyz, Runs]:
    """Split runs at block boundaries and group them by block."""
    parts: dict[Xyz, list[list[int]]] = {}
    for x, y, z, length in runs.tolist():
        end = x + length
        while x < end:
            coord = (x // block[0], y // block[1], z // block[2])
            n = min(end, (coord[0] + 1) * block[0]) - x
            parts.setdefault(coord, []).append([x, y, z, n])
            x += n
    return {coord: np.array(rows, np.int32) for coord, rows in parts.items()}
