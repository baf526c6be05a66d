"""Voxels over the wire: a box is cut into requests that begin and end with the server's cuboids, sent side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from voxome.config.settings import setting
from voxome.errors import CorruptData
from voxome.geometry import BlockGrid, Box
from voxome.remotes.bossdb.service import path
from voxome.remotes.http import Api, fan_out

WORKERS = 8
"""Requests on their way at once; ``VOXOME_BOSSDB_WORKERS`` changes it."""
REQUEST_MIB = 8
"""Voxels of one request, if its cuboids are not larger; ``VOXOME_BOSSDB_REQUEST_MIB`` changes it."""
MOST_MIB = 512
"""The server refuses requests of more than 520 MiB."""
_BLOSC = "application/blosc"
_HEADER = 16


class Cutouts:
    """The voxels of one channel at one resolution.

    Parameters
    ----------
    api : Api
        The server.
    names : tuple of str
        Collection, experiment and channel.
    resolution : int
        0 is the finest.
    dtype : numpy.dtype
        Of the voxels.
    cuboid : tuple of int
        Voxels of what the server stores as one piece, along z, y, x or t, z, y, x.
    """

    def __init__(
        self, api: Api, names: Sequence[str], resolution: int, dtype: np.dtype[Any], cuboid: tuple[int, ...]
    ) -> None:
        self._api, self._cuboid = api, cuboid
        self._names: tuple[str, ...] = (*names, str(resolution))
        self._dtype = dtype.newbyteorder("<")

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Fill `out` with the voxels of `box`.

        Raises
        ------
        CorruptData
            If the server sends other than the voxels asked for.
        """
        fan_out(lambda part: self._get(part, out[part.within(box)]), self._requests(box), workers=_workers())

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Store `data` as the voxels of `box`, zeros too.

        The server lets zeros in what it is sent leave what it has. So where zeros are to replace voxels, these are
        blackened first. A request that is lost half-way leaves its own part of the box as it was, black in places, or
        written; writing again makes it right.
        """
        fan_out(lambda part: self._put(part, data[part.within(box)]), self._requests(box), workers=_workers())

    def _requests(self, box: Box) -> list[Box]:
        if box.empty:
            return []
        cuboids = box.snap(self._cuboid)
        shape = request_shape(cuboids.shape, self._cuboid, self._dtype.itemsize)
        return [block.write for block in BlockGrid(cuboids, shape, box)]

    def _get(self, box: Box, out: NDArray[Any]) -> None:
        answer = self._api.send(
            "GET",
            self._path("cutout", box),
            params={"access-mode": "no-cache"},
            headers={"Accept": _BLOSC, "Accept-Encoding": "identity"},
            ok=(200,),
        )
        decode(answer.content, out, self._dtype, f"the voxels {box} of {'/'.join(self._names)}")

    def _put(self, box: Box, data: NDArray[Any]) -> None:
        count = int(np.count_nonzero(data))
        if count < data.size:
            self._blacken(box, data, count)
        if count:
            body = encode(np.ascontiguousarray(data, self._dtype))
            headers = {"Content-Type": _BLOSC}
            self._api.send("POST", self._path("cutout", box), content=body, headers=headers, idempotent=True)

    def _blacken(self, box: Box, data: NDArray[Any], count: int) -> None:
        """Erase where `data` are 0 and the server has other voxels."""
        stale: Box | None = box
        if count:
            stored = np.empty(box.shape, self._dtype)
            self._get(box, stored)
            stale = _extent((stored != 0) & (data == 0), box.start)
        if stale is not None:
            self._api.send("PUT", self._path("to_black", stale))

    def _path(self, what: str, box: Box) -> str:
        *time, z, y, x = (f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))
        head = path("cutout", *([what] if what != "cutout" else []), *self._names)
        return head + "/".join([x, y, z, *time]) + "/"


def request_shape(shape: Sequence[int], cuboid: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """How many voxels one request should span: whole cuboids, x first, so that they lie together in the result.

    Parameters
    ----------
    shape : tuple of int
        Of all that is asked for, in whole cuboids.
    cuboid : tuple of int
        Of one.
    itemsize : int
        Bytes of a voxel.

    Examples
    --------
    >>> request_shape((512, 1024, 1024), (16, 512, 512), 1)
    (16, 512, 1024)
    """
    most = min(setting("BOSSDB_REQUEST_MIB", REQUEST_MIB), MOST_MIB) << 20
    whole = math.prod(shape) * itemsize
    left = max(min(most, whole // _workers()) // (math.prod(cuboid) * itemsize), 1)
    found = []
    for n, size in zip(reversed(shape), reversed(cuboid), strict=True):
        count = min(n // size, left)
        found.append(count * size)
        left //= count
    return tuple(reversed(found))


def decode(body: bytes, out: NDArray[Any], dtype: np.dtype[Any], what: str) -> None:
    """Unpack voxels into `out`, straight where they lie together in it.

    Raises
    ------
    CorruptData
        If they are not as many as `out` holds, or cannot be unpacked.
    """
    size = out.size * dtype.itemsize
    told = [int.from_bytes(body[at : at + 4], "little") for at in (4, 12)]
    if len(body) < _HEADER or told != [size, len(body)]:
        raise CorruptData(
            f"{what}: blosc data of {size} bytes were expected, but {len(body)} bytes came: {body[:16]!r}"
        )
    straight = out.flags.c_contiguous and out.dtype == dtype
    target = out if straight else np.empty(out.shape, dtype)
    try:
        blosc.decompress(body, target)
    except (RuntimeError, ValueError) as error:
        raise CorruptData(f"{what} cannot be unpacked: {error}") from error
    if not straight:
        out[...] = target


def encode(data: NDArray[Any]) -> bytes:
    """Pack voxels, in C order."""
    body: bytes = blosc.compress(data, b"lz4", 5, blosc.SHUFFLE if data.itemsize > 1 else blosc.NOSHUFFLE)
    return body


def _extent(mask: NDArray[np.bool_], start: Sequence[int]) -> Box | None:
    """The smallest box around what is true; None if nothing is."""
    low, high = [], []
    for axis, first in enumerate(start):
        found = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(found):
            return None
        low.append(first + int(found[0]))
        high.append(first + int(found[-1]) + 1)
    return Box(tuple(low), tuple(high))


def _workers() -> int:
    return max(setting("BOSSDB_WORKERS", WORKERS), 1)
