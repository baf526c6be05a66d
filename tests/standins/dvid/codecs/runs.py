"""Runs along x, the form of sparse volumes: tables of x, y, z, length, and DVID's forms of them on the wire."""

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
"""Bytes before the runs in the form ``rles``."""


def of_mask(mask: NDArray[np.bool_], offset: Xyz) -> Runs:
    """The runs of a (z, y, x) mask whose first voxel lies at an offset."""
    edges = np.diff(mask.astype(np.int8), axis=2, prepend=0, append=0)
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    lengths = stops[:, 2:] - starts[:, 2:]
    return np.concatenate([starts[:, ::-1] + offset, lengths], axis=1).astype(np.int32)


def of_places(places: Iterable[Xyz]) -> Runs:
    """The runs of single places, in the order z, y, x."""
    runs: list[list[int]] = []
    for z, y, x in sorted(place[::-1] for place in places):
        if runs and runs[-1][1:3] == [y, z] and runs[-1][0] + runs[-1][3] == x:
            runs[-1][3] += 1
        else:
            runs.append([x, y, z, 1])
    return np.array(runs, np.int32).reshape(-1, 4)


def ordered(runs: Runs) -> Runs:
    """Sort runs by z, y, x."""
    return runs[np.lexsort((runs[:, 0], runs[:, 1], runs[:, 2]))]


def encode(runs: Runs) -> bytes:
    """``rles``: a header of 12 bytes, then the runs."""
    return struct.pack("<4B2I", 0, 3, 0, 0, 0, len(runs)) + runs.astype("<i4").tobytes()


def decode(data: bytes) -> Runs:
    """Read ``rles``."""
    if len(data) < HEADER:
        raise Refusal("unexpected EOF")
    count = struct.unpack_from("<I", data, 8)[0]
    if len(data) < HEADER + 16 * count:
        raise Refusal("unexpected EOF")
    return np.frombuffer(data, "<i4", 4 * count, HEADER).reshape(-1, 4).astype(np.int32)


def encode_block(mask: NDArray[np.bool_], offset: Xyz) -> bytes:
    """One block of the form ``blocks``: its offset, then how full it and each of its sub-blocks are."""
    if mask.all():
        return struct.pack("<3iB", *offset, 1)
    return struct.pack("<3iB", *offset, 2) + b"".join(map(_cube, cubes(mask)))


def _cube(cube: NDArray[np.bool_]) -> bytes:
    if cube.all():
        return b"\x01"
    return b"\x02" + np.packbits(cube, bitorder="little").tobytes() if cube.any() else b"\x00"


def block_header(shape: tuple[int, ...], label: int) -> bytes:
    """What the form ``blocks`` starts with."""
    z, y, x = (n // CUBE for n in shape)
    return struct.pack("<3IQ", x, y, z, label)


def paint(runs: Runs, out: NDArray[Any], offset: Xyz) -> None:
    """Set the voxels of runs in a (z, y, x) mask; the runs must lie within it."""
    for x, y, z, length in (runs - np.array([*offset, 0], np.int32)).tolist():
        out[z, y, x : x + length] = True


def cut(runs: Runs, block: Xyz) -> dict[Xyz, Runs]:
    """Cut runs at the bounds of blocks and sort them by block."""
    parts: dict[Xyz, list[list[int]]] = {}
    for x, y, z, length in runs.tolist():
        end = x + length
        while x < end:
            place = (x // block[0], y // block[1], z // block[2])
            n = min(end, (place[0] + 1) * block[0]) - x
            parts.setdefault(place, []).append([x, y, z, n])
            x += n
    return {place: np.array(own, np.int32) for place, own in parts.items()}
